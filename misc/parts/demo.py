"""Draw the pictures of ``misc/demo.py``."""

import torch

from data_loader.augmentation import normalise
from model.loss import cell_stride
from model.matching import match_landmarks
from trainer.evaluation.cases import MatchingGallery
from trainer.evaluation.matching import evaluate_matching
from utils.drawing.galleries import overview_figure
from utils.geometry.coordinates import to_pixels
from utils.geometry.crop import crop_images, crop_points

NUM_SHOWN = 7


def most_typical_first(items):
    """Return data set items, first the one whose landmarks are nearest to the average.

    It is the source of the matches, for which a face in profile, or off the middle, is too unusual.
    """
    keypts = torch.stack([item["keypts"] for item in items])
    distances = (keypts - keypts.mean(dim=0)).norm(dim=-1).mean(dim=-1)
    typical = int(distances.argmin())
    return [items[typical], *items[:typical], *items[typical + 1 :]]


@torch.no_grad()
def draw_overview(backbone, model, dataset, device):
    """Return a figure of a few test images: descriptors, matches, predicted landmarks."""
    items = most_typical_first([dataset[index] for index in range(NUM_SHOWN)])
    images = crop_images(torch.stack([item["image"] for item in items]), dataset.crop).to(device)
    truth = crop_points(torch.stack([item["keypts"] for item in items]), dataset.crop)
    maps = backbone(normalise(images))
    size = images.shape[-2:]
    source = maps[:1].expand(len(maps), -1, -1, -1)
    query = truth[:1].expand(len(maps), -1, -1).to(device)
    matched = match_landmarks(source, query, maps, cell_stride(maps.shape[-2:], size))
    predicted = to_pixels(model(normalise(images)), *size)
    return overview_figure(
        images.cpu(), maps.cpu(), truth[0], matched.cpu(), predicted.cpu(), truth
    )


def draw_matches(backbone, dataset, device):
    """Return {name: figure} of matches within and across identities: first, best and worst."""
    gallery = MatchingGallery(dataset)
    evaluate_matching(backbone, dataset, device, watch=gallery)
    return dict(gallery.figures())
