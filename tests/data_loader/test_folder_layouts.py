"""The layouts that other tools leave: which images, lists and splits a folder has, and which image
an entry of a list means.
"""

import json
import os
import shutil
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image

from data_loader.folder_listing import FolderListing
from data_loader.landmark_folder import LandmarkFolder
from data_loader.splits import split_named
from tests.data_helpers.landmark_lists import (
    POINTS,
    WRITERS,
    coco,
    write_coco,
    write_csv,
    write_images,
    write_imglab,
    write_pts,
)
from utils.errors import EmptySplit, UserError

ONE = [[10, 12], [30, 36], [20.5, 3]]
TWO = [[0, 0], [39, 47], [5, 7.25]]


def landmarks(root, **args):
    """Return {image: its points} of a folder, whose lists and images must be sound."""
    listing = FolderListing(str(root), **args)
    assert not listing.faults
    return {name: listing.annotations.table[name].landmarks.tolist() for name in listing.annotated}


def description(root, **args):
    return "\n".join(FolderListing(str(root), **args).describe("auto", 20))


def splits(root):
    listing = FolderListing(str(root))
    return {name: listing.splits[name] for name in listing.images}


# ---- which image an entry means


MEANT = {  # image in the folder, what a list calls it
    "prefix": ("a.jpg", "images/a.jpg"),
    "prefixes": ("train/a.jpg", "images/train/a.jpg"),
    "missing folders": ("deep/er/a.jpg", "a.jpg"),
    "some folders": ("deep/er/a.jpg", "er/a.jpg"),
    "Windows": ("deep/a.jpg", "C:\\Users\\me\\photos\\deep\\a.jpg"),
    "another machine's": ("a.jpg", "/home/someone/photos/a.jpg"),
    "another machine's folder": ("shoes/a.jpg", "/home/someone/photos/a.jpg"),
    "URL": ("a.jpg", "http://images.example.org/val/a.jpg?size=large#top"),
    "bucket": ("deep/a.jpg", "s3://bucket/deep/a.jpg"),
    "percent signs": ("my photo.jpg", "https://example.org/my%20photo.jpg"),
    "no suffix": ("a.jpg", "a"),
    "no suffix, a dot": ("a.v2.jpg", "a.v2"),
    "another suffix": ("a.jpg", "a.PNG"),
    "converted": ("a.jpg", "a.heic"),
    "zeros that a spreadsheet drops": ("0007.jpg", "7"),
    "blanks around it": (" a .jpg", "a .jpg"),
    "capitals": ("A.JPG", "a.jpg"),
    "capital folder": ("Deep/a.jpg", "deep/a.jpg"),
    "NFD on disk": (normalize("NFD", "café.jpg"), normalize("NFC", "café.jpg")),
    "NFC on disk": (normalize("NFC", "été/a.jpg"), normalize("NFD", "été/a.jpg")),
    "UTF-8 read as Latin-1": ("schüh.jpg", "schüh.jpg".encode().decode("latin-1")),
    "Latin-1 on disk": (os.fsdecode("café.jpg".encode("latin-1")), "café.jpg"),
    "old zip on disk": (os.fsdecode("café.jpg".encode("cp437")), "café.jpg"),
}


@pytest.mark.parametrize("kind", ["csv", "COCO", "imglab"])
@pytest.mark.parametrize("image, entry", MEANT.values(), ids=MEANT)
def test_an_entry_means_the_image_whose_name_is_nearest(tmp_path, image, entry, kind):
    write_images(tmp_path / "images", [image, "other.jpg"])
    WRITERS[kind](tmp_path, {entry: ONE})
    assert landmarks(tmp_path) == {image: ONE}
    told = description(tmp_path)
    assert "data: 2 images below" in told
    if not entry.startswith("images/"):  # relative to the list: a path as any other
        assert f"; 1 image not listed by its path, but found: '{entry}' is {image}" in told


def test_an_absolute_path_is_the_image_it_leads_to(tmp_path):
    write_images(tmp_path / "photos", ["a.jpg", "deep/a.jpg"])
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "deep" / "b.jpg").symlink_to("a.jpg")
    for there in ("photos", "link"):
        write_csv(tmp_path / "photos", {f"{tmp_path}/{there}/a.jpg": ONE,
                                        f"{tmp_path}/{there}/deep/b.jpg": TWO})
        for root in ("photos", "link"):
            assert landmarks(tmp_path / root) == {"a.jpg": ONE, "deep/a.jpg": TWO}
            assert len(FolderListing(str(tmp_path / root)).images) == 2


def test_a_copy_is_meant_rather_than_the_file_it_was_copied_from(tmp_path):
    write_images(tmp_path / "first", ["a.jpg"])
    write_images(tmp_path / "first", ["b.jpg"], size=(400, 300))
    write_csv(tmp_path / "first", {f"{tmp_path}/first/{name}.jpg": ONE for name in "ab"})
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    assert landmarks(tmp_path / "second") == {"a.jpg": ONE, "b.jpg": ONE}
    write_images(tmp_path / "second", ["b.jpg"])  # another image than the one that is listed
    assert set(landmarks(tmp_path / "second")) == {"a.jpg", "../first/b.jpg"}
    told = f"1 listed image outside of {tmp_path / 'second'} used: ../first/b.jpg"
    assert told in description(tmp_path / "second")


@pytest.mark.parametrize("images, entry, several", [
    (["red/a.jpg", "blue/a.jpg"], "a.jpg", "blue/a.jpg, red/a.jpg"),
    (["a.jpg", "a.png"], "a", "a.jpg, a.png"),
    (["A.jpg", "a.JPG"], "a.jpg", "A.jpg, a.JPG"),
    (["red/a.jpg", "blue/a.jpg"], "http://example.org/val/a.jpg", "blue/a.jpg, red/a.jpg"),
])
def test_an_entry_that_may_mean_several_images_is_refused_with_their_names(
        tmp_path, images, entry, several):
    write_images(tmp_path, images)
    path = write_csv(tmp_path, {entry: ONE})
    (fault,) = [text for text in FolderListing(str(tmp_path)).faults if "lists no" not in text]
    assert fault == (f"{path}, line 2: {entry} may be any of {several}: "
                     "expected the path of one image")


@pytest.mark.parametrize("images, entry", [
    (["red/b.jpg", "blue/a.jpg"], "red/a.jpg"),  # there is a folder red
    (["red/b.jpg", "a.jpg"], "red/a.jpg"),
    (["train/a.jpg"], "val/a.jpg"),
    (["train2017/a.jpg"], "http://example.org/val2017/a.jpg"),
    (["a.jpg"], "b.jpg"), (["aa.jpg"], "a.jpg"), (["a.jpg"], ""),
])
def test_an_image_of_another_folder_is_not_meant(tmp_path, images, entry):
    write_images(tmp_path, images)
    listing = FolderListing(str(tmp_path), annotation=write_imglab(tmp_path, {entry: ONE}).name)
    assert sorted(listing.images) == sorted(images)
    assert not set(listing.annotations.table) & set(images)


def test_an_image_that_is_listed_twice_under_two_names_is_told_with_both(tmp_path):
    write_images(tmp_path, ["a.jpg"])
    path = write_csv(tmp_path, {"a.jpg": ONE, "images/A": TWO})
    assert FolderListing(str(tmp_path)).faults == [
        f"{path}, line 3: a.jpg is listed twice, here as images/A"]


# ---- one file is one image


def test_further_names_of_a_file_are_no_images_and_may_be_listed(tmp_path):
    write_images(tmp_path / "photos", ["b.jpg", "c.jpg", "d.jpg"])
    write_images(tmp_path / "store", ["0001.jpg"])
    photos = tmp_path / "photos"
    (photos / "a.jpg").symlink_to("b.jpg")
    os.link(photos / "c.jpg", photos / "z.jpg")
    for name in ("x.jpg", "y.jpg"):
        (photos / name).symlink_to(tmp_path / "store" / "0001.jpg")
    write_csv(photos, {"a.jpg": ONE, "z.jpg": TWO, f"{tmp_path}/store/0001.jpg": ONE})
    assert landmarks(photos) == {"b.jpg": ONE, "c.jpg": TWO, "x.jpg": ONE}
    assert sorted(FolderListing(str(photos)).images) == ["b.jpg", "c.jpg", "d.jpg", "x.jpg"]
    told = "3 further names of the same files, as links, are left out: a.jpg is b.jpg"
    assert told in description(photos)
    (tmp_path / "photos" / "landmarks.csv").unlink()
    assert FolderListing(str(photos), pattern="[a]*").images == ["a.jpg"]


def test_folders_of_links_are_entered_once_and_loops_are_not(tmp_path):
    write_images(tmp_path / "store", ["red/a.jpg", "blue/b.jpg"])
    root = tmp_path / "photos"
    write_images(root, ["own/c.jpg"])
    (root / "red").symlink_to(tmp_path / "store" / "red")
    (root / "red again").symlink_to(tmp_path / "store" / "red")
    (root / "blue").symlink_to(tmp_path / "store" / "blue")
    (tmp_path / "store" / "blue" / "loop").symlink_to(tmp_path / "store" / "blue")
    (root / "own" / "up").symlink_to(root)
    (root / "own" / "around").symlink_to(tmp_path)
    (root / "again").symlink_to("own")
    found = FolderListing(str(root)).images
    assert [os.path.basename(name) for name in sorted(found)] == ["b.jpg", "c.jpg", "a.jpg"]
    assert "own/c.jpg" in found and "blue/b.jpg" in found


def test_folders_that_systems_keep_for_themselves_are_passed_over_by_name(tmp_path):
    hidden = ["@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "__MACOSX/._a.jpg", "__MACOSX/b.jpg",
              ".ipynb_checkpoints/a-checkpoint.jpg", "deep/@eaDir/c.jpg/THUMB.jpg"]
    write_images(tmp_path, ["a.jpg", "deep/c.jpg", *hidden])
    assert FolderListing(str(tmp_path)).images == ["a.jpg", "deep/c.jpg"]
    assert ("data: folders passed over: .ipynb_checkpoints, @eaDir, __MACOSX, deep/@eaDir"
            in description(tmp_path))


def test_images_of_kinds_that_are_not_read_are_counted(tmp_path):
    write_images(tmp_path, ["a.jpg", "b.jpg"])
    for name in ("1.HEIC", "2.heic", "a.psd", "clip.MP4", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert ("data: 4 files of kinds that are not read: 2 .heic, 1 .psd, 1 .mp4"
            in description(tmp_path))


# ---- splits


@pytest.mark.parametrize("text, split", [
    ("Train", "train"), ("TRAINING", "train"), ("train2017", "train"), ("trainset", "train"),
    ("val", "val"), ("Valid", "val"), ("validation", "val"), ("valid_images", "val"),
    (" test ", "test"), ("Testing", "test"), ("test-set", "test"), ("test subjects", None),
    ("strain", None), ("train_val", None), ("", None),
])
def test_what_names_a_split(text, split):
    assert split_named(text) == split


@pytest.mark.parametrize("train, val, test", [
    ("train", "valid", "test"), ("Training", "Validation", "Testing"),
    ("train2017", "val2017", "test2017"), ("lfpw/trainset", "lfpw/valset", "helen/testset"),
    ("images/train", "images/val", "images/test"), ("train/images", "val/images", "test/images"),
])
def test_folders_named_as_splits_are_splits(tmp_path, train, val, test):
    of = {f"{train}/a.jpg": "train", f"{val}/b.jpg": "val", f"{test}/c.jpg": "test"}
    write_images(tmp_path, of)
    found = {name.removeprefix("images/"): split for name, split in of.items()}
    assert splits(tmp_path) == (found if train.startswith("images/") else of)
    assert "1 train, 1 val, 1 test (as their folders say)" in description(tmp_path)


def test_a_folder_of_trains_is_no_split(tmp_path):
    write_images(tmp_path, [f"{kind}/{n}.jpg" for kind in ("train", "car") for n in range(30)])
    of_trains = {split for name, split in splits(tmp_path).items() if name.startswith("train/")}
    assert of_trains == {"train", "test"}
    assert "(by a hash of their names)" in description(tmp_path)


def test_a_list_goes_before_the_folder(tmp_path):
    write_images(tmp_path, ["train/a.jpg", "train/b.jpg", "test/c.jpg"])
    (tmp_path / "landmarks.csv").write_text("file,split,x,y\ntrain/a.jpg,Test,1,2\nc,,3,4\n")
    assert splits(tmp_path) == {
        "train/a.jpg": "test", "test/c.jpg": "test", "train/b.jpg": "train"}
    assert "(1 as their list says, 2 as their folders say)" in description(tmp_path)


def test_without_test_images_the_validation_images_are_the_test(tmp_path):
    write_images(tmp_path, ["train/a.jpg", "val/b.jpg"])
    for split, name in (("train", "a.jpg"), ("val", "b.jpg"), ("test", "b.jpg")):
        (path,) = LandmarkFolder(str(tmp_path), split, 20).paths
        assert path.name == name
    assert "1 train, 1 val; the val images are the test, too" in description(tmp_path)


# ---- layouts


def test_roboflows_folders_with_a_list_in_each(tmp_path):
    for number, split in enumerate(("train", "valid", "test")):  # the same names in each
        write_images(tmp_path / split, ["a.jpg", f"b{number}.jpg"])
        points = (np.array(ONE) + number).tolist()
        write_coco(tmp_path / split, {"a.jpg": points, f"b{number}": ONE}, "_annotations.coco.json")
    found = landmarks(tmp_path)
    assert found == {
        **{f"{split}/a.jpg": (np.array(ONE) + number).tolist()
           for number, split in enumerate(("train", "valid", "test"))},
        "train/b0.jpg": ONE, "valid/b1.jpg": ONE, "test/b2.jpg": ONE}
    assert splits(tmp_path) == {
        name: {"valid": "val"}.get(name.split("/")[0], name.split("/")[0]) for name in found}


def test_of_images_of_one_name_those_near_the_list_or_of_its_split_are_meant(tmp_path):
    for number, split in enumerate(("train", "val")):
        write_images(tmp_path / split / "images", ["a.jpg"])
        (tmp_path / "annotations").mkdir(exist_ok=True)
        points = (np.array(ONE) + number).tolist()
        write_coco(tmp_path / split, {"a.jpg": points}, "labels.json")
        write_coco(tmp_path / "annotations", {"a.jpg": points}, f"person_{split}.json")
    expected = {"train/images/a.jpg": ONE, "val/images/a.jpg": (np.array(ONE) + 1).tolist()}
    assert landmarks(tmp_path, annotation=["train/labels.json", "val/labels.json"]) == expected
    assert landmarks(tmp_path, annotation=[
        "annotations/person_train.json", "annotations/person_val.json"]) == expected


@pytest.mark.parametrize("folder", ["", "images"])
def test_cocos_folder_of_annotations(tmp_path, folder):
    for number, split in enumerate(("train2017", "val2017")):
        lists, points = tmp_path / "annotations", {f"{number}.jpg": ONE}
        lists.mkdir(exist_ok=True)
        write_images(tmp_path / folder / split, points)
        write_coco(lists, points, f"person_keypoints_{split}.json")
        boxes = [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 1, 9, 9], "keypoints": []}]
        write_coco(lists, points, f"instances_{split}.json", annotations=boxes)
    assert landmarks(tmp_path) == {"train2017/0.jpg": ONE, "val2017/1.jpg": ONE}
    assert splits(tmp_path) == {"train2017/0.jpg": "train", "val2017/1.jpg": "val"}
    assert ("data: not read: annotations/instances_train2017.json, annotations/"
            "instances_val2017.json (holds no COCO keypoints)" in description(tmp_path))


@pytest.mark.parametrize("images, points", [
    ("images", "annotations"), ("images", "points/deeper"), ("faces", "pts"),
])
def test_pts_files_in_a_folder_beside_that_of_the_images(tmp_path, images, points):
    write_images(tmp_path / images, ["a.jpg", "B.jpg"])
    (tmp_path / points).mkdir(parents=True)
    write_pts(tmp_path / points, {"a.jpg": ONE, "b.jpg": TWO, "c.jpg": ONE})
    inner = "" if images == "images" else f"{images}/"
    assert landmarks(tmp_path) == {f"{inner}a.jpg": ONE, f"{inner}B.jpg": TWO}
    assert f".pts files of no image, or of any of several: {tmp_path / points / 'c.pts'}" in (
        description(tmp_path))


def test_pts_files_in_folders_that_mirror_those_of_the_images(tmp_path):
    write_images(tmp_path / "images", ["red/1.jpg", "blue/1.jpg"])
    for colour, of in (("red", ONE), ("blue", TWO)):
        (tmp_path / "annotations" / colour).mkdir(parents=True)
        write_pts(tmp_path / "annotations" / colour, {"1.jpg": of})
    assert landmarks(tmp_path) == {"red/1.jpg": ONE, "blue/1.jpg": TWO}


def test_pts_files_beside_their_images_go_before_others_of_the_same_name(tmp_path):
    write_images(tmp_path, ["a.jpg", "deep/b.jpg"])
    write_pts(tmp_path, {"a.jpg": ONE, "deep/b.jpg": TWO})
    (tmp_path / "backup").mkdir()
    write_pts(tmp_path / "backup", {"a.jpg": TWO})
    assert landmarks(tmp_path) == {"a.jpg": ONE, "deep/b.jpg": TWO}


def test_a_pts_file_beside_two_images_of_its_name_is_refused_with_their_names(tmp_path):
    write_images(tmp_path, ["a.jpg", "a.png", "b.jpg"])
    write_pts(tmp_path, {"a.jpg": ONE, "b.jpg": TWO})
    listing = FolderListing(str(tmp_path))
    assert listing.faults == [
        f"{tmp_path / 'a.pts'}: is of any of a.jpg, a.png: expected one (dataset.args.pattern)"]
    assert listing.annotated == ["b.jpg"]
    assert landmarks(tmp_path, pattern="*.jpg") == {"a.jpg": ONE, "b.jpg": TWO}


@pytest.mark.parametrize("place", [
    "images/landmarks.csv", "annotations.csv", "lists/shoes.csv", "images/red/labels.csv"])
def test_a_csv_of_another_name_or_place(tmp_path, place):
    write_images(tmp_path / "images", ["red/a.jpg", "red/b.jpg"])
    (tmp_path / place).parent.mkdir(exist_ok=True)
    write_csv(tmp_path, {"red/a.jpg": ONE, "b.jpg": TWO}, place)
    assert landmarks(tmp_path) == {"red/a.jpg": ONE, "red/b.jpg": TWO}
    assert f"in {tmp_path / place}: " in description(tmp_path)


@pytest.mark.parametrize("header, is_read", [
    ("file,x,y", True), ("file|x|y", True), ("file,heelX,heelY", True), ("file;lx;ly", True),
    ("name,1,2", False), ("id,heel,toe", False)])
def test_a_csv_of_another_name_is_read_if_its_header_names_x_and_y(tmp_path, header, is_read):
    write_images(tmp_path, ["a.jpg", "b.jpg"])
    separator = next(letter for letter in header if letter in ",;|")
    (tmp_path / "points.csv").write_text(f"{header}\n" + separator.join(["a.jpg", "3.5", "4"]))
    assert landmarks(tmp_path) == ({"a.jpg": [[3.5, 4]]} if is_read else {})
    hint = ("data: not read: points.csv (its header names no x and y of landmarks; "
            "dataset.args.annotation takes it)")
    assert (hint in description(tmp_path)) != is_read
    assert landmarks(tmp_path, annotation="points.csv") == {"a.jpg": [[3.5, 4]]}


def test_a_csv_of_another_name_with_a_slip_is_a_list_with_a_mistake(tmp_path):
    write_images(tmp_path, ["a.jpg", "b.jpg", "c.jpg"])
    points = tmp_path / "points.csv"
    points.write_text("file,x,y\na.jpg,3,4\nb.jpg,5,6\nc.jpg,1O,7\n")
    assert FolderListing(tmp_path).faults == [
        f"{points}, line 4: expected numbers ('1O' is no number)"]
    points.write_text("file,x,y\na.jpg,3,4\na.jpg,5,6\na.jpg,9,7\n")  # no list as is read
    assert landmarks(tmp_path) == {} and "line 3: a.jpg is listed twice" in description(tmp_path)


@pytest.mark.parametrize("write, name", [(write_coco, "a.json"), (write_imglab, "a.xml")])
def test_a_list_beside_the_folder_of_images_in_a_folder_of_its_own(tmp_path, write, name):
    write_images(tmp_path / "images", POINTS)
    (tmp_path / "labels").mkdir()
    write(tmp_path / "labels", {f"../images/{file}": of for file, of in POINTS.items()}, name)
    assert landmarks(tmp_path) == POINTS


def test_several_lists_that_do_not_belong_together_are_named_with_the_argument(tmp_path):
    write_images(tmp_path, ["a.jpg", "b.jpg"])
    write_csv(tmp_path, {"a.jpg": ONE}, "first.csv")
    write_csv(tmp_path, {"b.jpg": TWO}, "second.csv")
    told = "not read: first.csv, second.csv (dataset.args.annotation takes it)"
    assert description(tmp_path).endswith(f"data: no landmarks\ndata: {told}")
    with pytest.raises(EmptySplit, match="no landmarks yet .*; not read: first.csv, second.csv"):
        LandmarkFolder(str(tmp_path), "train", 20, use_keypoints=True)
    assert landmarks(tmp_path, annotation="second.csv") == {"b.jpg": TWO}
    assert landmarks(tmp_path, annotation=["first.csv", "second.csv"]) == {
        "a.jpg": ONE, "b.jpg": TWO}


def test_a_list_above_the_root_is_named_with_the_argument(tmp_path):
    root = tmp_path / "faces"
    write_images(root, ["a.jpg"])
    write_imglab(tmp_path, {"faces/a.jpg": ONE})
    (tmp_path / "settings.json").write_text("{}")
    assert description(root).endswith(
        "data: not read: ../shoes.xml (dataset.args.annotation takes it)")
    assert landmarks(root, annotation="../shoes.xml") == {"a.jpg": ONE}


def test_lists_of_one_name_in_folders_of_their_own_are_taken_together(tmp_path):
    for colour, of in (("red", ONE), ("blue", TWO)):
        write_images(tmp_path / colour, ["1.jpg"])
        write_csv(tmp_path / colour, {"1.jpg": of}, "points.csv")
    assert landmarks(tmp_path) == {"red/1.jpg": ONE, "blue/1.jpg": TWO}


FOREIGN = {
    "_annotations.coco.json": (json.dumps(coco(annotations=[
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]}])), "no COCO keypoints"),
    "gallery.json": ('{"images": ["a.jpg"], "settings": {}}', "holds no COCO keypoints"),
    "labelme.json": ('{"shapes": [{"points": [[1, 2]]}], "imagePath": "a.jpg"}', "no COCO keyp"),
    "empty.json": ("", "is empty"),
    "cvat.xml": ("<annotations><image id='0' name='a.jpg'><points label='0' points='1,2'/></image>"
                 "</annotations>", "holds no parts of imglab's boxes"),
    "voc.xml": ("<annotation><filename>a.jpg</filename><object><part/></object></annotation>",
                "holds no parts of imglab's boxes"),
    "prices.csv": ("file,price,shop\na.jpg,1,2\n", "its header names no x and y of landmarks"),
    "boxes.csv": ("file,x,y,width,height\na.jpg,1,2,3,4\n", "belongs to a box"),
    "cities.csv": ("name,x,y\nBonn,1,2\n", ""),
    "others.csv": ("file,x,y\nelsewhere.jpg,1,2\n", "names no image of this folder"),
    "sheet.xlsx": ("PK", ".xlsx is not read: expected .csv .tsv .json .xml *.pts"),
    "yolo.txt": ("0 0.5 0.5 0.2 0.2\n", ".txt is not read"),
    "cloud.pts": ("1 2 3\n4 5 6\n", "belongs to no image"),
    "broken.csv": ("file,x,y\na.jpg,1,2\na.jpg,3,4\n", "line 3: a.jpg is listed twice"),
}


def test_what_is_no_file_is_passed_over(tmp_path):
    write_images(tmp_path, ["a.jpg", "b.jpg"])
    for name in ("c.jpg", "landmarks.csv", "a.json", "a.pts"):
        os.mkfifo(tmp_path / name)  # opening one for reading would wait for a writer
    assert FolderListing(tmp_path).images == ["a.jpg", "b.jpg"]
    assert "no landmarks" in description(tmp_path)


def test_images_beside_an_empty_folder_of_images_are_used_if_a_list_names_them(tmp_path):
    write_images(tmp_path, ["a.jpg", "b.jpg"])
    (tmp_path / "images").mkdir()
    write_csv(tmp_path, {"a.jpg": ONE, "b.jpg": TWO})
    assert list(landmarks(tmp_path).values()) == [ONE, TWO]
    assert "not used" not in description(tmp_path)


@pytest.mark.parametrize("name, encoding", [("a.json", "utf-16"), ("landmarks.tsv", "utf-8")])
def test_further_kinds_of_lists_are_found(tmp_path, name, encoding):
    write_images(tmp_path, ["a.jpg", "b.jpg"])
    write = write_coco if name == "a.json" else write_csv
    path = write(tmp_path, {"a.jpg": ONE, "b.jpg": TWO}, name)
    path.write_text(path.read_text().replace(",", "\t" if name[-3:] == "tsv" else ","), encoding)
    assert landmarks(tmp_path) == {"a.jpg": ONE, "b.jpg": TWO}


def test_splits_that_are_absent_are_named(tmp_path):
    write_images(tmp_path, ["a.jpg"])
    assert "1 train, none for validation or the test" in description(tmp_path)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_noted_and_no_error_for_an_embedding(tmp_path, name):
    text, reason = FOREIGN[name]
    write_images(tmp_path, ["a.jpg", "b.jpg"])
    (tmp_path / name).write_text(text)
    assert len(LandmarkFolder(str(tmp_path), "train", 20)) == 1
    last = description(tmp_path).splitlines()[-1]
    assert last.startswith(f"data: not read: {name} (") and reason in last
    with pytest.raises(EmptySplit) as error:
        LandmarkFolder(str(tmp_path), "train", 20, use_keypoints=True)
    assert f"; not read: {name} (" in str(error.value) and reason in str(error.value)


def test_what_is_found_beside_the_list_that_is_read_is_noted(tmp_path):
    write_images(tmp_path / "images", ["a.jpg"])
    write_images(tmp_path / "more", ["b.jpg"])
    write_csv(tmp_path, {"a.jpg": ONE})
    write_coco(tmp_path, {"a.jpg": TWO})
    assert landmarks(tmp_path) == {"a.jpg": ONE}
    told = description(tmp_path)
    assert "data: not read: keypoints.json (dataset.args.annotation takes it)" in told
    assert f"data: 1 image outside of {tmp_path / 'images'} not used: more/b.jpg" in told


# ---- what training says of images and landmarks


def test_training_tells_of_images_and_landmarks_what_the_check_tells(tmp_path):
    write_images(tmp_path, ["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    write_images(tmp_path, ["wide.jpg"], size=(400, 200))
    Image.new("CMYK", (40, 48)).save(tmp_path / "c.jpg")
    Image.new("CMYK", (40, 48)).save(tmp_path / "d.jpg")
    write_csv(tmp_path, {"a.jpg": [[1, 2], [3, 4], [39, 47]], "b.jpg": [[-3, 2], [3, 4], [5, 6]],
                         "wide.jpg": [[98, 2], [110, 4], [150, 6]]})
    dataset = LandmarkFolder(str(tmp_path), "train", 100)
    told = "\n".join(dataset.describe())
    assert "data: c.jpg is CMYK, converted without a colour profile; so 1 more" in told
    assert ("data: 2 images with landmarks outside of what is used of them: b.jpg, wide.jpg; "
            "python misc/check_data.py lists all") in told


@pytest.mark.parametrize("root", ["", " "])
def test_an_empty_root_is_no_folder(root, tmp_path, monkeypatch):
    write_images(tmp_path, ["a.jpg"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="^dataset.args.root is empty, expected a folder$"):
        LandmarkFolder(root, "train", 20)
