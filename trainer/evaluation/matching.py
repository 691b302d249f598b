"""Evaluate an embedding by matching landmarks, as published and by cosine similarity."""

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch.utils.data import Subset

from base.running_mean import RunningMean
from data_loader.augmentation import normalise
from data_loader.batches import make_loader
from model.compute_descriptors import compute_descriptors
from model.loss import cell_stride
from model.matching import cosine_at_pixels, match_landmarks
from model.metric import pixel_error
from utils.errors import config_errors
from utils.geometry.warper import Warper
from utils.progress import progress_bar

EVALUATION_BATCH = 32  # images; even, since they are taken in pairs
# Standard deviations of the published evaluation, the same for both warps of an image.
EVALUATION_WARPS = {
    "warpsd_all": 0.0005,
    "warpsd_subset": 0.005,
    "transsd": 0.05,
    "scalesd": 0.05,
    "rotsd": 2.5,
    "im1_multiplier": 1,
    "im1_multiplier_aff": 1,
}


@dataclass(frozen=True)
class Matches:
    """Landmarks of m source images, matched in m target images.

    sources, targets: (m, 3, H, W) uint8.
    points: (m, K, 2), in the sources, pixels.
    matched, truth: (m, K, 2), in the targets, pixels.
    """

    sources: torch.Tensor
    targets: torch.Tensor
    points: torch.Tensor
    matched: torch.Tensor
    truth: torch.Tensor

    @property
    def errors(self):
        """Distances (m, K), in pixels of the published frame, 70 x 70."""
        return pixel_error(self.matched, self.truth, self.sources.shape[-1])


def evaluation_pairs(dataset, device, max_images=None, num_workers=None):
    """Yield ``WarpedPair``s of the images of a data set, in order, warped as published.

    An odd last image is dropped. The warps are drawn from a CPU generator seeded with 0, image by
    image, after one 64-bit number that the loader of the published runs drew.
    """
    num_images = min(len(dataset), max_images or len(dataset)) // 2 * 2
    warper = Warper(dataset.imwidth, dataset.imwidth, dataset.crop, **EVALUATION_WARPS)
    loader = make_loader(
        Subset(dataset, range(num_images)), EVALUATION_BATCH, device, num_workers=num_workers
    )
    generator = torch.Generator().manual_seed(0)
    torch.empty((), dtype=torch.int64).random_(generator=generator)
    with progress_bar(num_images, "matching") as bar:
        for batch in loader:
            images, keypts = batch["image"].to(device), batch["keypts"].to(device)
            yield warper(images, keypts, warper.draw_published(len(images), generator))
            bar.update(len(images))


@torch.no_grad()
def describe_pairs(backbone, pair):
    """Return descriptors of a ``WarpedPair`` of 2 m images, and the stride of a cell.

    Three maps (m, C, h, w): the first views of images 0, 2, 4, ..., the sources; their second views
    (same identity); the second views of images 1, 3, 5, ... (different identity).
    """
    images = torch.cat([pair.first[0::2], pair.second[0::2], pair.second[1::2]])
    maps = compute_descriptors(backbone, normalise(images))
    with config_errors("dataset.args"):
        stride = cell_stride(maps.shape[-2:], images.shape[-2:])
    return *maps.chunk(3), stride


def match_pairs(backbone, pair):
    """Match the landmarks of a ``WarpedPair`` in both protocols, the published one first.

    Returns {name of the figure: ``Matches``}.
    """
    source, same, different, stride = describe_pairs(backbone, pair)
    size = pair.first.shape[-2:]
    protocols = {
        "px": (source, same, different, stride),
        "cosine_px": (*(cosine_at_pixels(m, stride, size) for m in (source, same, different)), 1),
    }
    found, points = {}, pair.keypts_first[0::2]
    for protocol, (source, same, different, stride) in protocols.items():
        for offset, (identity, target) in enumerate((("same", same), ("different", different))):
            found[f"{identity}_identity_{protocol}"] = Matches(
                pair.first[0::2],
                pair.second[offset::2],
                points,
                match_landmarks(source, points, target, stride),
                pair.keypts_second[offset::2],
            )
    return found


def evaluate_matching(backbone, dataset, device, max_images=None, num_workers=None, watch=None):
    """Return {name: mean error in pixels of a 70 x 70 image}, and the number of images.

    watch: None, or called with the result of ``match_pairs`` for each batch.
    """
    backbone.eval()
    means = defaultdict(RunningMean)
    num_images = 0
    for pair in evaluation_pairs(dataset, device, max_images, num_workers):
        found = match_pairs(backbone, pair)
        for name, matches in found.items():
            errors = matches.errors
            means[name].add(errors.mean(), errors.numel())
        if watch is not None:
            watch(found)
        num_images += len(pair.first)
    return {name: mean.value for name, mean in means.items()}, num_images
