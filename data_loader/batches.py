"""Batches of an epoch: their samples and order, and the loaders that decode them."""

import gc
import os

import torch
from torch.utils.data import DataLoader, default_collate

from utils.cores import num_readers
from utils.distributed import World
from utils.keyed_random import mix
from utils.shortages import require_shared_memory


class EpochBatches:
    """The batches of an epoch as lists of indices.

    Training: shuffled by (seed, epoch) alone, an incomplete last batch is dropped. Evaluation: in
    order, all samples; a last batch of one is joined to the one before, since the exchange needs a
    neighbour. Several processes share each training batch, and take evaluation batches in turn: the
    main process takes the first, some may take none.
    """

    def __init__(self, num_samples, batch_size, seed, training, world=World()):
        self.num_samples, self.batch_size, self.seed = num_samples, batch_size, seed
        self.training, self.world = training, world
        self.epoch = 0
        self.skipped = 0  # batches at the beginning that a resumed run has done

    def set_epoch(self, epoch, skipped=0):
        """Set the epoch to come, and the number of its batches to skip."""
        self.epoch, self.skipped = epoch, skipped

    def counts(self):
        """Return the numbers of batches of the epoch, of their samples, and of samples skipped."""
        sizes = [len(batch) for batch in self._batches()]
        return len(sizes), sum(sizes), sum(sizes[: self.skipped])

    def __iter__(self):
        return iter(self._batches()[self.skipped :])

    def __len__(self):
        return len(self._batches()) - self.skipped

    def _batches(self):
        """Return this process's batches of the whole epoch, as lists of indices."""
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
        batches = [batch.tolist() for batch in batches]
        if self.training:
            return [self.world.share(batch) for batch in batches]
        return batches[self.world.rank :: self.world.size]


def make_loader(
    dataset,
    batch_size,
    device,
    seed=0,
    training=False,
    num_workers=None,
    on_device=False,
    world=World(),
):
    """Return a DataLoader over ``EpochBatches``; call its ``set_epoch`` before each epoch.

    num_workers: None: none on a CPU, else ``num_readers``.
    on_device: the items are on the device already, where no worker can fetch them.
    world: the processes that share the batches.
    """
    if num_workers is None:
        num_workers = 0 if device.type == "cpu" else num_readers()
    return _data_loader(
        dataset,
        EpochBatches(len(dataset), batch_size, seed, training, world),
        0 if on_device else num_workers,
        pin_memory=device.type == "cuda" and not on_device,
    )


def in_order(loader, batch_size):
    """Return a loader of another loader's data set that yields each item once, in order."""
    batches = EpochBatches(len(loader.dataset), batch_size, seed=0, training=False)
    return _data_loader(loader.dataset, batches, loader.num_workers, loader.pin_memory)


def _data_loader(dataset, batches, num_workers, pin_memory):
    if num_workers:
        require_shared_memory(num_workers)
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=_collate,
        persistent_workers=num_workers > 0,
        worker_init_fn=_begin_worker,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # its own: iterating must not draw from the global one
    )


def _begin_worker(worker_id):
    """Keep a worker from what is the main process's business: signals and garbage.

    Ctrl-C goes to all processes of a session, and the main one needs its workers to finish the
    step. An earlier loader that was not collected before the fork would be closed here, too, and
    complain that its workers are no children of this process.
    """
    os.setsid()
    gc.freeze()


def _collate(items):
    """Return items as a batch; caches return whole batches already."""
    return items if isinstance(items, dict) else default_collate(items)
