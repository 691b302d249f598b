"""Decoded images, kept: the same items, decoded once, never stale, never half-made."""

import errno
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest
import torch
from torch.utils.data import Subset

from data_loader import face_renderer
from data_loader.batches import make_loader
from data_loader.cache import CacheFolder, DeviceCache, ItemCache, fingerprint, in_memory
from data_loader.few_annotations import RestrictedAnnotations
from data_loader.landmark_folder import LandmarkFolder
from data_loader.synthetic_faces import SyntheticFaces
from tests.data_helpers.counting_images import CountingImages
from tests.data_helpers.tiny_runs import write_image, write_landmark_folder
from utils.errors import UserError

CPU = torch.device("cpu")


@pytest.fixture
def caches(tmp_path):
    """Return {name: function of a data set that keeps it}."""
    return {
        "memory": lambda dataset: ItemCache(dataset, in_memory),
        "disk": lambda dataset: ItemCache(dataset, CacheFolder(tmp_path / "cache", dataset)),
        "device": lambda dataset: DeviceCache(dataset, CPU, num_workers=0),
    }


def batches_of(dataset, num_workers=0):
    loader = make_loader(dataset, 3, CPU, seed=2, training=True, num_workers=num_workers)
    return list(loader)


def assert_same_batches(found, expected):
    for batch, other in zip(found, expected, strict=True):
        assert batch.keys() == other.keys()
        for name in batch:
            assert batch[name].dtype == other[name].dtype
            assert torch.equal(batch[name], other[name])


@pytest.mark.parametrize("where", ["memory", "disk", "device"])
@pytest.mark.parametrize("use_keypoints", [True, False])
def test_batches_are_the_same_with_a_cache(caches, where, use_keypoints):
    expected = batches_of(CountingImages(8, use_keypoints))
    dataset = CountingImages(8, use_keypoints)
    cache = caches[where](dataset)
    assert len(cache) == 8
    for _ in range(2):
        assert_same_batches(batches_of(cache), expected)
    assert max(dataset.loads) == 1


@pytest.mark.parametrize("where", ["memory", "disk", "device"])
def test_parts_and_copies_of_a_cached_data_set(caches, where):
    for choose in (lambda d: Subset(d, range(5)), lambda d: RestrictedAnnotations(d, 3, seed=1)):
        expected = batches_of(choose(CountingImages(8)))
        assert_same_batches(batches_of(choose(caches[where](CountingImages(8)))), expected)


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_single_items_are_kept_too(caches, where):
    dataset = CountingImages(4)
    cache = caches[where](dataset)
    for index in (2, 0, 2, 3):
        item, kept = CountingImages(4)[index], cache[index]
        assert kept["index"] == index
        assert torch.equal(kept["image"], item["image"])
        assert torch.equal(kept["keypts"], item["keypts"])
    assert dataset.loads == [1, 0, 1, 1]


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_what_a_worker_decoded_is_there_for_everyone(caches, where):
    dataset = CountingImages(6)
    cache = caches[where](dataset)
    batches_of(cache, num_workers=1)
    assert dataset.loads == [0] * 6
    dataset.fails = True
    assert [int(cache[index]["image"][0, 0, 0]) for index in range(6)] == list(range(6))


def test_a_device_s_cache_is_filled_by_workers():
    dataset = CountingImages(7)
    cache = DeviceCache(dataset, CPU, num_workers=2)
    assert dataset.loads == [0] * 7  # in this process
    assert_same_batches(batches_of(cache), batches_of(CountingImages(7)))


# Files


def test_a_later_run_decodes_nothing(caches):
    expected = batches_of(caches["disk"](CountingImages(6)))
    gone = CountingImages(6)
    cache = caches["disk"](gone)
    gone.fails = True
    assert_same_batches(batches_of(cache), expected)


def test_an_interrupted_run_leaves_what_it_decoded(caches):
    caches["disk"](CountingImages(6))[4]
    later = CountingImages(6)
    batches_of(caches["disk"](later))
    assert later.loads == [1, 1, 1, 1, 0, 1]


@pytest.fixture
def photographs(tmp_path):
    """Return a function of arguments that opens a folder of images."""
    root = write_landmark_folder(tmp_path / "faces", 4, 2)

    def open_them(imwidth=16, split="train", **arguments):
        return LandmarkFolder(str(root), split, imwidth, **arguments)

    return open_them


def test_what_comes_after_the_cache_does_not_concern_it(photographs):
    assert fingerprint(photographs()) == fingerprint(photographs(crop=3, do_augmentations=False))


@pytest.mark.parametrize("arguments", [
    {"imwidth": 17}, {"split": "test"}, {"use_keypoints": True},
])
def test_other_arguments_make_another_cache(photographs, arguments):
    assert fingerprint(photographs()) != fingerprint(photographs(**arguments))


def test_a_changed_file_makes_another_cache(photographs):
    before, path = fingerprint(photographs()), photographs().paths[0]
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    touched = fingerprint(photographs())
    write_image(path, seed=99)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert len({before, touched, fingerprint(photographs())}) == 3


def test_changed_landmarks_make_another_cache(photographs):
    before, dataset = fingerprint(photographs(use_keypoints=True)), photographs(use_keypoints=True)
    dataset.landmarks[0, 0, 0] += 0.5
    assert fingerprint(dataset) != before


def test_other_generated_faces_make_another_cache():
    first, same, other = (fingerprint(SyntheticFaces("train", 16, seed=seed)) for seed in (0, 0, 1))
    assert first == same != other


def test_generated_faces_are_made_anew_when_what_paints_them_changes(tmp_path, monkeypatch):
    copy = tmp_path / "face_renderer"
    shutil.copytree(Path(face_renderer.__file__).parent, copy)
    monkeypatch.setattr(face_renderer, "__file__", str(copy / "__init__.py"))
    faces = SyntheticFaces("train", 16)
    before = fingerprint(faces)
    assert fingerprint(faces) == before
    for path in copy.glob("*.py"):
        path.write_text(path.read_text() + "# changed\n")
        before, earlier = fingerprint(faces), before
        assert before != earlier, path.name


def test_a_missing_image_is_named(photographs, tmp_path):
    dataset = photographs()
    dataset.paths[2].unlink()
    with pytest.raises(UserError, match=f"{dataset.paths[2]}: cannot read this file"):
        CacheFolder(tmp_path / "cache", dataset)


def test_a_full_disk_is_told_before_anything_is_decoded(monkeypatch, tmp_path):
    def full(descriptor, offset, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match="the disk is full"):
        CacheFolder(tmp_path / "cache", CountingImages(3))
    assert list((tmp_path / "cache").iterdir()) == []


def fill(parent, start, sums):
    """Wait for the others, then decode all of a data set; runs in a process of its own."""
    start.wait()
    cache = ItemCache(CountingImages(40), CacheFolder(parent, CountingImages(40)))
    sums.put(sum(int(batch["image"].sum()) for batch in batches_of(cache)))


def test_processes_that_want_the_same_cache_at_once_share_one(tmp_path):
    context = multiprocessing.get_context("fork")
    start, sums = context.Barrier(4), context.Queue()
    workers = [context.Process(target=fill, args=(tmp_path, start, sums)) for _ in range(4)]
    for worker in workers:
        worker.start()
    found = {sums.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join(60)
    assert found == {sum(int(batch["image"].sum()) for batch in batches_of(CountingImages(40)))}
    assert len(list(tmp_path.iterdir())) == 1


# The device's memory


def test_too_little_memory_on_the_device_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 200))
    with pytest.raises(UserError, match="the images take 108 B, and 100 B are free on cuda:0"):
        DeviceCache(CountingImages(1), torch.device("cuda:0"))


# Worker processes that are not forked


@pytest.mark.parametrize("where, method", [("memory", "spawn"), ("disk", "spawn"),
                                           ("disk", "forkserver")])
def test_workers_that_are_started_anew_share_the_cache(caches, where, method, photographs):
    """As Python starts them on macOS, and from 3.14 on everywhere."""
    dataset = photographs(use_keypoints=True)
    expected, cache = batches_of(photographs(use_keypoints=True)), caches[where](dataset)
    loader = make_loader(cache, 3, CPU, seed=2, training=True, num_workers=1)
    loader.multiprocessing_context = method
    assert_same_batches(list(loader), expected)
    for path in dataset.paths:
        path.unlink()
    assert_same_batches(batches_of(cache), expected)
