"""Evaluate a landmark model by its inter-ocular error, or its error in pixels."""

from dataclasses import dataclass
from functools import partial

import torch
from torch.utils.data import Subset

from data_loader.batches import make_loader
from model.metric import inter_ocular_error, landmark_pixel_error
from trainer.descriptors import DescriptorExtractor
from trainer.figures import LANDMARK_PIXELS, LANDMARKS
from utils.errors import UserError
from utils.progress import progress_bar

EVALUATION_BATCH = 32


@dataclass(frozen=True)
class LandmarkPredictions:
    """Landmarks predicted in m images.

    images: (m, 3, H, W) uint8.
    predicted, truth: (m, K, 2), normalised.
    errors: (m,), as measured by ``landmark_figure``; NaN where undefined.
    """

    images: torch.Tensor
    predicted: torch.Tensor
    truth: torch.Tensor
    errors: torch.Tensor


def landmark_figure(dataset):
    """Return the name of a data set's landmark error and a callable (predicted, target) -> (B,).

    In percent of the distance between two landmarks, or in pixels if the data set names none.
    """
    eyes, side = dataset.eye_indices, dataset.imwidth - 2 * dataset.crop
    if eyes:
        return LANDMARKS, partial(inter_ocular_error, eye_indices=eyes)
    return LANDMARK_PIXELS, partial(landmark_pixel_error, side=side)


@torch.no_grad()
def evaluate_landmarks(model, dataset, device, max_images=None, num_workers=None, watch=None):
    """Return the name of the landmark error, and its values, (N,), NaN where it is undefined.

    Raises ``UserError`` if it is undefined in all of them.

    watch: None, or called with the ``LandmarkPredictions`` of each batch.
    """
    model.eval()
    errors, (name, measure) = [], landmark_figure(dataset)
    num_images = min(len(dataset), max_images or len(dataset))
    loader = make_loader(
        Subset(dataset, range(num_images)), EVALUATION_BATCH, device, num_workers=num_workers
    )
    extract = DescriptorExtractor(model[:-1], dataset.crop, device)
    with progress_bar(num_images, "landmarks") as bar:
        for batch in loader:
            part = extract(batch, epoch=0)
            predicted, truth = model[-1](part["descriptors"]), part["target"]
            errors.append(measure(predicted, truth))
            if watch is not None:
                watch(LandmarkPredictions(part["images"], predicted, truth, errors[-1]))
            bar.update(len(truth))
    errors = torch.cat(errors).cpu()
    if errors.isnan().all():
        left, right = dataset.eye_indices
        raise UserError(
            f"landmarks {left} and {right}, whose distance errors are divided by, coincide in "
            "every test image (dataset.args.eye_indices of a folder names others)"
        )
    return name, errors
