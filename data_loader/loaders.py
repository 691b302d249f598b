"""Batches: which samples, in which order, decoded by whom."""

import os

import torch
from torch.utils.data import DataLoader, Dataset

from utils.keyed_random import mix

MAX_WORKERS = 8


class MemoryCache(Dataset):
    """Keeps each item of a data set, once loaded, in memory that the worker processes share."""

    def __init__(self, dataset):
        self.dataset = dataset
        N, S = len(dataset), dataset.imwidth
        K = dataset.num_landmarks if dataset.use_keypoints else 0
        self._images = torch.empty(N, 3, S, S, dtype=torch.uint8).share_memory_()
        self._keypts = torch.empty(N, K, 2).share_memory_()
        self._filled = torch.zeros(N, dtype=torch.bool).share_memory_()

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        if not self._filled[index]:
            item = self.dataset[index]
            self._images[index], self._keypts[index] = item["image"], item["keypts"]
            self._filled[index] = True  # last: another process may be reading
        return {"image": self._images[index], "keypts": self._keypts[index], "index": index}


class EpochBatches:
    """The batches of an epoch as lists of indices.

    Training: shuffled by (seed, epoch) alone, the last incomplete batch dropped. Otherwise in
    order, nothing dropped; a last batch of one is joined to the one before, since the exchange
    needs a neighbour.
    """

    def __init__(self, num_samples, batch_size, seed, training):
        self.num_samples, self.batch_size, self.seed = num_samples, batch_size, seed
        self.training = training
        self.epoch = 0

    def __iter__(self):
        order = torch.arange(self.num_samples)
        if self.training:
            generator = torch.Generator().manual_seed(
                int(mix(torch.tensor(self.seed)) + self.epoch) & ((1 << 63) - 1)
            )
            order = torch.randperm(self.num_samples, generator=generator)
        batches = list(order.split(self.batch_size))
        if self.training:
            batches = batches[: self.num_samples // self.batch_size]
        elif len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        return iter([batch.tolist() for batch in batches])

    def __len__(self):
        return sum(1 for _ in self)


def make_loader(dataset, batch_size, device, seed=0, training=False, num_workers=None):
    """Return a DataLoader over ``EpochBatches``.

    For training call ``loader.batch_sampler.epoch = e`` before epoch e.
    """
    if num_workers is None:
        num_workers = 0 if device.type == "cpu" else min(MAX_WORKERS, os.cpu_count())
    return DataLoader(
        dataset,
        batch_sampler=EpochBatches(len(dataset), batch_size, seed, training),
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # its own: iterating must not draw from the global one
    )
