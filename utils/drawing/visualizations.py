"""Pictures named in configs, drawn after each epoch, and helpers to draw images and points."""

from bisect import bisect_right

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from utils.config.objects import look_up
from utils.geometry.coordinates import to_pixels

matplotlib.use("Agg")

NUM_SHOWN = 8
TITLE_POINTS = 8
PROJECTION_SEED = 0  # the same random projection in every epoch


def embedding_pictures(names, images, descriptors):
    """Return [(name, figure)] of images (B, 3, H, W) uint8 and their descriptors (B, C, h, w)."""
    shown = images[:NUM_SHOWN].cpu(), descriptors[:NUM_SHOWN].cpu()
    return [(name, look_up(name, EMBEDDING_PICTURES, "visualizations")(*shown)) for name in names]


def landmark_pictures(names, images, predicted, target, virtual):
    """Return [(name, figure)] of images (B, 3, H, W) uint8, with normalised points.

    predicted, target: landmarks, (B, K, 2).
    virtual: virtual keypoints, (B, K, V, 2).
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
    """Return the first three channels of (B, C, h, w), normalised to the unit sphere, as RGB in
    [0, 1]: v / 2 + 1/2.
    """
    three = F.pad(descriptors[:, :3], (0, 0, 0, 0, 0, max(0, 3 - descriptors.shape[1])))
    return F.normalize(three, dim=1) / 2 + 0.5


def sphere_colormap(images, descriptors):
    """Draw images, their descriptors' first three channels on the sphere as colours, and the norm
    of all channels.
    """
    norms = descriptors.norm(dim=1).numpy()
    return _rows([as_pixels(images), as_pixels(on_sphere(descriptors)), norms])


def sphere_rand_proj_colormap(images, descriptors):
    """Draw ``sphere_colormap`` of the descriptors, randomly projected to three channels."""
    generator = torch.Generator().manual_seed(PROJECTION_SEED)
    projection = torch.randn(3, descriptors.shape[1], generator=generator)
    return sphere_colormap(images, torch.einsum("dc,bchw->bdhw", projection, descriptors))


def sphere_scatter3d(images, descriptors):
    """Draw the cells of two images as points in space, by their first three channels."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    colours = F.interpolate(
        images.float() / 255, descriptors.shape[-2:], mode="bilinear", align_corners=False
    )
    for n in range(min(2, len(images))):
        axes = figure.add_subplot(1, 2, n + 1, projection="3d")
        axes.scatter(*descriptors[n, :3].flatten(1).numpy(), c=colours[n].flatten(1).T.numpy(), s=3)
    return figure


def sphere_norm_scatter3d(images, descriptors):
    """Draw ``sphere_scatter3d`` of descriptors normalised to the unit sphere."""
    return sphere_scatter3d(images, F.normalize(descriptors[:, :3], dim=1))


def keypoints_intermediate(images, predicted, target, virtual):
    """Draw predicted landmarks as dots and true ones as crosses; below, the virtual keypoints."""
    pixels = as_pixels(images)
    figure = _rows([pixels, pixels])
    columns = len(pixels)
    for n in range(columns):
        above, below = figure.axes[n], figure.axes[columns + n]
        draw_landmarks(above, predicted[n], target[n])
        draw_virtual_keypoints(below, virtual[n])
    return figure


def draw_landmarks(axes, predicted, target=None):
    """Draw landmarks (K, 2), in pixels: predicted as dots, true as crosses, each in its colour."""
    colours = landmark_colours(len(predicted))
    if target is not None:
        axes.scatter(*target.T.numpy(), marker="x", c=colours, s=30)
    axes.scatter(*predicted.T.numpy(), c=colours, s=14, edgecolors="white", linewidths=0.6)


def draw_virtual_keypoints(axes, places):
    """Draw virtual keypoints (K, V, 2), in pixels, in the colour of their landmark."""
    for of_landmark, colour in zip(places, landmark_colours(len(places))):
        axes.scatter(*of_landmark.T.numpy(), s=3, color=colour)


def landmark_colours(K):
    """Return K distinct RGBA colours, (K, 4)."""
    return matplotlib.colormaps["gist_rainbow"](np.linspace(0, 1, K, endpoint=False))


def as_pixels(images):
    """Return images (B, 3, H, W) as an array (B, H, W, 3) for matplotlib."""
    return images.permute(0, 2, 3, 1).numpy()


def show_image(axes, image):
    """Draw an image (3, H, W) without ticks and frame."""
    axes.imshow(as_pixels(image[None])[0])
    axes.autoscale(False)  # points outside the image do not shrink it
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def write_title(axes, text, inches, **where):
    """Write a title, any file's name, shortened to a width in inches."""
    text = "".join(c if c.isprintable() else "?" for c in text)  # fonts take no lone surrogates
    text = fitting(text, 72 * inches, TITLE_POINTS)
    axes.set_title(text, fontsize=TITLE_POINTS, parse_math=False, **where)


def fitting(text, width, size):
    """Return a text, its middle replaced by an ellipsis if it is wider than ``width``.

    width, size: of the text and of its font, in points.
    """
    font = FontProperties(size=size)

    def shortened(kept):
        if kept >= len(text):
            return text
        return f"{text[:kept - kept // 2]}…{text[len(text) - kept // 2:]}"

    def width_of(kept):
        return text_to_path.get_text_width_height_descent(shortened(kept), font, False)[0]

    if width_of(len(text)) <= width:
        return text
    return shortened(bisect_right(range(1, len(text) + 1), width, key=width_of))


def _rows(rows):
    """Return a figure of rows of images."""
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
