"""Build the loaders of a training: cached images, few annotations, limits of ``--mini_train``."""

from pathlib import Path

from torch.utils.data import Subset

from data_loader.batches import make_loader
from data_loader.cache import CacheFolder, DeviceCache, ItemCache, in_memory
from data_loader.few_annotations import RestrictedAnnotations, repeated
from utils.config.objects import call
from utils.errors import ConfigError
from utils.text import counted

VALIDATION_BATCH = 32


def make_loaders(config, train_set, val_set, run):
    """Return the loaders of training and validation batches."""
    train_items = training_items(config, _cached(config, train_set, run))
    train_items = _limited(train_items, config.limits.images)
    val_items = _limited(_cached(config, val_set, run), config.limits.images)
    most = config.limits.batch_size
    size, val_size = (min(n, most or n) for n in (config.batch_size, VALIDATION_BATCH))
    if len(train_items) < size:
        raise ConfigError(
            f"batch_size = {size}, but the training set has {counted(len(train_items), 'image')} "
            "(min_epoch_images repeats them)"
        )
    if size < run.world.size:
        raise ConfigError(
            f"batch_size = {size}, but {run.world.size} processes share it: "
            "expected at least one image for each"
        )
    shared = {
        "device": run.device,
        "seed": config.seed,
        "num_workers": config.num_workers,
        "on_device": isinstance(val_items, DeviceCache),
        "world": run.world,
    }
    return (
        make_loader(train_items, size, training=True, **shared),
        make_loader(val_items, val_size, training=False, **shared),
    )


def training_items(config, train_set):
    """Return the items of an epoch: a training set is reduced to ``restrict_annos`` images, and
    repeated until it has at least ``min_epoch_images``.
    """
    if config.is_landmark and config.restrict_annos is not None:
        few = {"dataset": train_set, "num_annotations": config.restrict_annos}
        train_set = call(RestrictedAnnotations, {}, "restrict_annos", **few, seed=config.seed)
    return repeated(train_set, config.min_epoch_images)


def _cached(config, dataset, run):
    """Return a data set with decoded images cached as ``cache`` says."""
    cache = config.cache
    if cache == "device" and config.limits.images is not None:
        cache = "memory"  # DeviceCache decodes the whole data set
    if cache == "memory":
        return ItemCache(dataset, in_memory)
    if cache == "disk":
        folder = config.cache_dir or Path(config.trainer.save_dir) / "cache"
        return ItemCache(dataset, CacheFolder(folder, dataset))
    if cache == "device":
        return DeviceCache(dataset, run.device, config.num_workers)
    return dataset


def _limited(dataset, max_images):
    """Return a data set's first ``max_images``; None: all of them."""
    if max_images is None:
        return dataset
    return Subset(dataset, range(min(max_images, len(dataset))))
