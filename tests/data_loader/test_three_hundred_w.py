"""300-W: folders in order, and the window around a box, pixel by pixel."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from data_loader import DATASETS
from data_loader.three_hundred_w import ThreeHundredW
from tests.data_helpers.pictures import centre_of_dot, content, decoded, noise, resized, save
from tests.data_helpers.published_layouts import write_boxes, write_pts, write_text
from utils.config.objects import build
from utils.errors import ConfigError, UserError

TRAIN = {"afw": 337, "helen/trainset": 2000, "lfpw/trainset": 811}
TEST = {"helen/testset": 330, "lfpw/testset": 224, "ibug": 135}
BOXES = {  # of a picture of 333 x 241 pixels, 1-based
    "inside": (101.25, 60.5, 177.75, 140.25),
    "at the left and above": (-30.5, -41.0, 60.25, 58.0),
    "centred outside": (-90.5, -80.0, 60.25, 58.0),
    "at the right and below": (270.0, 190.0, 371.5, 300.5),
    "enlarged": (140.0, 100.0, 169.0, 131.0),
    "larger than the picture": (-80.0, -90.0, 410.0, 330.0),
    "whole pixels": (101.0, 60.0, 152.0, 111.0),
}


def points_in(box):
    """68 landmarks with fractions in and around a box, 1-based."""
    xmin, ymin, xmax, ymax = box
    spread = np.random.default_rng(0).uniform(-0.1, 1.1, (68, 2))
    return np.round(spread * (xmax - xmin, ymax - ymin) + (xmin, ymin), 3)


def write_folder(root, folder, samples):
    """samples: name -> (picture, box); writes images, landmarks and boxes."""
    write_boxes(root, folder, [(name, box) for name, (_, box) in samples.items()])
    for name, (picture, box) in samples.items():
        save(picture, root / folder / name)
        write_pts((root / folder / name).with_suffix(".pts"), points_in(box))


def write_test_split(root, samples):
    """The samples are those of helen/testset; the other folders have one each."""
    write_folder(root, "helen/testset", samples)
    picture, box = noise(120, 110), (20, 20, 90, 90)
    write_folder(root, "lfpw/testset", {"image_0001.png": (picture, box)})
    write_folder(root, "ibug", {"extra_1.jpg": (picture, box), "image_003_1.jpg": (picture, box)})
    return root


def partial(root, split="test", imwidth=100, **args):
    return ThreeHundredW(str(root), split, imwidth, allow_partial=True, **args)


def window(box):
    """Return scale, first column and first row of the window, as the protocol has them."""
    xmin, ymin, xmax, ymax = box
    width, height = xmax - xmin + 1, ymax - ymin + 1
    scale = 52 / width
    column = math.floor(scale * (xmin + (width + 1) / 2)) - 50
    row = math.floor(scale * (ymin + (height + 1) / 2)) - 52
    return scale, column, row


def literal_window(picture, box):
    """Return the 100 x 100 window, one pixel after the other."""
    scale, first_column, first_row = window(box)
    height, width = math.floor(scale * len(picture)), math.floor(scale * len(picture[0]))
    result = np.zeros((100, 100, 3), np.uint8)
    for i in range(100):
        for j in range(100):
            row, column = first_row + i, first_column + j
            if 0 <= row < height and 0 <= column < width:
                nearest_row = math.floor((row + 0.5) * len(picture) / height)
                nearest_column = math.floor((column + 0.5) * len(picture[0]) / width)
                result[i, j] = picture[nearest_row, nearest_column]
    return result


@pytest.fixture(scope="module")
def boxes_on_noise(tmp_path_factory):
    """A test split with one picture for each box."""
    samples = {f"{n}_1.png": (noise(333, 241, seed=n), box) for n, box in enumerate(BOXES.values())}
    return write_test_split(tmp_path_factory.mktemp("300w"), samples)


def test_the_boxes_test_what_they_should():
    offsets = [window(box) for box in BOXES.values()]
    assert any(column < 0 for _, column, _ in offsets) and any(row < 0 for *_, row in offsets)
    assert any(column + 100 > scale * 333 for scale, column, _ in offsets)
    assert any(row + 100 > scale * 241 for scale, _, row in offsets)
    assert any(scale * 333 % 1 > 0.5 for scale, *_ in offsets)  # truncated, not rounded
    assert any(scale * (box[0] + box[2] + 2) / 2 % 1 and box[0] + box[2] + 2 < 0  # floor, not int
               for (scale, *_), box in zip(offsets, BOXES.values()))
    assert any(scale == 1 for scale, *_ in offsets) and any(scale > 1 for scale, *_ in offsets)


@pytest.mark.parametrize("number", range(len(BOXES)), ids=list(BOXES))
def test_the_window_is_cut_as_published_to_the_pixel(boxes_on_noise, number):
    item = partial(boxes_on_noise)[number]
    picture = decoded(boxes_on_noise / f"helen/testset/{number}_1.png")
    expected = literal_window(picture, list(BOXES.values())[number])
    assert item["image"].dtype == torch.uint8 and item["keypts"].shape == (0, 2)
    np.testing.assert_array_equal(content(item), expected)


@pytest.mark.parametrize("imwidth", [70, 136])
def test_the_window_is_resized_bilinearly_and_points_with_it(boxes_on_noise, imwidth):
    dataset = partial(boxes_on_noise, imwidth=imwidth, use_keypoints=True)
    for number, box in enumerate(BOXES.values()):
        item = dataset[number]
        picture = decoded(boxes_on_noise / f"helen/testset/{number}_1.png")
        expected = resized(literal_window(picture, box), imwidth, imwidth)
        np.testing.assert_allclose(content(item), expected, atol=1.01)
        scale, column, row = window(box)
        expected = [[scale * x - column - 1, scale * y - row - 1] for x, y in points_in(box)]
        expected = np.array(expected) * imwidth / 100
        np.testing.assert_allclose(item["keypts"], expected, rtol=1e-5, atol=1e-5)


def test_bicubic_first_resize_is_smooth_where_nearest_is_not(boxes_on_noise):
    box = BOXES["enlarged"]
    number = list(BOXES).index("enlarged")
    image = Image.fromarray(decoded(boxes_on_noise / f"helen/testset/{number}_1.png"))
    scale, column, row = window(box)
    smooth = image.resize((int(scale * 333), int(scale * 241)), Image.BICUBIC)
    smooth = smooth.crop((column, row, column + 100, row + 100))
    item = partial(boxes_on_noise, first_resize="bicubic")[number]
    np.testing.assert_array_equal(content(item), np.array(smooth))
    assert not np.array_equal(content(item), content(partial(boxes_on_noise)[number]))


@pytest.mark.parametrize("where", ["inside", "at the left and above", "at the right and below"])
def test_a_dot_is_found_at_its_landmark(tmp_path, where):
    box = BOXES[where]
    points = points_in(box)
    visible = [k for k, (x, y) in enumerate(points) if 8 < x < 325 and 8 < y < 233][:6]
    assert len(visible) == 6
    samples = {}
    for k in visible:  # one picture for each of them
        picture = np.zeros((241, 333, 3), np.uint8)
        column, row = np.round(points[k]).astype(int) - 1  # points count from 1
        picture[row - 4 : row + 5, column - 4 : column + 5] = 255
        samples[f"{k}_1.png"] = (picture, box)
    dataset = partial(write_test_split(tmp_path, samples), use_keypoints=True)
    for number, k in enumerate(visible):
        item = dataset[number]
        np.testing.assert_allclose(centre_of_dot(item), item["keypts"][k], atol=1)


def test_grey_images_become_colour(tmp_path):
    box = (31.0, 30.0, 111.0, 115.0)
    samples = {f"{n}.{suffix}": (noise(151, 139, seed=n)[..., 0], box)
               for n, suffix in enumerate(["png", "jpg"])}
    root = write_test_split(tmp_path, samples)
    for number, name in enumerate(samples):
        item = partial(root)[number]
        np.testing.assert_array_equal(
            content(item), literal_window(decoded(root / "helen/testset" / name), box))
        assert (item["image"][0] == item["image"][2]).all()


def test_folders_come_in_the_published_order(tmp_path):
    sample = (noise(100, 90), (20, 20, 80, 80))
    names = {"afw": "134212_1.jpg", "helen/trainset": "100032540_1.jpg",
             "lfpw/trainset": "image_0001.png", "helen/testset": "296814969_3.jpg",
             "lfpw/testset": "image_0001.png"}
    for folder, name in names.items():
        write_folder(tmp_path, folder, {f"b{name}": sample, f"a{name}": sample})
    write_folder(tmp_path, "ibug", {"image_092 _01.jpg": sample, "other_1.jpg": sample,
                                    "image_003_1.jpg": sample})

    def listed(split):
        paths = partial(tmp_path, split, use_keypoints=True).paths
        return [path.removeprefix(f"{tmp_path}/") for path in paths]

    def both(folder):
        return [f"{folder}/b{names[folder]}", f"{folder}/a{names[folder]}"]

    assert listed("train") == both("afw") + both("helen/trainset") + both("lfpw/trainset")
    assert listed("test") == both("helen/testset") + both("lfpw/testset") + [
        "ibug/image_092 _01.jpg", "ibug/image_003_1.jpg"]
    assert listed("val") == listed("test")


def test_published_counts(tmp_path):
    for folder, count in {**TRAIN, **TEST}.items():
        write_boxes(tmp_path, folder, [(f"image_{n}.jpg", (1, 1, 9, 9)) for n in range(count)])
    for split, count in (("train", 3148), ("val", 689), ("test", 689)):
        dataset = ThreeHundredW(str(tmp_path), split, 100)
        assert len(dataset) == count and dataset.partial_note is None
    with pytest.raises(UserError, match="ibug/image_134.jpg"):
        dataset[688]
    write_boxes(tmp_path, "ibug", [("image_1.jpg", (1, 1, 9, 9))] * 134)
    with pytest.raises(UserError) as caught:
        ThreeHundredW(str(tmp_path), "test", 100)
    names = "{helen_testset,lfpw_testset,ibug}"
    message = f"bounding_boxes_{names}.mat: 688 images (330 + 224 + 134), expected 689"
    assert f"{tmp_path}/Bounding Boxes/{message}" in str(caught.value)


def test_a_partial_copy_is_noted_and_absent_images_left_out(tmp_path):
    sample = (noise(100, 90), (20.0, 20.0, 80.0, 80.0))
    root = write_test_split(tmp_path, {f"{n}_1.jpg": sample for n in range(3)})
    (root / "helen/testset/1_1.jpg").unlink()
    (root / "helen/testset/1_1.pts").unlink()
    dataset = partial(root, use_keypoints=True)
    assert [path.rpartition("/")[2] for path in dataset.paths] == [
        "0_1.jpg", "2_1.jpg", "image_0001.png", "image_003_1.jpg"]
    assert dataset.partial_note == (
        "Bounding Boxes/bounding_boxes_{helen_testset,lfpw_testset,ibug}.mat: "
        "5 images (3 + 1 + 1), expected 689; 1 of 5 listed images are absent"
    )
    assert len(dataset.landmarks) == len(dataset.boxes) == 4
    assert dataset.eye_indices == (36, 45) and dataset.num_landmarks == 68


@pytest.mark.parametrize(
    "lines, message",
    [
        (["version: 1", "n_points:  68", "{", *["1 2"] * 67, "}"],
         "134 numbers, but n_points is 68"),
        (["version: 1", "n_points:  68", "{", *["1 2"] * 67, "1 x", "}"], "expected numbers"),
        (["version: 1", "n_points:  68", "{", *["1 nan"] * 68, "}"],
         "136 numbers, expected finite x and y of each point"),
        ([], "0 numbers, 0 in a line, expected x and y of 68 points"),
        (None, "cannot read this list"),
    ],
)
def test_wrong_landmarks_are_an_error_where_they_are_wanted(tmp_path, lines, message):
    root = write_test_split(tmp_path, {"1_1.jpg": (noise(100, 90), (20.0, 20.0, 80.0, 80.0))})
    path = root / "helen/testset/1_1.pts"
    path.unlink()
    if lines is not None:
        write_text(path, lines)
    with pytest.raises(UserError) as caught:
        partial(root, use_keypoints=True)
    assert str(path) in str(caught.value) and message in str(caught.value)
    assert len(partial(root)) == 3


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 9, 8, 5), (np.nan, 1, 5, 5), (1, 2, 3)])
def test_a_wrong_box_is_an_error(tmp_path, box):
    root = write_test_split(tmp_path, {"1_1.jpg": (noise(100, 90), (20.0, 20.0, 80.0, 80.0))})
    write_boxes(root, "helen/testset", [("1_1.jpg", (1, 1, 9, 9)), ("2_1.jpg", box)])
    with pytest.raises(UserError, match="bounding_boxes_helen_testset.mat, cell 2: box"):
        partial(root)


def test_a_box_far_larger_than_the_image_is_an_error_when_it_is_read(tmp_path):
    root = write_test_split(tmp_path, {"1_1.png": (noise(50, 40), (-9e4, -9e4, 9e4, 9e4))})
    with pytest.raises(UserError, match="1_1.png: its box is far larger"):
        partial(root)[0]


def test_missing_boxes_say_where_they_were_looked_for_and_how_to_get_them(tmp_path):
    root = write_test_split(tmp_path, {"1_1.jpg": (noise(50, 40), (5.0, 5.0, 20.0, 20.0))})
    path = root / "Bounding Boxes/bounding_boxes_lfpw_testset.mat"
    path.unlink()
    with pytest.raises(UserError) as caught:
        partial(root)
    assert f"{path}: no such file; README, 'Data'" in str(caught.value)


def test_boxes_of_another_shape_are_an_error(tmp_path):
    root = write_test_split(tmp_path, {"1_1.jpg": (noise(50, 40), (5.0, 5.0, 20.0, 20.0))})
    path = root / "Bounding Boxes/bounding_boxes_ibug.mat"
    savemat(path, {"bounding_boxes": np.ones((2, 4))})
    with pytest.raises(UserError, match="ibug.mat, cell 1: expected a struct"):
        partial(root)


def test_configs_build_it(boxes_on_noise):
    args = {"root": str(boxes_on_noise), "imwidth": 100, "crop": 15, "allow_partial": True}
    dataset = build({"type": "ThreeHundredW", "args": args}, DATASETS, "dataset", split="test")
    assert dataset.crop == 15 and dataset.do_augmentations and dataset.evaluated_on is None
    args["first_resize"] = "lanczos"
    with pytest.raises(ConfigError, match="first_resize = 'lanczos', expected one of nearest"):
        build({"type": "ThreeHundredW", "args": args}, DATASETS, "dataset", split="test")
