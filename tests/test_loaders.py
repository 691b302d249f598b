"""Batches and their order, the memory cache, few annotations."""

import numpy as np
import pytest
import torch

from data_loader.base_dataset import KeypointDataset
from data_loader.loaders import EpochBatches, MemoryCache, make_loader
from data_loader.restricted import RestrictedAnnotations

CPU = torch.device("cpu")


class CountingImages(KeypointDataset):
    """Images filled with their index; ``loads`` counts how often each was opened here."""

    def __init__(self, count, use_keypoints=True, fails=False):
        super().__init__("train", imwidth=6, use_keypoints=use_keypoints)
        self.num_landmarks, self.fails = 4, fails
        self.loads = [0] * count

    def __len__(self):
        return len(self.loads)

    def load(self, index):
        if self.fails:
            raise OSError("the files are gone")
        self.loads[index] += 1
        return np.full((6, 6, 3), index), np.full((4, 2), index / 2)


def batches_of(epoch=1, **arguments):
    batches = EpochBatches(**{"num_samples": 23, "batch_size": 4, "seed": 0, "training": True,
                              **arguments})
    batches.epoch = epoch
    return list(batches)


def test_training_batches_are_full_and_take_no_sample_twice():
    batches = batches_of()
    assert [len(batch) for batch in batches] == [4] * 5
    taken = sum(batches, [])
    assert len(set(taken)) == 20 and set(taken) < set(range(23))


def test_training_order_is_a_function_of_seed_and_epoch():
    assert batches_of() == batches_of()
    assert batches_of() != batches_of(epoch=2)
    assert batches_of() != batches_of(seed=1)
    assert batches_of(seed=(1 << 63) - 1) != batches_of()


def test_over_many_epochs_every_sample_is_left_out_as_often():
    left_out = np.zeros(23)
    for epoch in range(400):
        left_out[list(set(range(23)) - set(sum(batches_of(epoch), [])))] += 1
    expected = 400 * 3 / 23
    assert np.abs(left_out - expected).max() < 4.5 * np.sqrt(expected)


def test_neither_order_nor_loader_reads_or_advances_torchs_generator():
    torch.manual_seed(0)
    first, state = batches_of(), torch.get_rng_state()
    torch.manual_seed(1)
    assert batches_of() == first
    torch.manual_seed(0)
    list(make_loader(CountingImages(5), 2, CPU, training=True))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("count, sizes", [
    (12, [4, 4, 4]), (14, [4, 4, 4, 2]), (13, [4, 4, 5]), (5, [5]), (3, [3]), (1, [1])])
def test_validation_is_in_order_and_a_last_single_one_joins_its_neighbours(count, sizes):
    batches = batches_of(num_samples=count, training=False)
    assert [len(batch) for batch in batches] == sizes
    assert sum(batches, []) == list(range(count))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("count", [1, 4, 13, 23])
def test_length_is_the_number_of_batches(training, count):
    batches = EpochBatches(count, 4, 0, training)
    assert len(batches) == len(list(batches))


def test_loader_stacks_items_and_keeps_indices():
    loader = make_loader(CountingImages(9), 4, CPU, seed=3, training=True)
    loader.batch_sampler.epoch = 5
    for indices, batch in zip(batches_of(5, num_samples=9, seed=3), loader, strict=True):
        assert batch["index"].tolist() == indices
        assert batch["image"].dtype == torch.uint8 and batch["image"].shape == (4, 3, 6, 6)
        assert (batch["image"] == batch["index"].view(4, 1, 1, 1)).all()
        assert torch.equal(batch["keypts"], (batch["index"] / 2).view(4, 1, 1).expand(4, 4, 2))


def test_workers_change_nothing():
    alone, helped = (make_loader(CountingImages(10), 3, CPU, training=True, num_workers=number)
                     for number in (0, 2))
    for epoch in (1, 2):
        alone.batch_sampler.epoch = helped.batch_sampler.epoch = epoch
        for batch, same in zip(alone, helped, strict=True):
            assert all(torch.equal(batch[name], same[name]) for name in batch)


# The cache

@pytest.mark.parametrize("use_keypoints", [True, False])
def test_cached_items_are_the_items(use_keypoints):
    dataset = CountingImages(4, use_keypoints)
    cache = MemoryCache(dataset)
    assert len(cache) == 4
    for index in (2, 0, 2, 3, 1):
        item, cached = CountingImages(4, use_keypoints)[index], cache[index]
        assert cached.keys() == item.keys() and cached["index"] == index
        for name in ("image", "keypts"):
            assert cached[name].dtype == item[name].dtype
            assert torch.equal(cached[name], item[name])
    assert dataset.loads == [1, 1, 1, 1]


def test_what_a_worker_loaded_is_there_for_everyone():
    dataset = CountingImages(6)
    cache = MemoryCache(dataset)
    for _ in make_loader(cache, 3, CPU, num_workers=1):
        pass
    assert dataset.loads == [0] * 6
    dataset.fails = True
    assert [int(cache[index]["image"][0, 0, 0]) for index in range(6)] == list(range(6))


# Few annotations

@pytest.mark.parametrize("number, seed", [(1, 0), (3, 1), (5, 2), (20, 0), (23, 7)])
def test_few_annotations_are_chosen_and_repeated_as_published(number, seed):
    dataset = CountingImages(23)
    restricted = RestrictedAnnotations(dataset, number, seed)
    chosen = np.random.RandomState(seed).choice(23, number, replace=False).tolist()
    assert len(restricted) == 23 // number * number
    assert list(restricted.indices) == chosen * (23 // number)
    for index in {0, number - 1, len(restricted) - 1}:
        item, original = restricted[index], dataset[chosen[index % number]]
        assert item["index"] == index
        assert torch.equal(item["image"], original["image"])
        assert torch.equal(item["keypts"], original["keypts"])


def test_more_annotations_than_there_are():
    with pytest.raises(ValueError, match="restrict_annos = 8, but training has 7"):
        RestrictedAnnotations(CountingImages(7), 8, 0)
