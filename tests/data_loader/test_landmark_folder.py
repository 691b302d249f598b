"""A folder of the user's own images: splits, landmarks, file formats, and faults told in a line."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from data_loader.batches import make_loader
from data_loader.celeba import MAFLAligned
from data_loader.folder_listing import FolderListing, shared_listings
from data_loader.landmark_folder import LandmarkFolder
from data_loader.landmark_formats import read_annotations
from tests.data_helpers.tiny_runs import write_image
from utils.errors import UserError, one_line

IMWIDTH = 20
CPU = torch.device("cpu")


@pytest.fixture
def root(tmp_path):
    """A folder with four images of 40 x 48 pixels, and no list of landmarks."""
    for number, name in enumerate(("a.jpg", "b.jpg", "c.jpg", "d.jpg")):
        write_image(tmp_path / "faces" / "images" / name, number)
    return tmp_path / "faces"


def annotate(root, *rows, header="file,split,x0,y0,x1,y1"):
    (root / "landmarks.csv").write_text("\n".join([header, *rows]) + "\n")


def names(root, split, **args):
    return [path.name for path in LandmarkFolder(str(root), split, IMWIDTH, **args).paths]


def complaint(root, split="train", **args):
    """Return what a folder is refused with; one line."""
    with pytest.raises(UserError) as error:
        LandmarkFolder(str(root), split, IMWIDTH, **{"use_keypoints": True, **args})
    assert "\n" not in str(error.value)
    return str(error.value)


# ---- splits


def test_the_list_says_which_image_is_of_which_split_in_its_own_order(root):
    annotate(root, "d.jpg,train,1,2,3,4", "b.jpg,val,1,2,3,4", "a.jpg,train,1,2,3,4",
             "c.jpg,test,1,2,3,4")
    for use_keypoints in (False, True):
        found = {s: names(root, s, use_keypoints=use_keypoints) for s in ("train", "val", "test")}
        assert found == {"train": ["d.jpg", "a.jpg"], "val": ["b.jpg"], "test": ["c.jpg"]}


def test_without_validation_rows_the_test_split_validates(root):
    annotate(root, "a.jpg,train,1,2,3,4", "c.jpg,test,1,2,3,4", "b.jpg,test,1,2,3,4",
             "d.jpg,train,1,2,3,4")
    assert names(root, "val") == names(root, "test") == ["c.jpg", "b.jpg"]


def digest_split(name):
    """Recompute an unlisted image's split from the documented hash of its name."""
    first = hashlib.sha1(name.encode()).hexdigest()[:8]
    return "test" if int(first, 16) / 2**32 < 0.1 else "train"


def test_unlisted_images_are_split_by_a_hash_of_their_names(tmp_path):
    many = [f"nested {n % 3}/{n}.jpg" for n in range(300)]
    for name in many:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")  # listing opens no image
    found = {
        split: {path.relative_to(tmp_path).as_posix()
                for path in LandmarkFolder(str(tmp_path), split, IMWIDTH).paths}
        for split in ("train", "val", "test")
    }
    assert found["train"] | found["test"] == set(many)
    assert not found["train"] & found["test"]
    assert found["val"] == found["test"]
    assert found["test"] == {name for name in many if digest_split(name) == "test"}
    assert 15 <= len(found["test"]) <= 45  # three standard deviations around a tenth
    (tmp_path / "one more.jpg").write_bytes(b"")  # a new image moves no other
    for split in ("train", "test"):
        dataset = LandmarkFolder(str(tmp_path), split, IMWIDTH)
        assert found[split] <= {path.relative_to(tmp_path).as_posix() for path in dataset.paths}


def test_a_row_without_a_split_is_split_by_its_name_too(tmp_path):
    listed = [f"{n}.jpg" for n in range(60)]
    for name in listed:
        (tmp_path / name).write_bytes(b"")
    annotate(tmp_path, *[f"{name},,1,2,3,4" for name in listed])
    of_empty_cells = {split: names(tmp_path, split) for split in ("train", "test")}
    annotate(tmp_path, *[f"{name},1,2,3,4" for name in listed], header="file,x0,y0,x1,y1")
    of_no_column = {split: names(tmp_path, split) for split in ("train", "test")}
    expected = {split: [name for name in listed if digest_split(name) == split]
                for split in ("train", "test")}
    assert of_empty_cells == of_no_column == expected


def test_images_lie_below_the_root_where_there_is_no_folder_images(tmp_path):
    for name in ("one.JPG", "deep/er/two.png", "deep/three.webp"):
        write_image(tmp_path / name, 0)
    (tmp_path / "notes.txt").write_text("no image")
    found = [
        path.relative_to(tmp_path).as_posix() for split in ("train", "test")
        for path in LandmarkFolder(str(tmp_path), split, IMWIDTH).paths
    ]
    assert sorted(found) == ["deep/er/two.png", "deep/three.webp", "one.JPG"]


def test_unlisted_images_are_for_learning_an_embedding_only(root):
    annotate(root, "d.jpg,train,1,2,3,4", "b.jpg,test,1,2,3,4")
    unlisted = {name for name in ("a.jpg", "c.jpg") if digest_split(name) == "train"}
    assert names(root, "train", use_keypoints=True) == ["d.jpg"]
    assert names(root, "train") == ["d.jpg", *sorted(unlisted)]


def test_listed_images_that_are_absent_matter_only_where_landmarks_are_used(root):
    annotate(root, "a.jpg,train,1,2,3,4", "gone.jpg,train,1,2,3,4", "b.jpg,test,1,2,3,4")
    assert "gone.jpg" not in names(root, "train")
    dataset = LandmarkFolder(str(root), "train", IMWIDTH, use_keypoints=True)
    with pytest.raises(UserError) as error:
        dataset.require_files()
    message = str(error.value)
    assert message == (f"{root / 'landmarks.csv'}, line 3: lists gone.jpg, "
                       f"but {root / 'images' / 'gone.jpg'} does not exist")
    with pytest.raises(UserError, match="landmarks.csv, line 3: lists gone.jpg, but "):
        dataset[1]


# ---- items


def test_an_item_is_the_resized_image_with_landmarks_scaled_to_its_size(root):
    annotate(root, "a.jpg,train,10,12,30,36", "b.jpg,train,0,0,39.5,47.25")
    dataset = LandmarkFolder(str(root), "train", IMWIDTH, use_keypoints=True)
    item = dataset[1]
    with Image.open(root / "images" / "b.jpg") as image:
        expected = np.asarray(image.convert("RGB").resize((IMWIDTH, IMWIDTH), Image.BILINEAR))
    assert item["image"].dtype == torch.uint8
    np.testing.assert_array_equal(item["image"].permute(1, 2, 0), expected)
    assert item["keypts"].dtype == torch.float32
    scaled = [[0, 0], [39.5 * IMWIDTH / 40, 47.25 * IMWIDTH / 48]]
    np.testing.assert_allclose(item["keypts"], scaled, rtol=1e-6)
    np.testing.assert_allclose(dataset[0]["keypts"], [[5, 5], [15, 15]], rtol=1e-6)
    assert item["index"] == 1
    assert (dataset.num_landmarks, dataset.eye_indices) == (2, (0, 1))


def test_a_single_landmark_can_be_matched_but_normalises_nothing(root):
    (root / "landmarks.csv").write_text("file,split,x,y\n./a.jpg,train,1,2\n")
    dataset = LandmarkFolder(str(root), "train", IMWIDTH, use_keypoints=True)
    assert [path.name for path in dataset.paths] == ["a.jpg"]
    assert (dataset.num_landmarks, dataset.eye_indices) == (1, ())


def test_without_use_keypoints_there_are_none(root):
    annotate(root, *[f"{name}.jpg,train,1,2,3,4" for name in "abcd"])
    assert LandmarkFolder(str(root), "train", IMWIDTH)[0]["keypts"].shape == (0, 2)


@pytest.mark.parametrize("mode, suffix", [
    ("L", "png"), ("L", "jpg"), ("1", "png"), ("P", "png"), ("LA", "png"), ("RGBA", "png"),
    ("CMYK", "jpg"), ("RGB", "bmp"), ("RGBA", "webp"), ("RGB", "tiff"),
])
def test_every_kind_of_image_file_becomes_rgb(tmp_path, mode, suffix):
    gradient = np.tile(np.arange(48, dtype=np.uint8) * 5, (40, 1))
    image = Image.fromarray(gradient).convert("RGB").convert(mode)
    image.save(tmp_path / f"a.{suffix}")
    (tmp_path / "landmarks.csv").write_text(f"file,split,x0,y0\na.{suffix},train,1,2\n")
    item = LandmarkFolder(str(tmp_path), "train", IMWIDTH)[0]
    assert item["image"].shape == (3, IMWIDTH, IMWIDTH)
    left, right = item["image"][:, :, :4].float().mean(), item["image"][:, :, -4:].float().mean()
    assert left + 50 < right  # still dark on the left, bright on the right


def test_the_csv_may_come_from_a_spreadsheet(root):
    text = "\ufefffile, split ,x0,y0\r\n a.jpg ,train,1.5,2e1\r\n\r\nb.jpg,,-3,4\r\n"
    (root / "landmarks.csv").write_bytes(text.encode())
    table = read_annotations([root / "landmarks.csv"], root, [], []).table
    assert list(table) == ["a.jpg", "b.jpg"]
    assert [entry.split for entry in table.values()] == ["train", None]
    np.testing.assert_array_equal(table["a.jpg"].landmarks, [[1.5, 20]])
    np.testing.assert_array_equal(table["b.jpg"].landmarks, [[-3, 4]])


def test_which_landmarks_are_the_eyes_is_an_argument(root):
    annotate(root, "a.jpg,train,1,2,3,4,5,6", header="file,split,x0,y0,x1,y1,x2,y2")
    args = {"use_keypoints": True}
    assert LandmarkFolder(str(root), "train", IMWIDTH, eye_indices=[2, 0], **args).eye_indices == (
        2, 0)
    for wrong in ([0, 3], [0], [0, 1, 2], [-1, 0], [1, 1], [0.5, 1], ["0", "1"], [False, True]):
        with pytest.raises(ValueError, match="expected two of the 3 landmarks, 0 to 2"):
            LandmarkFolder(str(root), "train", IMWIDTH, eye_indices=wrong, **args)


# ---- faults


@pytest.mark.parametrize("header, rows, words", [
    ("who,x0,y0", ["a.jpg,1,2"], ["expected a header with a column 'file', found 'who, x0, y0'"]),
    ("file,x0,y0,x1", ["a.jpg,1,2,3"], ["column 'x1': expected y of this landmark, too"]),
    ("file,split,x0", ["a.jpg,train,1"], ["column 'x0': expected y of this landmark, too"]),
    ("file", ["a.jpg"], ["0 coordinate columns"]),
    ("file,x0,y0", ["a.jpg,1,2", "b.jpg,1"], ["line 3: 2 columns, expected 3 as in the header"]),
    ("file,x0,y0", ["a.jpg,1,2,5"], ["line 2: 4 columns, expected 3"]),
    ("file,x0,y0", ["a.jpg,1,two"], ["line 2: expected numbers", "two"]),
    ("file,x0,y0", ["a.jpg,1,"], ["line 2: expected finite coordinates, x and y of each"]),
    ("file,x0,y0", ["a.jpg,1,2", "", "b.jpg,nan,2"], ["line 4: expected finite coordinates"]),
    ("file,x0,y0", ["a.jpg,1,inf"], ["line 2: expected numbers ('inf' is no number)"]),
    ("file,x0,y0", ["a.jpg,1,2", "a.jpg,3,4"], ["line 3: a.jpg is listed twice"]),
    ("file,split,x0,y0", ["a.jpg,practice,1,2"],
     ["line 2: split 'practice', expected one of train, val, test, or nothing"]),
    ("file,x0,y0", [], ["lists no images"]),
])
def test_a_faulty_list_is_refused_with_its_path_and_line(root, header, rows, words):
    annotate(root, *rows, header=header)
    message = complaint(root)
    assert message.startswith(str(root / "landmarks.csv"))
    assert all(word in message for word in words), message


def test_a_list_that_is_no_text(root):
    (root / "landmarks.csv").write_bytes(b"\xff\xd8\xff\xe0 a picture by mistake")
    assert f"{root / 'landmarks.csv'}: expected a header with a column 'file'" in complaint(root)
    (root / "landmarks.csv").write_bytes(b"")
    assert "expected a header with a column 'file', found ''" in complaint(root)


def test_a_missing_root_says_what_is_expected_there(tmp_path):
    message = complaint(tmp_path / "absent")
    assert f"dataset.args.root = '{tmp_path / 'absent'}': no such folder" in message
    assert "docs/own_data.md" in message


def test_a_root_may_begin_with_the_home_folder(root, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    annotate(root, *[f"{name}.jpg,train,1,2,3,4" for name in "abcd"])
    assert LandmarkFolder("~/faces", "train", IMWIDTH, use_keypoints=True).paths == [
        root / "images" / f"{name}.jpg" for name in "abcd"]
    assert f"dataset.args.root = '{tmp_path / 'photos'}': no such folder" in complaint("~/photos")
    with pytest.raises(UserError, match=f"^{tmp_path}/celeba/.*: no such file"):
        MAFLAligned("~/celeba", "test", IMWIDTH)


def test_a_folder_without_images_names_the_suffixes_and_what_is_there(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.gif").write_bytes(b"")
    message = complaint(tmp_path, use_keypoints=False)
    assert message.startswith(f"{tmp_path / 'images'}: no images (suffixes .jpg ")
    assert message.endswith("found 1 .gif")


def test_landmarks_that_are_asked_for_but_absent(root):
    assert complaint(root) == (
        f"no landmarks yet ({root / 'landmarks.csv'}, or another format: docs/own_data.md)")


@pytest.mark.parametrize("args, words", [
    ({"split": "training"}, "split = 'training', expected one of train, val, test"),
    ({"imwidth": 0}, "imwidth = 0, expected a positive number of pixels"),
    ({"crop": 10}, "crop = 10, expected 0 <= crop < imwidth / 2 = 10"),
    ({"crop": -1}, "crop = -1, expected 0 <= crop"),
])
def test_an_argument_out_of_range(root, args, words):
    with pytest.raises(ValueError, match=words):
        LandmarkFolder(**{"root": str(root), "split": "train", "imwidth": IMWIDTH, **args})


def broken_files(folder):
    """Write files that are no images, whole or in part; returns their paths."""
    write_image(folder / "good.jpg", 0, size=(300, 300))
    write_image(folder / "good.png", 0, size=(300, 300))
    jpg, png = (folder / "good.jpg").read_bytes(), (folder / "good.png").read_bytes()
    chunk = png.index(b"IDAT")
    contents = {
        "empty.jpg": b"", "text.jpg": b"not an image", "cut.jpg": jpg[: len(jpg) // 2],
        "head.jpg": jpg[:20], "cut.png": png[: len(png) // 2], "head.png": png[:20],
        "chunk.png": png[:chunk] + b"\0\0\0\0" + png[chunk + 4:],
        "data.png": png[: chunk + 30] + b"\0" * 40 + png[chunk + 70:],
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def test_a_file_that_is_no_image_is_named(tmp_path):
    annotate(tmp_path, *[f"{path.name},train,1,2,3,4" for path in broken_files(tmp_path)])
    dataset = LandmarkFolder(str(tmp_path), "train", IMWIDTH, use_keypoints=True)
    for number, path in enumerate(dataset.paths):
        with pytest.raises(UserError) as error:
            dataset[number]
        assert str(error.value).startswith(f"{path}: cannot read this image (")
        assert "\n" not in str(error.value)


def test_a_picture_too_large_to_be_one_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # as if the file were gigantic
    write_image(tmp_path / "a.png", 0)
    annotate(tmp_path, "a.png,train,1,2,3,4")
    dataset = LandmarkFolder(str(tmp_path), "train", IMWIDTH)
    with pytest.raises(UserError, match="a.png: cannot read this image"):
        dataset[0]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_file_that_is_no_image_is_one_line_out_of_a_worker_too(root, num_workers):
    annotate(root, *[f"{name}.jpg,train,1,2,3,4" for name in "abcd"])
    (root / "images" / "c.jpg").write_text("not an image")
    dataset = LandmarkFolder(str(root), "train", IMWIDTH)
    with pytest.raises(UserError) as error:
        list(make_loader(dataset, 2, CPU, num_workers=num_workers))
    message = one_line(error.value)
    assert message.startswith(f"{root / 'images' / 'c.jpg'}: cannot read this image (")
    assert "\n" not in message


# ---- one listing for all splits


@pytest.fixture
def listed(monkeypatch):
    """The arguments of all listings that are made."""
    made, make = [], FolderListing.__init__

    def noting(listing, *arguments):
        made.append(arguments)
        make(listing, *arguments)

    monkeypatch.setattr(FolderListing, "__init__", noting)
    return made


def test_a_training_and_a_check_list_a_folder_once(train, call_program, embedding_config, listed):
    config = embedding_config()
    train(config, "--mini_train")  # training, validation and test images
    assert len(listed) == 1
    assert call_program("misc/check_data.py", "--config", config, "--num_workers", 0).code == 0
    assert len(listed) == 2


def test_listings_are_shared_by_equal_arguments_and_not_for_longer_than_asked(root, listed):
    with shared_listings():
        first, again = (LandmarkFolder(str(root), split, IMWIDTH) for split in ("train", "test"))
        other = LandmarkFolder(str(root), "train", IMWIDTH, pattern="*.jpg")
    assert first.listing is again.listing and first.listing is not other.listing
    write_image(root / "images" / "e.jpg", 5)
    later = LandmarkFolder(str(root), "train", IMWIDTH)
    assert len(listed) == 3 and len(later.listing.images) == len(first.listing.images) + 1
