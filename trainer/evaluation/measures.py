"""The figures: matching errors of an embedding, inter-ocular error of a landmark model."""

from collections import defaultdict
from dataclasses import dataclass
from functools import partial

import torch
from torch.utils.data import Subset

from base.running_mean import RunningMean
from data_loader.augmentation import normalise
from data_loader.batches import make_loader
from model.compute_descriptors import compute_descriptors
from model.loss import cell_stride
from model.matching import cosine_at_pixels, match_landmarks
from model.metric import inter_ocular_error, landmark_pixel_error, pixel_error
from trainer.descriptors import DescriptorExtractor
from trainer.figures import LANDMARK_PIXELS, LANDMARKS
from utils.errors import UserError, blamed_on
from utils.geometry.warper import Warper
from utils.progress import progress_bar

EVALUATION_BATCH = 32  # images; even, since they are taken two by two
# Deviations of the warps of the published evaluation, the same for both warps of an image.
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
    """Landmarks of m source images, found in m target images.

    sources, targets: (m, 3, H, W) uint8; points, in the sources, matched and truth, in the
    targets: (m, K, 2), pixels.
    """

    sources: torch.Tensor
    targets: torch.Tensor
    points: torch.Tensor
    matched: torch.Tensor
    truth: torch.Tensor

    @property
    def errors(self):
        """Distances (m, K), in pixels of the published frame."""
        return pixel_error(self.matched, self.truth, self.sources.shape[-1])


@dataclass(frozen=True)
class LandmarkPredictions:
    """Landmarks of m images (m, 3, H, W) uint8: predicted and truth (m, K, 2), normalised; errors
    (m,), as ``landmark_figure`` measures them.
    """

    images: torch.Tensor
    predicted: torch.Tensor
    truth: torch.Tensor
    errors: torch.Tensor


def evaluation_pairs(dataset, device, max_images=None, num_workers=None):
    """Yield ``WarpedPair``s of the images of a data set, in order, warped as the published
    evaluation warped them.

    An odd last image is dropped. The draws come from a CPU generator seeded with 0, image after
    image, after one 64-bit number that the published runs' loader took.
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
    """Describe a ``WarpedPair`` of 2 m images; images 0, 2, 4, ... are the sources, in their first
    view.

    Returns the maps (m, C, h, w) of the sources, of their second views (same identity), of the
    second views of the images after them (different identity), and the stride of a cell.
    """
    images = torch.cat([pair.first[0::2], pair.second[0::2], pair.second[1::2]])
    maps = compute_descriptors(backbone, normalise(images))
    with blamed_on("dataset.args"):
        stride = cell_stride(maps.shape[-2:], images.shape[-2:])
    return *maps.chunk(3), stride


def match_pairs(backbone, pair):
    """Match the landmarks of a ``WarpedPair`` in both protocols.

    Returns {name of the figure: ``Matches``}; the published protocol's come first.
    """
    source, same, different, stride = describe_pairs(backbone, pair)
    size = pair.first.shape[-2:]
    protocols = {
        "px": (source, same, different, stride),
        "cosine_px": (*(cosine_at_pixels(m, stride, size) for m in (source, same, different)), 1),
    }
    found = {}
    for protocol, (source, same, different, stride) in protocols.items():
        found[f"same_identity_{protocol}"] = _find(pair, 0, source, same, stride)
        found[f"different_identity_{protocol}"] = _find(pair, 1, source, different, stride)
    return found


def _find(pair, offset, source, target, stride):
    """Find the landmarks of images 0, 2, 4, ... in the second views of images ``offset`` further
    on.
    """
    points = pair.keypts_first[0::2]
    return Matches(
        pair.first[0::2],
        pair.second[offset::2],
        points,
        match_landmarks(source, points, target, stride),
        pair.keypts_second[offset::2],
    )


def evaluate_matching(backbone, dataset, device, max_images=None, num_workers=None, watch=None):
    """Return {name: mean error in pixels of a 70 x 70 image}, and the number of images.

    watch: None, or called with what ``match_pairs`` finds in each batch.
    """
    backbone.eval()
    means = defaultdict(RunningMean)
    num_images = 0
    for pair in evaluation_pairs(dataset, device, max_images, num_workers):
        found = match_pairs(backbone, pair)
        for name, matches in found.items():
            means[name].add(matches.errors.mean(), matches.errors.numel())
        if watch is not None:
            watch(found)
        num_images += len(pair.first)
    return {name: mean.value for name, mean in means.items()}, num_images


def landmark_figure(dataset):
    """Return the name of a data set's landmark figure, and what computes it, a callable (predicted,
    target) -> (B,): in percent of the distance between two landmarks, or in pixels if the data set
    has no such pair.
    """
    eyes, side = dataset.eye_indices, dataset.imwidth - 2 * dataset.crop
    if eyes:
        return LANDMARKS, partial(inter_ocular_error, eye_indices=eyes)
    return LANDMARK_PIXELS, partial(landmark_pixel_error, side=side)


@torch.no_grad()
def evaluate_landmarks(model, dataset, device, max_images=None, num_workers=None, watch=None):
    """Return {name: mean landmark error}, and the number of images it is the mean of: those whose
    error is defined.

    watch: None, or called with the ``LandmarkPredictions`` of each batch.
    """
    model.eval()
    mean, (name, measure) = RunningMean(), landmark_figure(dataset)
    num_images = min(len(dataset), max_images or len(dataset))
    loader = make_loader(
        Subset(dataset, range(num_images)), EVALUATION_BATCH, device, num_workers=num_workers
    )
    extract = DescriptorExtractor(model[:-1], dataset.crop, device)
    with progress_bar(num_images, "landmarks") as bar:
        for batch in loader:
            part = extract(batch, epoch=0)
            predicted, truth = model[-1](part["descriptors"]), part["target"]
            errors = measure(predicted, truth)
            if watch is not None:
                watch(LandmarkPredictions(part["images"], predicted, truth, errors))
            mean.add_each(errors)
            bar.update(len(errors))
    if not mean.weight:
        left, right = dataset.eye_indices
        raise UserError(
            f"landmarks {left} and {right}, whose distance errors are divided by, coincide in "
            "every test image (dataset.args.eye_indices of a folder names others)"
        )
    return {name: mean.value}, int(mean.weight)
