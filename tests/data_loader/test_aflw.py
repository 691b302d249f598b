"""AFLW, recropped: published counts, (y, x) landmarks, images that lose their aspect."""

import numpy as np
import pytest
import torch
from scipy.io import savemat

from data_loader import DATASETS
from data_loader.aflw import AFLW
from tests.data_helpers.pictures import (
    centre_of_dot,
    content,
    decoded,
    dot,
    noise,
    resized,
    save,
)
from tests.data_helpers.published_layouts import write_aflw, write_text
from utils.config.objects import build
from utils.errors import UserError

SIZES = [(120, 200), (90, 60), (150, 150), (210, 77), (64, 129)]  # (width, height)


def points_of(width, height):
    """Five landmarks on whole pixels of an image."""
    return np.array([(0.3, 0.4), (0.7, 0.35), (0.5, 0.6), (0.35, 0.8), (0.6, 0.75)]) * (
        width, height) // 1


def write_part(root, part, num_images, picture_of=None):
    """Write images ``0/image<n>.jpg`` (and a PNG) and their annotations; return the names."""
    names = [f"{i % 2}/image{i:05d}.{'png' if i == 2 else 'jpg'}" for i in range(num_images)]
    sizes = [SIZES[i % len(SIZES)] for i in range(num_images)]
    for i, (name, size) in enumerate(zip(names, sizes)):
        picture = noise(*size, seed=i) if picture_of is None else picture_of(i, *size)
        save(picture, root / "output" / name)
    write_aflw(root, part, names, [points_of(*size) for size in sizes], sizes)
    return names


def partial(root, split, imwidth=100, **args):
    return AFLW(str(root), split, imwidth, allow_partial=True, **args)


def listed(dataset, root):
    return [path.removeprefix(f"{root}/output/") for path in dataset.paths]


@pytest.fixture(scope="module")
def full_size(tmp_path_factory):
    root = tmp_path_factory.mktemp("aflw")
    for part, N in (("train", 10122), ("test", 2991)):
        points = np.arange(N * 10, dtype=float).reshape(N, 5, 2)
        write_aflw(root, part, [f"{part}-{i}.jpg" for i in range(N)], points, np.full((N, 2), 200))
    return root


@pytest.mark.parametrize(
    "split, use_minival, part, first, last",
    [
        ("train", False, "train", 0, 10121),
        ("val", False, "test", 0, 2990),
        ("test", False, "test", 0, 2990),
        ("train", True, "train", 0, 9109),
        ("val", True, "train", 9110, 10121),
        ("test", True, "test", 0, 2990),
    ],
)
def test_published_splits(full_size, split, use_minival, part, first, last):
    dataset = AFLW(str(full_size), split, 100, use_minival=use_minival, use_keypoints=True)
    assert listed(dataset, full_size) == [f"{part}-{i}.jpg" for i in range(first, last + 1)]
    assert dataset.landmarks[-1].ravel().tolist() == [10 * last + i for i in range(10)]
    assert dataset.partial_note is None


def test_an_absent_image_fails_when_it_is_read(full_size):
    with pytest.raises(UserError, match="output/test-3.jpg"):
        AFLW(str(full_size), "test", 100)[3]


def test_other_counts_are_an_error_naming_both(tmp_path):
    write_part(tmp_path, "train", 5)
    with pytest.raises(UserError) as caught:
        AFLW(str(tmp_path), "train", 100)
    expected = f"{tmp_path}/aflw_train_images.txt: 5 names, expected 10122"
    assert expected in str(caught.value)
    assert partial(tmp_path, "train").partial_note == expected.removeprefix(f"{tmp_path}/")


@pytest.mark.parametrize("imwidth", [70, 100, 136])
def test_whole_images_are_resized_to_a_square(tmp_path, imwidth):
    names = write_part(tmp_path, "test", 5)
    dataset = partial(tmp_path, "val", imwidth)
    assert listed(dataset, tmp_path) == names
    for item, name in zip([dataset[i] for i in range(5)], names):
        assert item["image"].dtype == torch.uint8 and item["keypts"].shape == (0, 2)
        expected = resized(decoded(tmp_path / "output" / name), imwidth, imwidth)
        np.testing.assert_allclose(content(item), expected, atol=1.01)


@pytest.mark.parametrize("landmark", range(5))
def test_a_dot_is_found_at_its_landmark(tmp_path, landmark):
    def picture_of(i, width, height):
        return dot(width, height, *points_of(width, height)[landmark].astype(int), radius=3)

    write_part(tmp_path, "train", 5, picture_of)
    dataset = partial(tmp_path, "train", use_keypoints=True)
    for i, (width, height) in enumerate(SIZES):
        item = dataset[i]
        x, y = points_of(width, height)[landmark]
        keypt = item["keypts"][landmark].numpy()
        np.testing.assert_allclose(keypt, [x * 100 / width, y * 100 / height], rtol=1e-6)
        scale = 100 / np.array([width, height])
        middle = (np.array([x, y]) + 0.5) * scale - 0.5
        np.testing.assert_allclose(centre_of_dot(item), middle, atol=0.1)
        np.testing.assert_allclose(middle, keypt, atol=0.5)


def test_landmarks_belong_to_the_annotated_size_not_to_the_file(tmp_path):
    write_part(tmp_path, "train", 1)
    save(noise(240, 400), tmp_path / "output/0/image00000.jpg")  # twice the annotated size
    item = partial(tmp_path, "train", use_keypoints=True)[0]
    expected = points_of(120, 200) * np.array([100 / 120, 100 / 200])
    np.testing.assert_allclose(item["keypts"], expected, rtol=1e-6)


def test_minival_of_a_partial_copy_is_a_tenth(tmp_path):
    names = write_part(tmp_path, "train", 20)
    write_part(tmp_path, "test", 3)
    train, val = (partial(tmp_path, split, use_minival=True) for split in ("train", "val"))
    assert listed(train, tmp_path) == names[:18] and listed(val, tmp_path) == names[18:]
    assert len(partial(tmp_path, "val")) == 3


def test_absent_images_are_left_out_of_a_partial_copy_and_counted(tmp_path):
    names = write_part(tmp_path, "test", 5)
    (tmp_path / "output" / names[1]).unlink()
    dataset = partial(tmp_path, "test", use_keypoints=True)
    assert listed(dataset, tmp_path) == [names[0], *names[2:]]
    assert dataset.partial_note.endswith("; 1 of 5 listed images are absent")
    expected = points_of(*SIZES[2]) * 100 / 150
    np.testing.assert_allclose(dataset[1]["keypts"], expected, rtol=1e-6)


def test_names_may_have_backslashes(tmp_path):
    names = write_part(tmp_path, "test", 3)
    write_text(tmp_path / "aflw_test_images.txt", [name.replace("/", "\\") for name in names])
    dataset = partial(tmp_path, "test")
    assert listed(dataset, tmp_path) == names and dataset[2]["image"].shape == (3, 100, 100)


GOOD = {"gt": np.ones((3, 5, 2)), "hw": np.ones((3, 2))}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"gt": np.ones((4, 5, 2))}, "'gt' is 4 x 5 x 2, expected 3 x 5 x 2, a row for each name"),
        ({"hw": np.ones((2, 2))}, "'hw' is 2 x 2, expected 3 x 2"),
        ({"hw": np.zeros((3, 2))}, "positive sizes"),
        ({"gt": np.full((3, 5, 2), np.nan)}, "finite landmarks"),
        ({"gt": None}, "holds no variable 'gt'"),
    ],
)
def test_annotations_that_do_not_fit_are_errors(tmp_path, change, message):
    write_part(tmp_path, "test", 3)
    arrays = {name: array for name, array in {**GOOD, **change}.items() if array is not None}
    path = tmp_path / "aflw_test_keypoints.mat"
    savemat(path, arrays)
    with pytest.raises(UserError) as caught:
        partial(tmp_path, "test")
    assert str(path) in str(caught.value) and message in str(caught.value)


@pytest.mark.parametrize("length", [0, 100, 400])
def test_a_broken_matlab_file_is_an_error_in_one_line(tmp_path, length):
    write_part(tmp_path, "test", 5)
    path = tmp_path / "aflw_test_keypoints.mat"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match="cannot read this MATLAB file|holds no variable") as caught:
        partial(tmp_path, "test")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["aflw_test_images.txt", "aflw_test_keypoints.mat"])
def test_a_missing_list_says_where_it_was_looked_for_and_how_to_get_it(tmp_path, name):
    write_part(tmp_path, "test", 2)
    (tmp_path / name).unlink()
    with pytest.raises(UserError) as caught:
        partial(tmp_path, "test")
    assert f"{tmp_path / name}: no such file; README, 'Data'" in str(caught.value)
    assert "fetch_datasets.py --dataset aflw-recrop" in str(caught.value)


def test_configs_build_it_without_augmentation(full_size):
    args = {"root": str(full_size), "imwidth": 136, "crop": 20, "use_keypoints": True}
    dataset = build({"type": "AFLW", "args": args}, DATASETS, "dataset", split="val")
    assert len(dataset) == 2991 and not dataset.do_augmentations and dataset.evaluated_on is None
