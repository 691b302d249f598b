"""AFLW as MTFL splits it: the csv and the test list, 1-based landmarks of a 150 x 150 crop."""

import numpy as np
import pytest
import torch

from data_loader import DATASETS
from data_loader.aflw_mtfl import AFLW_MTFL
from tests.data_helpers.pictures import (
    centre_of_dot,
    content,
    decoded,
    dot,
    noise,
    resized,
    save,
)
from tests.data_helpers.published_layouts import (
    write_crop_table,
    write_mtfl_testing,
    write_text,
)
from utils.config.objects import build
from utils.errors import UserError

CSV, TESTING = "aflw_cropped/facedata_cropped.csv", "MTFL/testing.txt"
POINTS = np.array([(50, 60), (101, 57), (75, 90), (55, 121), (98, 118)])  # 1-based


def write_tree(root, picture_of=lambda number: noise(150, 150, seed=number), separator="/"):
    """Four training images, of which one is a PNG, and three to test; sets 1 and 2 take turns.

    Landmarks of image n are POINTS + n, pictures ``picture_of(n)``.
    """
    crops = [f"output{separator}crop{n}.{'png' if n == 4 else 'jpg'}" for n in range(7)]
    rows = [(f"image{n:05d}.jpg", 1 if n % 2 == 0 else 2, crops[n], POINTS + n) for n in range(7)]
    write_crop_table(root, rows)
    tests = [(f"AFLW{separator}{9 - n:04d}-image{n:05d}.jpg", POINTS + n) for n in (5, 1, 3)]
    write_mtfl_testing(root, tests)
    for number, crop in enumerate(crops):
        save(picture_of(number), root / "aflw_cropped" / crop.replace("\\", "/"))
    for (name, _), number in zip(tests, (5, 1, 3)):
        save(picture_of(number), root / "MTFL" / name.replace("\\", "/"))
    return root


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("aflw-mtfl"))


def partial(root, split, imwidth=100, **args):
    return AFLW_MTFL(str(root), split, imwidth, allow_partial=True, **args)


FILES = {
    "train": [f"aflw_cropped/output/crop{n}.{'png' if n == 4 else 'jpg'}" for n in (0, 2, 4, 6)],
    "test": [f"MTFL/AFLW/{9 - n:04d}-image{n:05d}.jpg" for n in (5, 1, 3)],
}
NUMBERS = {"train": (0, 2, 4, 6), "test": (5, 1, 3)}


def test_published_counts(tmp_path):
    rows = [(f"{n}.jpg", 1 if n < 10122 else 2, f"c/{n}.jpg", POINTS) for n in range(10122 + 2995)]
    write_crop_table(tmp_path, rows)
    write_mtfl_testing(tmp_path, [(f"A\\x-{n}.jpg", POINTS) for n in range(10122, 10122 + 2995)])
    train, val, test = (AFLW_MTFL(str(tmp_path), s, 100) for s in ("train", "val", "test"))
    assert len(train) == 10122 and len(val) == len(test) == 2995
    assert train.partial_note is test.partial_note is None
    assert train.paths[-1] == f"{tmp_path}/aflw_cropped/c/10121.jpg"
    assert val.paths == test.paths and test.paths[0] == f"{tmp_path}/MTFL/A/x-10122.jpg"
    with pytest.raises(UserError, match="MTFL/A/x-10124.jpg"):
        test[2]


@pytest.mark.parametrize(
    "split, message",
    [
        ("train", f"{CSV}: 4 train images, expected 10122"),
        ("test", f"{TESTING}: 3 test images, expected 2995"),
    ],
)
def test_other_counts_are_an_error_naming_both(small, split, message):
    with pytest.raises(UserError) as caught:
        AFLW_MTFL(str(small), split, 100)
    assert f"{small}/{message}" in str(caught.value)
    assert partial(small, split).partial_note == message


@pytest.mark.parametrize("separator", ["/", "\\"])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_files_in_the_order_of_the_lists(tmp_path, split, separator):
    root = write_tree(tmp_path, separator=separator)
    dataset = partial(root, split)
    part = "train" if split == "train" else "test"
    assert dataset.paths == [f"{root}/{file}" for file in FILES[part]]
    assert dataset[0]["image"].shape == (3, 100, 100)


@pytest.mark.parametrize("imwidth", [70, 150])
@pytest.mark.parametrize("split", ["train", "test"])
def test_content_and_landmarks(small, split, imwidth):
    dataset = partial(small, split, imwidth, use_keypoints=True)
    assert dataset.eye_indices == (0, 1) and dataset.num_landmarks == 5
    for i, (file, number) in enumerate(zip(FILES[split], NUMBERS[split])):
        item = dataset[i]
        assert item["image"].dtype == torch.uint8 and item["index"] == i
        expected = resized(decoded(small / file), imwidth, imwidth)
        np.testing.assert_allclose(content(item), expected, atol=1.01)
        expected = [[(v - 1) * imwidth / 150 for v in point] for point in POINTS + number]
        np.testing.assert_allclose(item["keypts"], expected, rtol=1e-6)


@pytest.mark.parametrize("landmark", range(5))
def test_a_dot_is_found_at_its_landmark(tmp_path, landmark):
    def picture_of(number):
        return dot(150, 150, *(POINTS[landmark] + number - 1), radius=2)  # from 1-based to 0-based

    root = write_tree(tmp_path, picture_of)
    for split in ("train", "test"):
        for item in (partial(root, split, use_keypoints=True)[i] for i in range(3)):
            found, keypt = centre_of_dot(item), item["keypts"][landmark].numpy()
            middle = (keypt * 150 / 100 + 0.5) * 100 / 150 - 0.5
            np.testing.assert_allclose(found, middle, atol=0.05)
            np.testing.assert_allclose(found, keypt, atol=0.25)


def test_landmarks_are_those_of_150_pixels_whatever_the_file_has(tmp_path):
    root = write_tree(tmp_path, lambda number: noise(80, 80, seed=number))
    item = partial(root, "train", 80, use_keypoints=True)[0]
    np.testing.assert_array_equal(content(item), decoded(root / FILES["train"][0]))
    np.testing.assert_allclose(item["keypts"], (POINTS - 1) * 80 / 150, rtol=1e-6)


def test_a_test_image_that_is_a_training_image_is_an_error(tmp_path):
    root = write_tree(tmp_path)
    write_mtfl_testing(root, [("AFLW/0001-image00003.jpg", POINTS),
                              ("AFLW/0002-image00004.jpg", POINTS)])
    with pytest.raises(UserError, match="image00004.jpg is a training image in .*cropped.csv"):
        partial(root, "test")


def test_a_test_image_must_occur_in_the_table(tmp_path):
    root = write_tree(tmp_path)
    rows = [(f"AFLW/2-{n}.jpg", POINTS) for n in range(2995)]
    write_mtfl_testing(root, [*rows[:-1], ("AFLW/x-y-image00003.jpg", POINTS)])
    with pytest.raises(UserError) as caught:
        AFLW_MTFL(str(root), "test", 100)
    finding = f"{TESTING}: 2994 images (0.jpg) are not in {CSV}"
    assert f"{root}/{finding}" in str(caught.value)
    save(noise(150, 150), root / "MTFL/AFLW/x-y-image00003.jpg")
    dataset = partial(root, "test")
    assert dataset.partial_note == f"{finding}; 2994 of 2995 listed images are absent"
    assert dataset.paths == [f"{root}/MTFL/AFLW/x-y-image00003.jpg"]


def test_absent_images_are_left_out_with_their_landmarks(tmp_path):
    root = write_tree(tmp_path)
    (root / FILES["train"][1]).unlink()
    dataset = partial(root, "train", 150, use_keypoints=True)
    assert dataset.paths == [f"{root}/{FILES['train'][n]}" for n in (0, 2, 3)]
    assert dataset.partial_note.endswith("; 1 of 4 listed images are absent")
    np.testing.assert_array_equal(dataset[1]["keypts"], POINTS + 4 - 1)


GOOD_LINE = "AFLW/1-image00003.jpg " + "10 " * 14


@pytest.mark.parametrize(
    "line, message",
    [
        ("AFLW/1-image00003.jpg " + "10 " * 13, "line 2: expected a path and 14 numbers"),
        ("AFLW/1-image00003.jpg x" + " 10" * 13, "line 2: expected numbers"),
        ("AFLW/1-image00003.jpg inf" + " 10" * 13, "line 2: expected numbers ('inf' is no number)"),
        ("", "line 2: expected a path and 14 numbers, found 0 columns"),
    ],
)
def test_a_wrong_test_line_is_an_error(tmp_path, line, message):
    root = write_tree(tmp_path)
    write_text(root / TESTING, [GOOD_LINE, line, GOOD_LINE])
    with pytest.raises(UserError) as caught:
        partial(root, "test")
    assert f"{root / TESTING}, {message}" in str(caught.value)


@pytest.mark.parametrize(
    "line, old, new, message",
    [
        (0, "crop_file", "file", "expected a header with image_file, set, crop_file"),
        (0, "", None, "expected a header"),
        (3, ",m,", ",m,m,", "row 4: 18 columns, expected 17"),
        (3, ",m,52,", ",m,left,", "row 4: expected numbers"),
    ],
)
def test_a_wrong_table_is_an_error(tmp_path, line, old, new, message):
    root = write_tree(tmp_path)
    lines = (root / CSV).read_text().splitlines()
    assert old in lines[line]
    lines[line] = "" if new is None else lines[line].replace(old, new)
    write_text(root / CSV, [] if new is None else lines)
    with pytest.raises(UserError) as caught:
        partial(root, "train")
    assert str(root / CSV) in str(caught.value) and message in str(caught.value)


@pytest.mark.parametrize("split, name", [("train", CSV), ("test", CSV), ("test", TESTING)])
def test_a_missing_list_says_where_it_was_looked_for_and_how_to_get_it(tmp_path, split, name):
    root = write_tree(tmp_path)
    (root / name).unlink()
    with pytest.raises(UserError) as caught:
        partial(root, split)
    assert f"{root / name}: no such file; README, 'Data'" in str(caught.value)


def test_configs_build_it(small):
    args = {"root": str(small), "imwidth": 100, "crop": 15, "allow_partial": True}
    dataset = build({"type": "AFLW_MTFL", "args": args}, DATASETS, "dataset", split="train")
    assert len(dataset) == 4 and dataset.do_augmentations and dataset.evaluated_on is None
