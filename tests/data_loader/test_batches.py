"""Batches and their order, few annotations."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from data_loader.batches import EpochBatches, in_order, make_loader
from data_loader.cache import ItemCache, in_memory
from data_loader.few_annotations import RestrictedAnnotations, repeated
from tests.data_helpers.counting_images import CountingImages
from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT
from utils.distributed import World

CPU = torch.device("cpu")


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


TWO_LOADERS = """
import gc, torch
from data_loader.batches import make_loader
from tests.data_helpers.counting_images import CountingImages
from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT

class Collecting(CountingImages):
    def load(self, index):
        gc.collect()  # as it may happen at any time
        return super().load(index)

gc.disable()
for _ in range(2):
    loader = make_loader(Collecting(4), 2, torch.device("cpu"), num_workers=1)
    print(len(list(loader)))
    loader.itself = loader  # a cycle: only the collection of garbage closes it
"""


def test_a_worker_closes_no_earlier_loader_of_the_main_process():
    done = subprocess.run([sys.executable, "-c", TWO_LOADERS], cwd=ROOT, env=ENVIRONMENT,
                          capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("2\n2\n", "")


def test_the_same_items_in_order():
    loader = make_loader(CountingImages(10), 4, CPU, seed=5, training=True, num_workers=1)
    again = in_order(loader, 3)
    assert [batch["index"].tolist() for batch in again] == [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]
    assert again.num_workers == 1


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


# Few images

@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("least, times", [(8, 2), (9, 3), (21, 6)])
def test_few_images_are_repeated_each_as_often_with_an_index_of_its_own(cached, least, times):
    dataset = CountingImages(4)
    copies = repeated(ItemCache(dataset, in_memory) if cached else dataset, least)
    loader = make_loader(copies, 3, CPU, training=True)
    batches = EpochBatches(len(copies), 3, 0, True)
    for batch, indices in zip(loader, batches, strict=True):
        assert batch["index"].tolist() == indices
        assert batch["image"][:, 0, 0, 0].tolist() == [index % 4 for index in indices]
        assert batch["keypts"][:, 0, 0].tolist() == [index % 4 / 2 for index in indices]
    assert len(copies) == 4 * times


def test_enough_images_are_not_repeated():
    dataset = CountingImages(4)
    assert repeated(dataset, 0) is repeated(dataset, 4) is dataset


def test_chosen_images_are_repeated_too():
    copies = repeated(RestrictedAnnotations(CountingImages(7), 2, seed=0), 13)
    (batch,) = make_loader(copies, 18, CPU)
    chosen = np.random.RandomState(0).choice(7, 2, replace=False).tolist()
    assert batch["image"][:, 0, 0, 0].tolist() == chosen * 9
    assert batch["index"].tolist() == list(range(18))


@pytest.mark.parametrize("num_samples, size", [(3, 2), (4, 3), (9, 2), (13, 3)])
def test_of_several_processes_the_main_one_validates_on_the_first_batch(num_samples, size):
    shares = [list(EpochBatches(num_samples, 4, seed=0, training=False, world=World(rank, size)))
              for rank in range(size)]
    alone = list(EpochBatches(num_samples, 4, seed=0, training=False))
    assert shares[0][0] == alone[0]
    assert sorted(sum(shares, [])) == alone
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
