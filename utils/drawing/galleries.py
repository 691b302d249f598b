"""Pictures of what a trained model finds: matches, colours of the embedding, landmarks."""

from bisect import bisect_right

import torch
import torch.nn.functional as F
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import ConnectionPatch
from matplotlib.textpath import text_to_path

from utils.drawing.visualizations import (
    as_pixels,
    draw_landmarks,
    draw_virtual_keypoints,
    landmark_colours,
)

ROW_INCHES = 1.5
TITLE_POINTS = 8
MATCH_COLUMNS = 4  # pairs in a row
GAP = 0.02  # between the two images of a bare pair, in their widths
SMOOTH = {"image.interpolation": "bicubic"}  # of bare pictures, which are shown large
SHOWN_DEVIATIONS = 2  # a principal component reaches its darkest and brightest colour there


class PrincipalColours:
    """RGB colours of descriptors: their first three principal components, over all maps seen.

    The same descriptor has the same colour in every image. Maps (B, C, h, w) are given to the
    constructor or to ``add``.
    """

    def __init__(self, maps=None):
        self.count, self.total, self.squared = 0, 0.0, 0.0  # moments, in float64
        if maps is not None:
            self.add(maps)

    def add(self, maps):
        """Include the cells of maps in the statistics."""
        cells = maps.detach().transpose(0, 1).flatten(1).double()  # (C, cells)
        self.count += cells.shape[1]
        self.total = self.total + cells.sum(dim=1)
        self.squared = self.squared + cells @ cells.T

    def watch(self, network):
        """Include all that a network puts out from now on; the result's ``remove()`` ends it."""
        return network.register_forward_hook(lambda module, inputs, maps: self.add(maps))

    def components(self):
        """Return the mean (C,), the first min(C, 3) principal axes as columns, and the standard
        deviations along them.

        Of the two directions of an axis, the one in which its largest entry is positive.
        """
        mean = self.total / self.count
        variances, axes = torch.linalg.eigh(self.squared / self.count - mean.outer(mean))
        axes, variances = axes.flip(1)[:, :3], variances.flip(0)[:3]
        largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
        return mean, axes * largest.sign(), variances.clamp(min=0).sqrt()

    def __call__(self, maps):
        """Map descriptors (B, C, h, w) to RGB (B, 3, h, w) in [0, 1]: from -2 to +2 standard
        deviations; 1/2 in the channels that C < 3 leaves.
        """
        mean, axes, deviations = self.components()
        along = torch.einsum("bchw,cd->bdhw", maps.double() - mean.view(-1, 1, 1), axes)
        span = (2 * SHOWN_DEVIATIONS * deviations).clamp(min=torch.finfo(torch.float32).tiny)
        colours = (along / span.view(-1, 1, 1) + 0.5).clamp(0, 1).float()
        return F.pad(colours, (0, 0, 0, 0, 0, 3 - colours.shape[1]), value=0.5)


def match_figure(sources, targets, points, matched, truth, titles):
    """Draw pairs of images side by side, each landmark joined to its match; crosses are its true
    places.

    sources, targets: (M, 3, H, W) uint8; points, in the sources, matched and truth, in the
    targets: (M, K, 2), pixels; titles: M, one for each pair.
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
    """Draw one pair as ``match_figure`` does, without title and margins."""
    figure, (left, right) = _bare_axes(2, source.shape)
    _draw_match(left, right, source, target, points, matched, truth)
    return figure


@rc_context(SMOOTH)
def bare_landmarks_figure(image, predicted, truth):
    """Draw one image as ``landmarks_figure`` does, without title and margins."""
    figure, (axes,) = _bare_axes(1, image.shape)
    _show(axes, image)
    draw_landmarks(axes, predicted, truth)
    return figure


@rc_context(SMOOTH)
def bare_virtual_figure(image, places):
    """Draw the virtual keypoints (K, V, 2), in pixels, of each landmark on an image."""
    figure, (axes,) = _bare_axes(1, image.shape)
    _show(axes, image)
    draw_virtual_keypoints(axes, places)
    return figure


def _bare_axes(columns, shape):
    """Return a figure that images of a shape (3, H, W) fill, side by side, and their axes."""
    size = (columns + GAP * (columns - 1)) * ROW_INCHES, ROW_INCHES * shape[1] / shape[2]
    figure = Figure(figsize=size, facecolor="gray")
    places = {"left": 0, "right": 1, "bottom": 0, "top": 1, "wspace": GAP}
    return figure, figure.subplots(1, columns, squeeze=False, gridspec_kw=places)[0]


def _draw_match(left, right, source, target, points, matched, truth):
    _show(left, source)
    _show(right, target)
    draw_landmarks(left, points)
    draw_landmarks(right, matched, truth)
    _join(left.figure, left, right, points, matched)


def _join(figure, left, right, starts, ends):
    """Draw a line from each point (K, 2) in one image to its match in another."""
    colours = landmark_colours(len(starts))
    for start, end, colour in zip(starts.tolist(), ends.tolist(), colours):
        figure.add_artist(
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
        _show(axes, image)
        _title(axes, title, ROW_INCHES)
        draw_landmarks(axes, dots, crosses)
    return figure


def embedding_figure(image, colours, places, title):
    """Draw an image (3, H, W), and beside it colours (3, h, w) where their cells lie: places (h, w,
    2), in pixels of the image.
    """
    figure = Figure(figsize=(2 * ROW_INCHES, ROW_INCHES), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    _show(left, image)
    _title_left(left, title)
    _show(right, colours)
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
            _show(axes, image)
    return figure


def overview_figure(images, maps, query, matched, predicted, truth):
    """Draw, for each image, what was learned; the first column is the source of the matches.

    images: (M, 3, H, W) uint8; maps: (M, C, h, w); query: (K, 2), landmarks of image 0; matched:
    (M, K, 2), their matches in each; predicted, truth: (M, K, 2), landmarks of the regressor and of
    the data set. All points in pixels.
    """
    M = len(images)
    titles = (
        "image",
        "descriptors,\nin three colours",
        "landmarks of the\nfirst image, matched",
        "landmarks,\nregressed",
    )
    figure, grid = _titled_rows(titles, M)
    colours = PrincipalColours(maps)(maps)
    for m in range(M):
        for row in (0, 2, 3):
            _show(grid[row, m], images[m])
        _show(grid[1, m], colours[m])
        points = query if m == 0 else matched[m]
        grid[2, m].scatter(
            *points.T.numpy(),
            c=landmark_colours(len(points)),
            s=26,
            edgecolors="white",
            linewidths=0.7,
            marker="s" if m == 0 else "o",
        )
        draw_landmarks(grid[3, m], predicted[m], truth[m])
    return figure


def _titled_rows(titles, columns):
    """Return a figure with a row of axes for each title, and the axes, (rows, columns)."""
    size = (ROW_INCHES * columns + 1.2, ROW_INCHES * len(titles))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(titles), columns, squeeze=False)
    for row, title in zip(grid, titles):
        row[0].set_ylabel(title, rotation=0, ha="right", va="center")
    return figure, grid


def _title_left(axes, title):
    """Write a title above the left one of two images, from its left edge on: of a high and narrow
    image, that is the middle of its half.
    """
    _title(axes, title, 1.5 * ROW_INCHES, loc="left")


def _title(axes, text, inches, **where):
    """Write a title, which may be any file's name, within a width."""
    text = "".join(c if c.isprintable() else "?" for c in text)  # fonts take no lone surrogates
    text = fitting(text, 72 * inches, TITLE_POINTS)
    axes.set_title(text, fontsize=TITLE_POINTS, parse_math=False, **where)


def fitting(text, width, size):
    """Return a text of a font size, shortened in its middle if it is wider than ``width``, both in
    points.
    """
    font = FontProperties(size=size)

    def width_of(kept):
        return text_to_path.get_text_width_height_descent(shortened(text, kept), font, False)[0]

    if width_of(len(text)) <= width:
        return text
    return shortened(text, bisect_right(range(1, len(text) + 1), width, key=width_of))


def shortened(text, kept):
    """Return a text with so many of its characters, the middle ones left out for an ellipsis."""
    if kept >= len(text):
        return text
    return f"{text[:kept - kept // 2]}…{text[len(text) - kept // 2:]}"


def _show(axes, image):
    axes.imshow(as_pixels(image[None])[0])
    axes.autoscale(False)  # points outside the image do not shrink it
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
