"""Draw training images as the network is shown them, for ``misc/check_data.py --draw``."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import nn
from torch.utils.data import default_collate

from data_loader.augmentation import augment, denormalise, normalise
from data_loader.few_annotations import Copies
from trainer.datasets import build_dataset, with_landmarks
from trainer.descriptors import DescriptorExtractor
from trainer.loaders import training_items
from trainer.parts import build_pair_warper, build_single_warper
from utils.config.read import errors_of
from utils.disk import disk_errors, write_atomically
from utils.drawing.galleries import SMOOTH
from utils.drawing.visualizations import landmark_colours, show_image, write_title
from utils.errors import EmptySplit, UserError
from utils.geometry.coordinates import lattice, to_pixels
from utils.keyed_random import sample_keys

NUM_SHOWN = 12
SHEET_COLUMNS = 3  # images with their views in a row
PLACES = 4  # in each direction, that are shown in both views if there are no landmarks
MANY = 30  # points of an image, which are drawn smaller
DPI = 130
SIDE, GAP, MARGIN, TITLE = 1.4, 0.03, 0.12, 0.26  # inches: of an image, between views, around


@dataclass(frozen=True)
class View:
    """Images (B, 3, h, w) as a network is shown them, uint8, and points (B, K, 2) in pixels."""

    images: torch.Tensor
    points: torch.Tensor


def write_sheet(config, split, path):
    """Write the sheet of a split as a PNG."""
    if path is True:
        path = Path(config.trainer.save_dir) / f"{config.name}-{split}.png"
    if path.suffix.lower() != ".png":
        raise UserError(f"--draw {path}: expected a file that ends in .png")
    with errors_of(config):
        figure = draw_sheet(config, split)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, partial(figure.savefig, format="png", dpi=DPI))
    return path


def draw_sheet(config, split):
    """Return a figure of some images of a split, and of what a training makes of them in its first
    epoch: two views for an embedding, one for a landmark model.
    """
    dataset = shown_dataset(config, split)
    items = training_items(config, dataset)
    distinct = (config.is_landmark and config.restrict_annos) or len(dataset)
    step = max(1, distinct // NUM_SHOWN - 1) | 1  # odd: of objects in pairs either one is shown
    chosen = range(0, len(items), step)[:NUM_SHOWN]
    batch = default_collate([items[index] for index in chosen])
    draw_views = landmark_views if config.is_landmark else pair_views
    views = draw_views(config, dataset, batch)
    labels = [dataset.label(original(items, index)) for index in chosen]
    return sheet_figure(View(batch["image"], batch["keypts"]), views, dataset.crop, labels)


def shown_dataset(config, split):
    """Return a split with its landmarks, the images alone if none of them has any."""
    try:
        return build_dataset(with_landmarks(config), split)
    except EmptySplit:
        if config.is_landmark:
            raise
        return build_dataset(config, split)


def original(items, index):
    """Return the number of an item in the data set that it is a copy from."""
    while isinstance(items, Copies):
        items, index = items.dataset, int(items.indices[index])
    return index


def pair_views(config, dataset, batch):
    """Return both views of each image; without landmarks some places are marked in both."""
    warper, keys = build_pair_warper(config, dataset), sample_keys(config.seed, 1, batch["index"])
    pair = warper(batch["image"], batch["keypts"], warper.draw_keyed(keys))
    inputs = [
        augment(view, keys, number) if dataset.do_augmentations else normalise(view)
        for number, view in enumerate((pair.first, pair.second))
    ]
    points = pair.keypts_first, pair.keypts_second
    if not points[0].shape[1]:
        points = same_places(pair.grid_1to2)
    return [View(denormalise(images), places) for images, places in zip(inputs, points)]


def same_places(grid):
    """Return evenly spread points in the first view and their places in the second, (B, K, 2).

    grid: (B, h, w, 2), of a ``WarpedPair``.
    """
    h, w = grid.shape[1:3]
    at = [(2 * torch.arange(PLACES) + 1) * side // (2 * PLACES) for side in (h, w)]
    rows, columns = (axis.flatten() for axis in torch.meshgrid(*at, indexing="ij"))
    first = lattice(h, w).view(h, w, 2)[rows, columns].expand(len(grid), -1, -1)
    return [to_pixels(points, h, w) for points in (first, grid[:, rows, columns])]


def landmark_views(config, dataset, batch):
    """Return the one view of each image that a landmark model is fitted on."""
    warper = build_single_warper(config, dataset)
    place = dataset.crop, torch.device("cpu"), config.seed
    extract = DescriptorExtractor(nn.Identity(), *place, warper, dataset.do_augmentations)
    seen = extract(batch, epoch=0 if config.cache_descriptors else 1)
    inputs = seen["descriptors"]
    return [View(denormalise(inputs), to_pixels(seen["target"], *inputs.shape[-2:]))]


@rc_context(SMOOTH)
def sheet_figure(read, views, crop, labels):
    """Draw images as they are read, what the crop leaves of them framed, and their views beside.

    read, views: ``View``s of the same B images; labels: B names.
    """
    B, across = len(labels), 1 + len(views)
    columns = min(B, SHEET_COLUMNS)
    width = across * SIDE + (across - 1) * GAP  # of an image with its views
    size = columns * (width + MARGIN) + MARGIN, -(-B // columns) * (TITLE + SIDE) + MARGIN
    figure = Figure(figsize=size)
    for cell, label in enumerate(labels):
        left = MARGIN + cell % columns * (width + MARGIN)
        bottom = size[1] - (cell // columns + 1) * (TITLE + SIDE)
        for number, view in enumerate((read, *views)):
            place = left + number * (SIDE + GAP), bottom, SIDE, SIDE
            axes = figure.add_axes([part / size[n % 2] for n, part in enumerate(place)])
            show_image(axes, view.images[cell])
            draw_points(axes, view.points[cell])
            if number == 0:
                write_title(axes, label, width, loc="left")
                frame_crop(axes, read.images.shape[-1], crop)
    return figure


def frame_crop(axes, side, crop):
    """Frame what is left of an image of side x side pixels."""
    for colour, start in (("black", 0), ("white", 4)):  # dashes to be seen on any image
        axes.add_patch(
            Rectangle(
                (crop - 0.5, crop - 0.5),
                side - 2 * crop,
                side - 2 * crop,
                fill=False,
                edgecolor=colour,
                linestyle=(start, (4, 4)),
                linewidth=0.8 if crop else 0,
            )
        )


def draw_points(axes, points):
    """Draw points (K, 2), smaller ones if there are many."""
    K = len(points)
    size, line = (22, 0.7) if K <= MANY else (7, 0.3)
    axes.scatter(
        *points.T.numpy(), c=landmark_colours(K), s=size, edgecolors="white", linewidths=line
    )
