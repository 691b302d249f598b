"""How an image of any shape becomes a square."""

import numpy as np

NEAR_SQUARE = 1.25  # times the shorter side: how long the longer one may be to be squeezed
SQUARES = ("auto", "resize", "crop")


def square_window(size, square="auto"):
    """Return the part of an image that is resized to a square: (left, top, right, bottom).

    size: width and height; square: "resize" takes the whole image, its aspect is not kept; "crop"
    the square in its centre; "auto" resizes what is nearly square and crops what is not. It looks
    at a single image alone, so that no other image changes what becomes of it.
    """
    width, height = size
    side = min(size)
    if square == "resize" or square == "auto" and max(size) <= NEAR_SQUARE * side:
        return 0, 0, width, height
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def outside_window(points, window, side):
    """Return which points (K, 2), in pixels of an image, lie outside of the outer pixels once its
    window is resized to ``side`` pixels; (K,), bool.
    """
    left, top, right, bottom = window
    scaled = (points - (left, top)) * side / np.array([right - left, bottom - top])
    return ((scaled < -0.5) | (scaled > side - 0.5)).any(axis=-1)
