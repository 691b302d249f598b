"""Draw what a trained model finds: matches, landmarks, and descriptors as colours."""

import torch
import torch.nn.functional as F
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch

from utils.drawing.visualizations import (
    as_pixels,
    draw_landmarks,
    draw_virtual_keypoints,
    landmark_colours,
    show_image,
    write_title,
)

ROW_INCHES = 1.5
MATCH_COLUMNS = 4  # pairs in a row
GAP = 0.02  # between the two images of a bare pair, in widths of an image
SMOOTH = {"image.interpolation": "bicubic"}  # of bare pictures, which are shown large
OVERLAY = 0.7  # opacity of colours over an image
SHOWN_DEVIATIONS = 2  # standard deviations at the darkest and the brightest colour


class PrincipalColours:
    """RGB colours of descriptors: their first three principal components over all maps added.

    A descriptor has the same colour in every image. Maps (B, C, h, w) are given to the constructor
    or to ``add``.
    """

    def __init__(self, maps=None):
        self.count, self.total, self.squared = 0, 0.0, 0.0  # moments, in float64
        if maps is not None:
            self.add(maps)

    def add(self, maps):
        """Add the cells of maps to the statistics."""
        cells = maps.detach().transpose(0, 1).flatten(1).double()  # (C, cells)
        self.count += cells.shape[1]
        self.total = self.total + cells.sum(dim=1)
        self.squared = self.squared + cells @ cells.T

    def watch(self, network):
        """Add all further outputs of a network, until ``remove()`` of the returned handle."""
        return network.register_forward_hook(lambda module, inputs, maps: self.add(maps))

    def components(self):
        """Return the mean (C,), the first min(C, 3) principal axes as columns, and their standard
        deviations. The largest entry of an axis is positive.
        """
        mean = self.total / self.count
        variances, axes = torch.linalg.eigh(self.squared / self.count - mean.outer(mean))
        axes, variances = axes.flip(1)[:, :3], variances.flip(0)[:3]
        largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
        return mean, axes * largest.sign(), variances.clamp(min=0).sqrt()

    def __call__(self, maps):
        """Return descriptors (B, C, h, w) as RGB (B, 3, h, w) in [0, 1], from -2 to +2 standard
        deviations; channels beyond C are 1/2.
        """
        mean, axes, deviations = self.components()
        along = torch.einsum("bchw,cd->bdhw", maps.double() - mean.view(-1, 1, 1), axes)
        span = (2 * SHOWN_DEVIATIONS * deviations).clamp(min=torch.finfo(torch.float32).tiny)
        colours = (along / span.view(-1, 1, 1) + 0.5).clamp(0, 1).float()
        return F.pad(colours, (0, 0, 0, 0, 0, 3 - colours.shape[1]), value=0.5)


def match_figure(sources, targets, points, matched, truth, titles):
    """Draw pairs of images side by side, a line from each landmark to its match, crosses at the
    true points.

    sources, targets: (M, 3, H, W) uint8.
    points: (M, K, 2), in the sources, pixels.
    matched, truth: (M, K, 2), in the targets, pixels.
    titles: one for each pair.
    """
    columns = min(MATCH_COLUMNS, len(sources))
    rows = -(-len(sources) // columns)
    figure = Figure(figsize=(2 * ROW_INCHES * columns, ROW_INCHES * rows), layout="constrained")
    grid = figure.subplots(rows, 2 * columns, squeeze=False).reshape(-1, 2)
    for axes in grid[len(sources) :].flat:
        axes.axis("off")
    for m, (left, right) in enumerate(grid[: len(sources)]):
        _title_left(left, titles[m])
        _draw_match(left, right, sources[m], targets[m], points[m], matched[m], truth[m])
    return figure


@rc_context(SMOOTH)
def bare_match_figure(source, target, points, matched, truth):
    """Draw one pair like ``match_figure``, without title and margins."""
    figure, (left, right) = _bare_axes(2, source.shape)
    _draw_match(left, right, source, target, points, matched, truth)
    return figure


@rc_context(SMOOTH)
def bare_landmarks_figure(image, predicted, truth):
    """Draw one image like ``landmarks_figure``, without title and margins."""
    figure, (axes,) = _bare_axes(1, image.shape)
    show_image(axes, image)
    draw_landmarks(axes, predicted, truth)
    return figure


@rc_context(SMOOTH)
def bare_virtual_figure(image, places):
    """Draw the virtual keypoints (K, V, 2), in pixels, of each landmark on an image."""
    figure, (axes,) = _bare_axes(1, image.shape)
    show_image(axes, image)
    draw_virtual_keypoints(axes, places)
    return figure


def _bare_axes(columns, shape):
    """Return a figure filled by images of a shape (3, H, W) side by side, and their axes."""
    size = (columns + GAP * (columns - 1)) * ROW_INCHES, ROW_INCHES * shape[1] / shape[2]
    figure = Figure(figsize=size, facecolor="gray")
    places = {"left": 0, "right": 1, "bottom": 0, "top": 1, "wspace": GAP}
    return figure, figure.subplots(1, columns, squeeze=False, gridspec_kw=places)[0]


def _draw_match(left, right, source, target, points, matched, truth):
    show_image(left, source)
    show_image(right, target)
    draw_landmarks(left, points)
    draw_landmarks(right, matched, truth)
    for start, end, colour in zip(points.tolist(), matched.tolist(), landmark_colours(len(points))):
        left.figure.add_artist(
            ConnectionPatch(
                start, end, "data", "data", axesA=left, axesB=right, color=colour, lw=0.8
            )
        )


def landmarks_figure(images, predicted, truth, titles):
    """Draw landmarks (M, K, 2), in pixels, on images (M, 3, H, W): predicted as dots, true ones as
    crosses.
    """
    figure = Figure(figsize=(ROW_INCHES * len(images), ROW_INCHES * 1.2), layout="constrained")
    for axes, image, dots, crosses, title in zip(
        figure.subplots(1, len(images), squeeze=False)[0], images, predicted, truth, titles
    ):
        show_image(axes, image)
        write_title(axes, title, ROW_INCHES)
        draw_landmarks(axes, dots, crosses)
    return figure


def embedding_figure(image, colours, places, title):
    """Draw an image (3, H, W), and beside it the colours of its cells in their positions.

    colours: (3, h, w).
    places: (h, w, 2), centres of the cells, in pixels of the image.
    """
    figure = Figure(figsize=(2 * ROW_INCHES, ROW_INCHES), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    show_image(left, image)
    _title_left(left, title)
    show_image(right, colours)
    first, last = places[0, 0], places[-1, -1]
    half = (last - first) / (2 * torch.tensor(colours.shape[:0:-1]) - 2)  # of a cell
    (x0, y0), (x1, y1) = (first - half).tolist(), (last + half).tolist()
    right.images[0].set_extent((x0, x1, y1, y0))
    H, W = image.shape[-2:]
    right.set(xlim=(-0.5, W - 0.5), ylim=(H - 0.5, -0.5))
    return figure


def dense_figure(sources, targets, warped):
    """Draw sources, targets, and sources warped to the targets, all (M, 3, H, W), in three rows."""
    rows = {"source": sources, "target": targets, "source, warped\nto the target": warped}
    figure, grid = _titled_rows(list(rows), len(sources))
    for row, images in zip(grid, rows.values()):
        for axes, image in zip(row, images):
            show_image(axes, image)
    return figure


def overview_figure(images, maps, stride, first, points, matched):
    """Draw images with the matches of points, and the colours of their descriptors over them, a
    column for each image.

    images: (M, 3, H, W) uint8.
    maps: (M, C, h, w), their descriptors.
    stride, first: cell (i, j) is at the pixel (first + stride j, first + stride i).
    points: (K, 2), in image 0.
    matched: (M, K, 2), their matches in each image; those in image 0 are not drawn.

    All points are in pixels.
    """
    figure, grid = _titled_rows(("matches", "descriptors"), len(images))
    all_colours = F.pad(PrincipalColours(maps)(maps), (0, 1, 0, 1), mode="replicate")
    h, w = all_colours.shape[-2:]
    left, right, bottom = (first + stride * (n - 0.5) for n in (0, w, h))
    for m, colours in enumerate(all_colours):
        show_image(grid[0, m], images[m])
        grid[0, m].scatter(
            *(points if m == 0 else matched[m]).T.numpy(),
            c=landmark_colours(len(points)),
            s=34,
            edgecolors="white",
            linewidths=0.9,
            marker="s" if m == 0 else "o",
        )
        grey = images[m].float().mean(dim=0, keepdim=True) / 255
        show_image(grid[1, m], grey.expand(3, -1, -1))
        grid[1, m].imshow(
            as_pixels(colours[None])[0],
            extent=(left, right, bottom, left),
            interpolation="bicubic",
            alpha=OVERLAY,
        )
    return figure


def _titled_rows(titles, columns):
    """Return a figure with a titled row of axes for each title, and the axes, (rows, columns)."""
    size = (ROW_INCHES * columns + 0.4, ROW_INCHES * len(titles))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(titles), columns, squeeze=False)
    for row, title in zip(grid, titles):
        row[0].set_ylabel(title)
    return figure, grid


def _title_left(axes, title):
    """Write a title over the left one of two images, from its left edge on."""
    write_title(axes, title, 1.5 * ROW_INCHES, loc="left")
