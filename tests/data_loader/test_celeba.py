"""CelebA and MAFL: lists at their true size, the square that is cut out, what is refused."""

import time
import tracemalloc

import numpy as np
import pytest
import torch

from data_loader import DATASETS
from data_loader.celeba import CelebAPrunedAligned_MAFLVal, MAFLAligned
from tests.data_helpers.pictures import (
    centre_of_dot,
    content,
    decoded,
    dot,
    noise,
    resized,
    save,
)
from tests.data_helpers.published_layouts import write_celeba, write_text
from utils.config.objects import build
from utils.errors import ConfigError, UserError
from utils.geometry.warper import Warper

PARTITION_SIZES = (162770, 19867, 19962)
PARTITION, LANDMARKS = "Eval/list_eval_partition.txt", "Anno/list_landmarks_align_celeba.txt"
MADE_UP = [tuple((7 * n + 31 * i) % 178 - 2 for i in range(10)) for n in range(97)]
POINTS = [(60, 80), (110, 90), (85, 120), (62, 150), (108, 148)]


def name_of(number):
    return f"{number:06d}.jpg"


def made_up_landmarks(number):
    return MADE_UP[number % len(MADE_UP)]


@pytest.fixture(scope="module")
def full_size(tmp_path_factory):
    """The lists of all 202,599 images, and the (sorted) numbers of MAFL's training and testing."""
    root = tmp_path_factory.mktemp("celeba")
    partition = np.repeat([0, 1, 2], PARTITION_SIZES).tolist()
    numbers = range(1, len(partition) + 1)
    mafl = np.random.RandomState(0).permutation(len(partition))[:20000] + 1
    training, testing = mafl[:19000].tolist(), mafl[19000:].tolist()
    write_celeba(
        root,
        dict(zip(map(name_of, numbers), partition)),
        {name_of(number): made_up_landmarks(number) for number in numbers},
        map(name_of, training),
        map(name_of, testing),
    )
    return root, sorted(training), sorted(testing)


def listed(dataset):
    return [int(path.rpartition("/")[2].removesuffix(".jpg")) for path in dataset.paths]


# At true size

def test_embedding_learns_from_celeba_without_mafl(full_size):
    root, training, testing = full_size
    train = CelebAPrunedAligned_MAFLVal(str(root), "train", 100)
    val = CelebAPrunedAligned_MAFLVal(str(root), "val", 100)
    mafl = {*training, *testing}
    assert listed(train) == [n for n in range(1, 162771) if n not in mafl]
    assert listed(val) == [n for n in range(182638, 202600) if n not in mafl][:2000]
    assert train.partial_note is None


def test_mafl_images_come_in_the_order_of_the_partition_file(full_size):
    root, training, testing = full_size
    train = MAFLAligned(str(root), "train", 100)
    test = MAFLAligned(str(root), "test", 100, use_keypoints=True)
    assert len(train) == 19000 and listed(train) == training
    assert len(test) == 1000 and listed(test) == testing
    expected = np.array([made_up_landmarks(n) for n in testing]).reshape(-1, 5, 2)
    np.testing.assert_array_equal(test.landmarks, expected)


def test_reading_the_lists_takes_less_than_a_second_and_150_mb(full_size):
    root = str(full_size[0])
    start = time.process_time()  # of this process alone: others may be busy
    dataset = CelebAPrunedAligned_MAFLVal(root, "train", 100, use_keypoints=True)
    assert time.process_time() - start < 1
    tracemalloc.start()
    dataset = CelebAPrunedAligned_MAFLVal(root, "train", 100, use_keypoints=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150e6 and len(dataset) > 140000


def test_a_validation_set_larger_than_the_partition_is_refused(full_size):
    with pytest.raises(ValueError, match="val_size = 30000"):
        CelebAPrunedAligned_MAFLVal(str(full_size[0]), "val", 100, val_size=30000)


def test_an_absent_image_fails_when_it_is_read(full_size):
    root, _, testing = full_size
    dataset = MAFLAligned(str(root), "test", 100, use_hq_ims=False)
    with pytest.raises(UserError, match=f"Img/img_align_celeba/{name_of(testing[0])}"):
        dataset[0]


@pytest.mark.parametrize(
    "name, num_cut, message",
    [
        (PARTITION, 1, "202598 rows, expected 202599"),
        ("MAFL/testing.txt", 990, "10 names, expected 1000"),
    ],
)
def test_a_list_cut_short_is_an_error_with_both_counts(full_size, tmp_path, name, num_cut, message):
    for path in full_size[0].rglob("*.txt"):
        link = tmp_path / path.relative_to(full_size[0])
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(path)
    (tmp_path / name).unlink()
    write_text(tmp_path / name, (full_size[0] / name).read_text().splitlines()[:-num_cut])
    with pytest.raises(UserError) as caught:
        MAFLAligned(str(tmp_path), "test", 100)
    assert f"{tmp_path / name}: {message}" in str(caught.value)
    assert "allow_partial" in str(caught.value)


# A small copy with images

def write_small(root, folder="img_align_celeba_hq", pictures=None):
    """Twelve images, by partition 6, 2, 4; MAFL has numbers 2 and 3 (training), 11 and 1."""
    partition = {name_of(n): [0, 1, 2][(n > 6) + (n > 8)] for n in range(1, 13)}
    landmarks = {name: sum(POINTS, ()) for name in partition}
    write_celeba(root, partition, landmarks, ["000003.jpg", "000002.jpg"],
                 ["000011.jpg", "000001.jpg"])
    for number in range(1, 13):
        picture = noise(178, 218, seed=number) if pictures is None else pictures[number % 5]
        save(picture, root / "Img" / folder / name_of(number))
    return root


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write_small(tmp_path_factory.mktemp("small"))


def partial(cls, root, split, imwidth=100, **args):
    return cls(str(root), split, imwidth, allow_partial=True, **args)


@pytest.mark.parametrize(
    "cls, split, args, numbers",
    [
        (CelebAPrunedAligned_MAFLVal, "train", {}, [4, 5, 6]),
        (CelebAPrunedAligned_MAFLVal, "val", {}, [9, 10, 12]),
        (CelebAPrunedAligned_MAFLVal, "val", {"val_size": 2}, [9, 10]),
        (CelebAPrunedAligned_MAFLVal, "val", {"val_split": "mafl"}, [1, 11]),
        (MAFLAligned, "train", {}, [2, 3]),
        (MAFLAligned, "test", {}, [1, 11]),
    ],
)
def test_a_partial_copy_splits_as_the_whole(small, cls, split, args, numbers):
    dataset = partial(cls, small, split, **args)
    assert listed(dataset) == numbers
    assert dataset.partial_note == (
        f"{PARTITION}: 12 rows, expected 202599; MAFL/training.txt: 2 names, expected 19000; "
        f"MAFL/testing.txt: 2 names, expected 1000; {LANDMARKS}: 12 rows, expected 202599"
    )


@pytest.mark.parametrize("imwidth", [70, 100, 178, 200])
def test_images_are_rows_30_to_207_resized(small, imwidth):
    dataset = partial(MAFLAligned, small, "test", imwidth)
    square = decoded(small / "Img/img_align_celeba_hq/000011.jpg")[30:208]
    assert square.shape == (178, 178, 3)
    item = dataset[1]
    assert item["image"].dtype == torch.uint8 and item["keypts"].shape == (0, 2)
    np.testing.assert_allclose(content(item), resized(square, imwidth, imwidth), atol=1.01)


@pytest.mark.parametrize("use_hq_ims", [True, False])
def test_a_dot_is_found_at_its_landmark_after_crop_and_resize(tmp_path, use_hq_ims):
    folder = "img_align_celeba_hq" if use_hq_ims else "img_align_celeba"
    root = write_small(tmp_path, folder, [dot(178, 218, *point) for point in POINTS])
    dataset = partial(CelebAPrunedAligned_MAFLVal, root, "train", use_hq_ims=use_hq_ims,
                      use_keypoints=True)
    for item, number in zip(dataset, [4, 5, 6]):
        x, y = POINTS[number % 5]
        found, keypt = centre_of_dot(item), item["keypts"][number % 5].numpy()
        np.testing.assert_allclose(keypt, [x * 100 / 178, (y - 30) * 100 / 178], rtol=1e-6)
        # The middle of the square's pixel in the smaller image, and half a pixel of the larger.
        middle = (np.array([x, y - 30]) + 0.5) * 100 / 178 - 0.5
        np.testing.assert_allclose(found, middle, atol=0.05)
        np.testing.assert_allclose(found, keypt, atol=0.25)


def test_a_dot_is_found_at_its_landmark_after_crop_resize_and_warp(tmp_path):
    root = write_small(tmp_path, pictures=[dot(178, 218, *point, radius=4) for point in POINTS])
    dataset = partial(CelebAPrunedAligned_MAFLVal, root, "train", use_keypoints=True)
    warper = Warper(100, 100, 15, transsd=0.03, scalesd=0.05)
    items = [dataset[i] for i in range(3)]
    batch = [torch.stack([item[key] for item in items]) for key in ("image", "keypts")]
    pair = warper(*batch, warper.draw_published(3, torch.Generator()))
    views = ((pair.first, pair.keypts_first), (pair.second, pair.keypts_second))
    for images, keypts in views:
        for image, points, number in zip(images, keypts, [4, 5, 6]):
            found = centre_of_dot({"image": image})
            np.testing.assert_allclose(found, points[number % 5], atol=1.2)


def test_absent_images_are_left_out_of_a_partial_copy_and_counted(tmp_path):
    root = write_small(tmp_path)
    (root / "Img/img_align_celeba_hq/000005.jpg").unlink()
    dataset = partial(CelebAPrunedAligned_MAFLVal, root, "train", use_keypoints=True)
    assert listed(dataset) == [4, 6] and len(dataset.landmarks) == 2
    assert dataset.partial_note.endswith("; 1 of 3 listed images are absent")


def test_a_folder_of_images_that_is_not_there_is_named_with_the_other_one(tmp_path):
    root = write_small(tmp_path)
    other = root / "Img/img_align_celeba_hq"
    with pytest.raises(UserError) as caught:
        partial(CelebAPrunedAligned_MAFLVal, root, "train", use_hq_ims=False)
    assert str(caught.value) == (
        f"{root}/Img/img_align_celeba: 000004.jpg of split 'train' should be in it: no such "
        f"folder, but {other}/000004.jpg is there; dataset.args.use_hq_ims: img_align_celeba_hq "
        "or img_align_celeba")
    (root / "Img/img_align_celeba").mkdir()
    other.rename(root / "Img/img_align_celeba/img_align_celeba")
    with pytest.raises(UserError) as caught:
        partial(MAFLAligned, root, "test", use_hq_ims=False)
    assert f"{root}/Img/img_align_celeba: 000001.jpg of split 'test' is not in it, but " in str(
        caught.value)
    assert "Img/img_align_celeba/img_align_celeba/000001.jpg is there" in str(caught.value)


@pytest.mark.parametrize("name, count, header", [
    (LANDMARKS, "6", "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y a b c d"),
    (PARTITION, "6", "image partition"),
])
@pytest.mark.parametrize("with_count", [True, False])
@pytest.mark.parametrize("with_header", [True, False])
def test_lists_are_read_with_and_without_their_heading(tmp_path, name, count, header, with_count,
                                                       with_header):
    root = write_small(tmp_path)
    whole = partial(MAFLAligned, root, "test", use_keypoints=True)
    rows = [line for line in (root / name).read_text().splitlines() if ".jpg" in line]
    write_text(root / name, [count] * with_count + [header] * with_header + rows)
    dataset = partial(MAFLAligned, root, "test", use_keypoints=True)
    assert dataset.paths == whole.paths and listed(dataset) == [1, 11]
    np.testing.assert_array_equal(dataset.landmarks, whole.landmarks)
    assert dataset.partial_note == whole.partial_note
    rows[2] += " 7.x"
    write_text(root / name, [count] * with_count + [header] * with_header + rows)
    with pytest.raises(UserError, match=f"line {3 + with_count + with_header}: expected a name"):
        partial(MAFLAligned, root, "test")


def test_landmarks_are_found_by_name_not_by_row(tmp_path):
    root = write_small(tmp_path)
    rows = {name_of(n): made_up_landmarks(n) for n in (11, 3, 2, 7)}
    write_celeba(root, {name_of(n): 0 for n in (2, 3, 11, 12)}, rows,
                 ["000002.jpg"], ["000011.jpg", "000012.jpg"])
    dataset = partial(MAFLAligned, root, "test", use_keypoints=True)
    assert listed(dataset) == [11] and "1 images" in dataset.partial_note
    np.testing.assert_array_equal(dataset.landmarks[0].ravel(), made_up_landmarks(11))


def test_landmarks_may_have_fractions(small, tmp_path):
    root = write_small(tmp_path)
    lines = (root / LANDMARKS).read_text().replace(" 60 ", " 60.25 ")
    (root / LANDMARKS).write_text(lines)
    dataset = partial(MAFLAligned, root, "test", use_keypoints=True)
    assert dataset.landmarks[0, 0].tolist() == [60.25, 80]


@pytest.mark.parametrize(
    "name, line, text, message",
    [
        (PARTITION, 3, "000003.jpg", "line 3: expected a name and 1 finite numbers"),
        (PARTITION, 3, "000003.jpg 5", "line 3: partition 5, expected 0, 1 or 2"),
        (PARTITION, 3, "000002.jpg 0", "line 3: 000002.jpg is listed in line 2 too"),
        (LANDMARKS, 1, "000001.jpg 1 2 3 4 5 6 7 8 9 10", "line 2: expected a name and 10 finite"),
        (LANDMARKS, 1, "six", "line 2: expected a name and 10 finite numbers"),
        (LANDMARKS, 5, "000003.jpg 1 2 3", "line 5: expected a name and 10 finite numbers"),
        (LANDMARKS, 4, "a.jpg 1 2 3 x 5 6 7 8 9 10", "line 4: expected a name and 10"),
        (LANDMARKS, 4, "a.jpg 1 2 3 nan 5 6 7 8 9 10", "line 4: expected a name and 10"),
        (LANDMARKS, 4, "a.jpg 1 2 3 4 5 6 7 8 9 10 11", "line 4: expected a name and 10"),
        (LANDMARKS, 4, "", "line 4: expected a name and 10"),
        ("MAFL/testing.txt", 2, "000003.jpg", "000003.jpg is in MAFL/training.txt too"),
        ("MAFL/testing.txt", 2, "000011.jpg", "line 2: 000011.jpg is listed in line 1 too"),
        ("MAFL/testing.txt", 1, "", "line 1: expected a name"),
    ],
)
def test_a_wrong_line_is_an_error_even_in_a_partial_copy(tmp_path, name, line, text, message):
    root = write_small(tmp_path)
    lines = (root / name).read_text().splitlines()
    lines[line - 1] = text
    write_text(root / name, lines)
    with pytest.raises(UserError) as caught:
        partial(MAFLAligned, root, "test")
    assert str(root / name) in str(caught.value) and message in str(caught.value)


@pytest.mark.parametrize("name", [PARTITION, LANDMARKS, "MAFL/training.txt", "MAFL/testing.txt"])
def test_a_missing_list_says_where_it_was_looked_for_and_how_to_get_it(tmp_path, name):
    root = write_small(tmp_path)
    (root / name).unlink()
    with pytest.raises(UserError) as caught:
        partial(MAFLAligned, root, "test")
    assert f"{root / name}: no such file" in str(caught.value)
    assert "README, 'Data'" in str(caught.value)


def test_an_unknown_mafl_name_is_noted(tmp_path):
    root = write_small(tmp_path)
    write_text(root / "MAFL/testing.txt", ["000011.jpg", "999999.jpg"])
    dataset = partial(MAFLAligned, root, "test")
    assert listed(dataset) == [11]
    assert "MAFL/testing.txt: 1 names (999999.jpg) are not in Eval" in dataset.partial_note


def test_an_image_of_another_size_is_an_error(tmp_path):
    root = write_small(tmp_path)
    save(noise(200, 218), root / "Img/img_align_celeba_hq/000001.jpg")
    with pytest.raises(UserError, match="000001.jpg: 200 x 218 pixels, expected 178 x 218"):
        partial(MAFLAligned, root, "test")[0]


def test_configs_build_both_with_the_same_arguments(small):
    args = {"root": str(small), "imwidth": 100, "crop": 15, "use_hq_ims": True,
            "val_split": "celeba", "do_augmentations": True, "allow_partial": True}
    embedding = build({"type": "CelebAPrunedAligned_MAFLVal", "args": args}, DATASETS, "dataset",
                      split="train")
    assert embedding.do_augmentations and not embedding.use_keypoints
    evaluated = build({"type": embedding.evaluated_on, "args": {**args, "use_keypoints": True}},
                      DATASETS, "dataset", split="test")
    assert listed(evaluated) == [1, 11] and evaluated.crop == 15


@pytest.mark.parametrize("change", [{"val_split": "mafia"}, {"val_size": 0}])
def test_wrong_arguments_are_refused_by_name(small, change):
    section = {"type": "MAFLAligned", "args": {"root": str(small), "imwidth": 100, **change}}
    with pytest.raises(ConfigError, match=f"dataset.args.{next(iter(change))} = "):
        build(section, DATASETS, "dataset", split="test")
