"""Published data sets unpacked one folder too deep, too flat, or in part: one line says where it
was looked, and what is there instead.
"""

import shutil

import pytest

from data_loader import DATASETS
from tests.data_helpers.published_layouts import write_boxes
from tests.data_helpers.published_trees import write_published_data
from trainer.datasets import build_dataset
from utils.config.read import check_config
from utils.errors import UserError

ROOTS = {"MAFLAligned": "celeba", "CelebAPrunedAligned_MAFLVal": "celeba",
         "AFLW": "aflw/aflw_release-2", "AFLW_MTFL": "aflw-mtfl", "ThreeHundredW": "300w/300w"}
IMAGES = {  # of the test split: a folder, and the first image listed in it
    "MAFLAligned": ("Img/img_align_celeba_hq", "000045.jpg"),
    "AFLW": ("output", "20.jpg"),
    "AFLW_MTFL": ("MTFL/AFLW", "0-image20.jpg"),
    "ThreeHundredW": ("lfpw/testset", "image_020.png"),
}
LISTS = {"MAFLAligned": "Eval/list_eval_partition.txt",
         "AFLW": "aflw_test_images.txt", "AFLW_MTFL": "aflw_cropped/facedata_cropped.csv",
         "ThreeHundredW": "Bounding Boxes/bounding_boxes_helen_testset.mat"}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    place = tmp_path_factory.mktemp("sound")
    write_published_data(place)
    return place / "data"


@pytest.fixture
def copy(sound, tmp_path):
    """Return a function that copies a data set's root."""
    def arrange(name):
        root = tmp_path / ROOTS[name]
        shutil.copytree(sound / ROOTS[name], root)
        return root

    return arrange


def test_set(name, root, **args):
    """Return the test split as programs build it."""
    args = {"root": str(root), "imwidth": 100, "allow_partial": True, "use_keypoints": True, **args}
    raw = {"arch": {"type": "SmallNet"}, "optimizer": {"type": "Adam"}, "loss": "x",
           "trainer": {"epochs": 1}, "dataset": {"type": name, "args": args}}
    return build_dataset(check_config("x.json", raw), "test")


test_set.__test__ = False


def complaint(name, root, **args):
    with pytest.raises(UserError) as caught:
        test_set(name, root, **args)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("name", IMAGES)
def test_a_sound_copy_has_its_images(copy, name):
    dataset = test_set(name, copy(name))
    assert len(dataset) == 4 and dataset.landmarks.shape == (4, dataset.num_landmarks, 2)


@pytest.mark.parametrize("allow_partial", [True, False])
@pytest.mark.parametrize("name", IMAGES)
def test_one_folder_too_deep_or_too_flat_the_right_root_is_named(copy, name, allow_partial):
    root = copy(name)
    wrong = root.parent, root / "deeper"  # the folder above, and one below
    for given in wrong:
        told = complaint(name, given, allow_partial=allow_partial)
        assert told.startswith(f"{given}/") and f"dataset.args.root = {root}?" in told


@pytest.mark.parametrize("allow_partial", [True, False])
@pytest.mark.parametrize("name", IMAGES)
def test_a_list_elsewhere_is_named(copy, name, allow_partial):
    root, listed = copy(name), LISTS[name]
    (root / "other").mkdir()
    (root / listed).rename(root / "other" / (root / listed).name)
    told = complaint(name, root, allow_partial=allow_partial)
    assert told.startswith(f"{root / listed}: no such file, but {root / 'other'}/")
    assert "README, 'Data'" in told


@pytest.mark.parametrize("name", IMAGES)
def test_images_one_folder_too_deep_are_named_where_they_are(copy, name):
    root, (folder, image) = copy(name), IMAGES[name]
    deeper = root / folder / (root / folder).name
    moved = root / "moved"
    (root / folder).rename(moved)
    (root / folder).mkdir()
    moved.rename(deeper)
    assert complaint(name, root).startswith(
        f"{root / folder}: {image} of split 'test' is not in it, but {deeper / image} is there")


@pytest.mark.parametrize("name", IMAGES)
def test_a_folder_of_images_that_is_absent_is_named(copy, name):
    root, (folder, image) = copy(name), IMAGES[name]
    shutil.rmtree(root / folder)
    assert complaint(name, root).startswith(
        f"{root / folder}: {image} of split 'test' should be in it: no such folder")


def test_images_that_lie_flat_in_the_root_are_named(copy):
    root = copy("ThreeHundredW")
    for path in (root / "lfpw/testset").iterdir():
        path.rename(root / path.name)
    told = complaint("ThreeHundredW", root)
    assert "lfpw/testset: image_020.png of split 'test' is not in it" in told
    assert f", but {root}/image_020.png is there" in told


def test_a_whole_copy_without_a_folder_is_refused_before_the_first_image(tmp_path, monkeypatch):
    """Its counts are right; only the images of a folder are not there."""
    monkeypatch.setattr("data_loader.three_hundred_w.NUM_IMAGES", {"train": 0, "test": 3})
    for folder in ("helen/testset", "lfpw/testset", "ibug"):
        write_boxes(tmp_path, folder, [("image_1.jpg", (1, 1, 9, 9))])
    told = complaint("ThreeHundredW", tmp_path, allow_partial=False, use_keypoints=False)
    assert told == (f"{tmp_path}/helen/testset: image_1.jpg of split 'test' should be in it: "
                    "no such folder")


def test_a_partial_copy_names_the_folders_that_are_absent(copy):
    root = copy("ThreeHundredW")
    write_boxes(root, "ibug", [("image_1.jpg", (1, 1, 9, 9)), ("image_2.jpg", (1, 1, 9, 9))])
    dataset = test_set("ThreeHundredW", root)
    assert len(dataset) == 4
    assert dataset.partial_note.endswith(
        "; 2 of 6 listed images are absent, all of ibug among them")


def test_every_published_data_set_is_here():
    assert ROOTS.keys() == {name for name, cls in DATASETS.items() if hasattr(cls, "archive")}
