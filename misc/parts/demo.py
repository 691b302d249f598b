"""Draw the pictures of ``misc/demo.py``."""

from dataclasses import dataclass, replace

import torch

from data_loader.augmentation import normalise
from misc.parts.animation import following_frames
from model.loss import cell_stride
from model.matching import best_cells, cosine_at_pixels, nearest_cells, read_cells
from trainer.datasets import evaluation_dataset
from trainer.evaluation.cases import MatchingGallery
from trainer.evaluation.matching import evaluate_matching
from utils.drawing.galleries import landmarks_figure, overview_figure
from utils.geometry.coordinates import to_pixels
from utils.geometry.crop import crop_images, crop_points

NUM_SHOWN = 7
ENLARGED = 4  # pixels shown for each pixel of the network's input
FIRST = (ENLARGED - 1) / 2  # where the centre of the input's first pixel is shown


@dataclass(frozen=True)
class Faces:
    """A few test images, the first one the source of all matches.

    images: (M, 3, H, W) uint8, ``ENLARGED`` times the network's input.
    truth, predicted: landmarks (M, K, 2), in pixels of ``images``.
    maps: descriptors (M, C, h, w).
    stride: pixels of ``images`` between the centres of neighbouring cells.
    """

    images: torch.Tensor
    truth: torch.Tensor
    predicted: torch.Tensor
    maps: torch.Tensor
    stride: int

    def match(self, points):
        """Return where points (P, 2) of the first image are in all, (M, P, 2), all in pixels of
        ``images``; the best of all these pixels by cosine similarity.
        """
        maps = cosine_at_pixels(self.maps, self.stride, self.images.shape[-2:])
        cells = nearest_cells(points[None] - FIRST, 1, maps.shape[-2:])
        queries = read_cells(maps[:1], cells).expand(len(maps), -1, -1)
        return best_cells(queries, maps) + FIRST


@torch.no_grad()
def look_at_faces(backbone, model, config, device):
    """Return the ``Faces`` of a config's test images, the most typical one first."""
    dataset = evaluation_dataset(config)
    items = [dataset[index] for index in range(NUM_SHOWN)]
    order = most_typical_first(items)
    inputs = crop_images(torch.stack([items[index]["image"] for index in order]), dataset.crop)
    inputs = normalise(inputs.to(device))
    maps, predicted = backbone(inputs).cpu(), to_pixels(model(inputs), *inputs.shape[-2:]).cpu()
    large = evaluation_dataset(enlarged(config))
    items = [large[index] for index in order]
    return Faces(
        crop_images(torch.stack([item["image"] for item in items]), large.crop),
        crop_points(torch.stack([item["keypts"] for item in items]), large.crop),
        ENLARGED * predicted + FIRST,
        maps,
        ENLARGED * cell_stride(maps.shape[-2:], inputs.shape[-2:]),
    )


def enlarged(config):
    """Return a config whose images are ``ENLARGED`` times as large."""
    args = config.dataset["args"]
    sizes = {name: ENLARGED * args[name] for name in ("imwidth", "crop") if name in args}
    return replace(config, dataset={**config.dataset, "args": {**args, **sizes}})


def most_typical_first(items):
    """Return the indices of data set items, first the one whose landmarks are nearest to the
    average.

    It is the source of the matches, for which a face in profile, or off the middle, is too unusual.
    """
    keypts = torch.stack([item["keypts"] for item in items])
    distances = (keypts - keypts.mean(dim=0)).norm(dim=-1).mean(dim=-1)
    typical = int(distances.argmin())
    return [typical, *(index for index in range(len(items)) if index != typical)]


def draw_faces(faces):
    """Return {name: figure}: matches and descriptors, and landmarks."""
    titles = [""] * len(faces.images)
    points = faces.truth[0]
    return {
        "overview": overview_figure(
            faces.images, faces.maps, faces.stride, FIRST, points, faces.match(points)
        ),
        "landmarks": landmarks_figure(faces.images, faces.predicted, faces.truth, titles),
    }


def animate(faces):
    """Return the frames of an animation, PIL images: a point moves over the first face, its
    matches follow on the others.
    """
    return following_frames(faces.images, faces.truth[0], faces.match)


def draw_matches(backbone, dataset, device):
    """Return {name: figure} of matches within and across identities: first, best and worst."""
    gallery = MatchingGallery(dataset)
    evaluate_matching(backbone, dataset, device, watch=gallery)
    return dict(gallery.figures())
