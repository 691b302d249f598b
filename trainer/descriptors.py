"""Descriptors of annotated images with their landmarks, computed for each batch or cached."""

import math

import torch

from data_loader.augmentation import augment, normalise
from data_loader.batches import in_order
from model.compute_descriptors import compute_descriptors
from utils.geometry.coordinates import to_normalised
from utils.geometry.crop import crop_images, crop_points
from utils.keyed_random import sample_keys
from utils.progress import progress_bar
from utils.transfer import send

EXTRACTION_BATCH = 32


class DescriptorExtractor:
    """Computes the inputs and targets of the regressor from batches of items.

    Random numbers depend on (seed, epoch, index) only.

    frozen: the modules before the regressor.
    crop: pixels cut from every side, if there is no warper.
    warper: ``WarperSingle`` or None.
    augmented: whether images are augmented.
    """

    def __init__(self, frozen, crop, device, seed=0, warper=None, augmented=False):
        self.frozen, self.crop, self.device, self.seed = frozen, crop, device, seed
        self.warper, self.augmented = warper, augmented

    @torch.no_grad()
    def __call__(self, batch, epoch):
        """Return {"index": (B,), "images": uint8, cropped, "descriptors": (B, C, h, w), "target":
        landmarks (B, K, 2), normalised}.
        """
        keys = sample_keys(self.seed, epoch, batch["index"])
        images, keypts = self._frame(
            *(send(batch[name], self.device) for name in ("image", "keypts")), keys
        )
        inputs = augment(images, keys, view=0) if self.augmented else normalise(images)
        H, W = images.shape[-2:]
        return {
            "index": batch["index"],
            "images": images,
            "descriptors": compute_descriptors(self.frozen, inputs),
            "target": to_normalised(keypts, H, W),
        }

    def _frame(self, images, keypts, keys):
        if self.warper is not None:
            return self.warper(images, keypts, self.warper.draw_keyed(keys))
        return crop_images(images, self.crop), crop_points(keypts, self.crop)


class DescriptorLoader:
    """A loader of descriptors and targets, computed from a loader of images."""

    def __init__(self, images, extract):
        self.images, self.extract = images, extract
        self.batch_sampler, self.dataset = images.batch_sampler, images.dataset
        self.num_workers = images.num_workers

    def prepare(self):
        """Compute what is cached, before the first batch."""


class LiveDescriptors(DescriptorLoader):
    """Computes the descriptors of each batch when it is loaded."""

    def __iter__(self):
        for batch in self.images:
            yield self.extract(batch, self.batch_sampler.epoch)


class CachedDescriptors(DescriptorLoader):
    """Computes all descriptors once, with the warps of epoch 0, and caches them in ``dtype``.

    They are on the extractor's device if they take at most half of its free memory, else on the
    host.
    """

    def __init__(self, images, extract, dtype):
        super().__init__(images, extract)
        self.dtype = dtype
        self.descriptors = self.target = None

    def prepare(self):
        """Compute the descriptors, if they are not cached yet."""
        if self.descriptors is not None:
            return
        N = len(self.dataset)
        with progress_bar(N, "descriptors") as bar:
            for batch in in_order(self.images, EXTRACTION_BATCH):
                self._store(self.extract(batch, epoch=0), N)
                bar.update(len(batch["index"]))

    def _store(self, part, num_samples):
        if self.descriptors is None:
            shape = num_samples, *part["descriptors"].shape[1:]
            place = _place(math.prod(shape) * self.dtype.itemsize, self.extract.device)
            self.descriptors = torch.empty(shape, dtype=self.dtype, device=place)
            self.target = torch.empty(num_samples, *part["target"].shape[1:], device=place)
        for kept, news in ((self.descriptors, "descriptors"), (self.target, "target")):
            kept[part["index"]] = part[news].to(kept)

    def __iter__(self):
        self.prepare()
        device = self.extract.device
        for indices in self.batch_sampler:
            index = torch.tensor(indices)
            wanted = send(index, self.descriptors.device)
            yield {
                "index": index,
                "descriptors": send(self.descriptors[wanted], device).float(),
                "target": send(self.target[wanted], device),
            }


def _place(size, device):
    """Return the device, or the CPU if ``size`` bytes exceed half of its free memory."""
    if device.type == "cuda" and size > torch.cuda.mem_get_info(device)[0] // 2:
        return torch.device("cpu")
    return device
