"""Boxes of objects in images: the square around a box, and what an image shows of it.

A box is (left, top, right, bottom), edges in pixels: 0 is the left edge of an image's first pixel,
its width the right edge of the last. In the coordinates of points, where pixel centres are whole
numbers, an edge is half a pixel less. Points are mapped with the pixels they are on: x' + 1/2 =
s (x + 1/2 - left) in a square that is resized by a factor s.
"""

import math

import numpy as np
from PIL import Image

OUTSIDES = ("edge", "zero")  # what is beyond an image: its outer pixels repeated, or black
LEAST_INSIDE = 0.5  # share of a box that must lie in its image
MOST_MARGIN = 2


def check_cutting(margin, outside="edge"):
    """Raise ``ValueError`` for invalid arguments of a data set; margin: None if nothing is cut."""
    if margin is not None and not 0 <= margin <= MOST_MARGIN:
        raise ValueError(f"box_margin = {margin:g}, expected 0 to {MOST_MARGIN}")
    if outside not in OUTSIDES:
        raise ValueError(f"box_outside = {outside!r}, expected one of {', '.join(OUTSIDES)}")


def checked_box(values):
    """Return four numbers as a box, a tuple of floats; raises ``ValueError``."""
    box = tuple(map(float, values))
    left, top, right, bottom = box
    if not all(map(math.isfinite, box)) or not (left < right and top < bottom):
        raise ValueError(
            f"box {shown_box(box)}: expected finite numbers, left < right and top < bottom"
        )
    return box


def shown_box(box):
    """Return a box as a text for messages: from left, top to right, bottom."""
    left, top, right, bottom = (f"{edge:.6g}" for edge in box)
    return f"from {left}, {top} to {right}, {bottom}"


def require_inside(box, size):
    """Raise ``ValueError`` unless at least half of a box lies in an image of a size."""
    left, top, right, bottom = box
    width = min(right, size[0]) - max(left, 0)
    height = min(bottom, size[1]) - max(top, 0)
    inside = max(width, 0) * max(height, 0) / ((right - left) * (bottom - top))
    if inside < LEAST_INSIDE:
        raise ValueError(
            f"box {shown_box(box)} lies {'more than half ' if inside else ''}outside of the image, "
            f"which is {size[0]} x {size[1]} pixels"
        )


def box_window(box, margin):
    """Return the square around the middle of a box, as a box.

    Its side is the longer side of the box plus a margin at each end.

    margin: as a share of the box's longer side.
    """
    left, top, right, bottom = box
    half = max(right - left, bottom - top) * (1 / 2 + margin)
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - half, y - half, x + half, y + half


def cut_out(image, window, side, outside="edge"):
    """Return a window of an RGB PIL image, resized to side x side: bilinear, antialiased.

    outside: "edge" or "zero". What is missing is added for one direction after the other: a square
    around a long box can be much larger than its image.
    """
    left, top, right, bottom = window
    before = _missing_before(left)
    wide = _padded(image, 0, before, right, outside)
    box = left + before, 0, right + before, image.height
    columns = wide.resize((side, image.height), Image.BILINEAR, box=box)
    before = _missing_before(top)
    tall = _padded(columns, 1, before, bottom, outside)
    box = 0, top + before, side, bottom + before
    return tall.resize((side, side), Image.BILINEAR, box=box)


def _missing_before(edge):
    """Return how many whole pixels an image lacks before its first, for what begins at ``edge``."""
    return max(0, math.ceil(-edge))


def _padded(image, axis, before, last, outside):
    """Return an image with ``before`` more pixels, and as many behind as ``last`` needs, along an
    axis: 0 for x, 1 for y.
    """
    after = max(0, math.ceil(last) - image.size[axis])
    if not before and not after:
        return image
    widths = [(0, 0)] * 3
    widths[1 - axis] = before, after
    mode = {"edge": "edge", "zero": "constant"}[outside]
    return Image.fromarray(np.pad(np.asarray(image), widths, mode))


def points_into(points, window, side):
    """Return points (K, 2) of an image in pixels of its window, resized to side x side."""
    left, top, right, bottom = window
    scale = side / (right - left), side / (bottom - top)
    return (points + 0.5 - (left, top)) * scale - 0.5


def outside_box_window(points, window):
    """Return whether points (K, 2) lie outside of a window; (K,) bool."""
    edges = points + 0.5
    return ((edges < window[:2]) | (edges > window[2:])).any(axis=-1)
