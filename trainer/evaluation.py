"""The two figures: matching error of an embedding, inter-ocular error of a landmark model."""

import torch
from torch.utils.data import Subset
from tqdm import tqdm

from base.base_trainer import RunningMean
from data_loader.augmentation import normalise
from data_loader.loaders import make_loader
from model.loss import cell_stride
from model.matching import match_landmarks, pixel_error
from model.metric import inter_ocular_error
from trainer.descriptors import DescriptorExtractor
from utils.errors import blamed_on
from utils.warper import Warper

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


def evaluation_pairs(dataset, device, max_images=None, num_workers=None):
    """Yield ``WarpedPair``s of the images of a data set, in order, warped as the published
    evaluation warped them.

    An odd last image is dropped. The draws come from torch's CPU generator, seeded with 0, image
    after image, after one 64-bit number that the published runs' loader took; the generator's state
    is put back in the end.
    """
    num_images = min(len(dataset), max_images or len(dataset)) // 2 * 2
    warper = Warper(dataset.imwidth, dataset.imwidth, dataset.crop, **EVALUATION_WARPS)
    loader = make_loader(
        Subset(dataset, range(num_images)), EVALUATION_BATCH, device, num_workers=num_workers
    )
    with torch.random.fork_rng(devices=[]), tqdm(
        total=num_images, desc="matching", unit="image", leave=False, disable=None
    ) as bar:
        torch.manual_seed(0)
        torch.empty((), dtype=torch.int64).random_()
        for batch in loader:
            images, keypts = batch["image"].to(device), batch["keypts"].to(device)
            yield warper(images, keypts, warper.draw_published(len(images)))
            bar.update(len(images))


@torch.no_grad()
def match_pairs(backbone, pair):
    """Match the landmarks of a ``WarpedPair`` of 2 m images; images 0, 2, 4, ... are the sources,
    in their first view.

    Returns {"same": (matched, truth), "different": (matched, truth)}, each (m, K, 2) in pixels: in
    the second view of the source itself, and of the image after it.
    """
    m = len(pair.first) // 2
    images = torch.cat([pair.first[0::2], pair.second[0::2], pair.second[1::2]])
    maps = backbone(normalise(images).contiguous(memory_format=torch.channels_last))
    source, same, different = maps.split(m)
    with blamed_on("dataset.args"):
        stride = cell_stride(maps.shape[-2:], images.shape[-2:])
    points = pair.keypts_first[0::2]
    return {
        "same": (match_landmarks(source, points, same, stride), pair.keypts_second[0::2]),
        "different": (match_landmarks(source, points, different, stride), pair.keypts_second[1::2]),
    }


def evaluate_matching(backbone, dataset, device, max_images=None, num_workers=None):
    """Return {name: mean error in pixels of a 70 x 70 image}, and the number of images."""
    backbone.eval()
    errors = {"same": RunningMean(), "different": RunningMean()}
    num_images = 0
    for pair in evaluation_pairs(dataset, device, max_images, num_workers):
        for identity, (matched, truth) in match_pairs(backbone, pair).items():
            error = pixel_error(matched, truth, pair.first.shape[-1])
            errors[identity].add(error.mean(), error.numel())
        num_images += len(pair.first)
    return {f"{identity}_identity_px": mean.value for identity, mean in errors.items()}, num_images


@torch.no_grad()
def evaluate_landmarks(model, dataset, device, max_images=None, num_workers=None):
    """Return {name: mean inter-ocular error in percent}, and the number of images."""
    model.eval()
    mean = RunningMean()
    num_images = min(len(dataset), max_images or len(dataset))
    loader = make_loader(
        Subset(dataset, range(num_images)), EVALUATION_BATCH, device, num_workers=num_workers
    )
    extract = DescriptorExtractor(model[:-1], dataset.crop, device)
    for batch in tqdm(loader, desc="landmarks", unit="batch", leave=False, disable=None):
        part = extract(batch, epoch=0)
        error = inter_ocular_error(
            model[-1](part["descriptors"]), part["target"], dataset.eye_indices
        )
        mean.add(error.mean(), len(error))
    return {"inter_ocular_error_pct": mean.value}, num_images
