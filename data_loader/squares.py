"""Make an image of any shape square: resize it whole, or cut out its centre."""

import numpy as np

NEAR_SQUARE = 1.25  # the largest aspect ratio that "auto" resizes whole
SQUARES = ("auto", "resize", "crop")


def square_window(size, square="auto"):
    """Return the part of an image that is resized to a square: (left, top, right, bottom).

    size: (width, height).
    square: "resize" takes the whole image, its aspect is not kept; "crop" the square in its
        centre; "auto" resizes nearly square images and crops the others.
    """
    width, height = size
    side = min(size)
    if square == "resize" or square == "auto" and max(size) <= NEAR_SQUARE * side:
        return 0, 0, width, height
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def outside_window(points, window, side):
    """Return whether points (K, 2), in pixels, lie outside of a window; (K,) bool.

    The window is resized to ``side`` pixels, and ends at the edges of its outer pixels.
    """
    left, top, right, bottom = window
    scaled = (points - (left, top)) * side / np.array([right - left, bottom - top])
    return ((scaled < -0.5) | (scaled > side - 0.5)).any(axis=-1)
