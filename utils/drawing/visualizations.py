"""The pictures that configs name, as matplotlib figures."""

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure

from utils.config.objects import look_up
from utils.geometry.coordinates import to_pixels

matplotlib.use("Agg")

NUM_SHOWN = 8
PROJECTION_SEED = 0  # the same random projection in every epoch


def embedding_pictures(names, images, descriptors):
    """Return [(name, figure)] for images (B, 3, H, W) uint8 and their descriptors (B, C, h, w)."""
    shown = images[:NUM_SHOWN].cpu(), descriptors[:NUM_SHOWN].cpu()
    return [(name, look_up(name, EMBEDDING_PICTURES, "visualizations")(*shown)) for name in names]


def landmark_pictures(names, images, predicted, target, virtual):
    """Return [(name, figure)] for images (B, 3, H, W), landmarks (B, K, 2) and virtual keypoints
    (B, K, V, 2), normalised.
    """
    H, W = images.shape[-2:]
    points = [to_pixels(points[:NUM_SHOWN], H, W).cpu() for points in (predicted, target, virtual)]
    return [
        (
            name,
            look_up(name, LANDMARK_PICTURES, "visualizations")(images[:NUM_SHOWN].cpu(), *points),
        )
        for name in names
    ]


def on_sphere(descriptors):
    """Map the first three channels of (B, C, h, w) to RGB in [0, 1].

    Each cell divided by its norm, v / 2 + .5.
    """
    three = descriptors[:, :3]
    if three.shape[1] < 3:
        three = torch.cat(
            [three, three.new_zeros(len(three), 3 - three.shape[1], *three.shape[2:])], dim=1
        )
    return torch.nn.functional.normalize(three, dim=1) / 2 + 0.5


def sphere_colormap(images, descriptors):
    """Images, their first three channels on the sphere as colours, and the norm of all channels."""
    norms = descriptors.norm(dim=1).numpy()
    return _rows([as_pixels(images), as_pixels(on_sphere(descriptors)), norms])


def sphere_rand_proj_colormap(images, descriptors):
    """The same after a random projection to three channels."""
    generator = torch.Generator().manual_seed(PROJECTION_SEED)
    projection = torch.randn(3, descriptors.shape[1], generator=generator)
    return sphere_colormap(images, torch.einsum("dc,bchw->bdhw", projection, descriptors))


def sphere_scatter3d(images, descriptors):
    """Cells of two images as points in space (first three channels), coloured as in the image."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    colours = torch.nn.functional.interpolate(
        images.float() / 255, descriptors.shape[-2:], mode="bilinear", align_corners=False
    )
    for n in range(min(2, len(images))):
        axes = figure.add_subplot(1, 2, n + 1, projection="3d")
        axes.scatter(*descriptors[n, :3].flatten(1).numpy(), c=colours[n].flatten(1).T.numpy(), s=3)
    return figure


def sphere_norm_scatter3d(images, descriptors):
    """The same with every cell's three channels divided by their norm."""
    return sphere_scatter3d(images, torch.nn.functional.normalize(descriptors[:, :3], dim=1))


def keypoints_intermediate(images, predicted, target, virtual):
    """Predicted (dots) and true (crosses) landmarks.

    Below, the virtual keypoints, a colour per landmark.
    """
    pixels = as_pixels(images)
    figure = _rows([pixels, pixels])
    columns = len(pixels)
    for n in range(columns):
        above, below = figure.axes[n], figure.axes[columns + n]
        draw_landmarks(above, predicted[n], target[n])
        draw_virtual_keypoints(below, virtual[n])
    return figure


def draw_landmarks(axes, predicted, target=None):
    """Draw landmarks (K, 2) in pixels: predicted as dots, true as crosses, a colour each."""
    colours = landmark_colours(len(predicted))
    if target is not None:
        axes.scatter(*target.T.numpy(), marker="x", c=colours, s=30)
    axes.scatter(*predicted.T.numpy(), c=colours, s=14, edgecolors="white", linewidths=0.6)


def draw_virtual_keypoints(axes, places):
    """Draw virtual keypoints (K, V, 2) in pixels, in the colour of their landmark."""
    for of_landmark, colour in zip(places, landmark_colours(len(places))):
        axes.scatter(*of_landmark.T.numpy(), s=3, color=colour)


def landmark_colours(K):
    """Return K colours that are easy to tell apart, (K, 4)."""
    return matplotlib.colormaps["gist_rainbow"](np.linspace(0, 1, K, endpoint=False))


def as_pixels(images):
    """(B, 3, H, W) to arrays (B, H, W, 3) that matplotlib shows."""
    return images.permute(0, 2, 3, 1).numpy()


def _rows(rows):
    """Return a figure of image rows, one column per image."""
    columns = len(rows[0])
    figure = Figure(figsize=(1.6 * columns, 1.6 * len(rows)), layout="constrained")
    for number, picture in enumerate(picture for row in rows for picture in row):
        axes = figure.add_subplot(len(rows), columns, number + 1)
        axes.imshow(picture)
        axes.autoscale(False)  # points outside the image do not shrink it
        axes.axis("off")
    return figure


EMBEDDING_PICTURES = {
    f.__name__: f
    for f in (sphere_colormap, sphere_rand_proj_colormap, sphere_scatter3d, sphere_norm_scatter3d)
}
LANDMARK_PICTURES = {f.__name__: f for f in (keypoints_intermediate,)}
