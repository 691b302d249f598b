"""Where a run's batches come from: decoded anew or kept, within the limits."""

from pathlib import Path

from data_loader.cache import CacheFolder, DeviceCache, ItemCache, in_memory
from data_loader.loaders import make_loader
from utils.errors import ConfigError
from utils.wording import counted

VALIDATION_BATCH = 32


class Batches:
    """Makes the loaders of a run, as ``cache``, ``batch_size`` and ``num_workers`` of its config
    say.
    """

    def __init__(self, experiment, run, limits):
        self.experiment, self.run, self.limits = experiment, run, limits
        self.cache = experiment.cache
        if self.cache == "device" and limits.images is not None:
            self.cache = "memory"  # a handful of images is not worth decoding them all

    def cached(self, dataset):
        """Return a data set that is decoded once if the config says so."""
        if self.cache == "memory":
            return ItemCache(dataset, in_memory)
        if self.cache == "disk":
            folder = self.experiment.cache_dir or Path(self.run.options.save_dir) / "cache"
            return ItemCache(dataset, CacheFolder(folder, dataset))
        if self.cache == "device":
            return DeviceCache(dataset, self.run.device, self.experiment.num_workers)
        return dataset

    def loader(self, dataset, training):
        """Return a loader of a data set."""
        samples = self.limits.cut(dataset)
        size = self.limits.cut_batch(self.experiment.batch_size if training else VALIDATION_BATCH)
        if training and len(samples) < size:
            raise ConfigError(
                f"batch_size = {size}, but the training set has {counted(len(samples), 'image')} "
                "(min_epoch_images repeats them)"
            )
        if training and size < self.run.world.size:
            raise ConfigError(
                f"batch_size = {size}, but {self.run.world.size} processes share it: "
                "expected at least one image for each"
            )
        return make_loader(
            samples,
            size,
            self.run.device,
            self.experiment.seed,
            training,
            self.experiment.num_workers,
            on_device=self.cache == "device",
            world=self.run.world,
        )
