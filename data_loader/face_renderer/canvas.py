"""Antialiased painting: outlines are filled on a finer raster by Pillow and averaged down."""

import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


class Patch(NamedTuple):
    """Coverage in [0, 1] of the pixels of ``window``, a pair of slices (rows, columns)."""

    window: tuple
    alpha: np.ndarray


class Canvas:
    """A float32 picture (S, S, 3) in [0, 1]. Points are (x, y) pixels, centres at integers.

    ``light``: brightness (S, S) of the scene; plain colours take it on as far as ``lit`` says.
    """

    def __init__(self, image, light):
        self.image, self.light = image, light
        self.size = image.shape[0]

    def fill(self, outlines, colour, opacity=1.0, blur=0.0, fine=4, **how):
        """Paint the inside of one (N, 2) outline or of a list of them; ``how``: see ``paint``."""
        self.paint(self.cover(outlines, blur, fine), colour, opacity, **how)

    def stroke(self, lines, width, colour, opacity=1.0, blur=0.0, fine=4, **how):
        """Paint along one (N, 2) line or a list of them, ``width`` pixels wide."""
        lines = lines if isinstance(lines, list) else [lines]
        self.fill([ribbon(line, width) for line in lines], colour, opacity, blur, fine, **how)

    def paint(self, patch, colour, opacity=1.0, clip=None, lit=0.0, gain=1.0):
        """Blend a colour in where ``patch`` covers, no further than ``clip`` (S, S) covers too.

        colour: (3,), or an (S, S, 3) picture; multiplied by ``gain`` and, a share ``lit`` of it,
        by the scene's light.
        """
        if patch is None:
            return
        alpha = patch.alpha if clip is None else patch.alpha * clip[patch.window]
        if isinstance(colour, np.ndarray) and colour.ndim == 3:
            colour = colour[patch.window]
        colour = np.asarray(colour, np.float32) * np.float32(gain)
        if lit:
            colour = colour * (1 + lit * (self.light[patch.window] - 1))[..., None]
        region = self.image[patch.window]
        region += (colour - region) * (alpha * np.float32(opacity))[..., None]

    def cover(self, outlines, blur=0.0, fine=4):
        """Return the Patch that one (N, 2) outline or a list of them covers, or None."""
        outlines = outlines if isinstance(outlines, list) else [outlines]
        points = outlines[0] if len(outlines) == 1 else np.concatenate(outlines)
        window = self.window_of(points, 1 + 2.5 * blur)
        if window is None:
            return None
        top, left = window[0].start, window[1].start
        shape = (window[0].stop - top, window[1].stop - left)
        mask = Image.new("L", (shape[1] * fine, shape[0] * fine))
        draw = ImageDraw.Draw(mask)
        # Pixel centre x is (x + 0.5) * fine - 0.5 on the fine raster; floor(... + 0.5) rounds.
        points = np.floor((points - (left, top) + 0.5) * fine).astype(int).ravel().tolist()
        start = 0
        for outline in outlines:
            stop = start + 2 * len(outline)
            draw.polygon(points[start:stop], fill=255)
            start = stop
        mask = mask.reduce(fine)
        if blur > 0.4:  # less cannot be seen
            mask = mask.filter(ImageFilter.GaussianBlur(blur))
        alpha = np.frombuffer(mask.tobytes(), np.uint8).reshape(shape)
        return Patch(window, alpha * np.float32(1 / 255))

    def full(self, patch):
        """The coverage of ``patch`` as an (S, S) array."""
        alpha = np.zeros((self.size, self.size), np.float32)
        if patch is not None:
            alpha[patch.window] = patch.alpha
        return alpha

    def window_of(self, points, margin):
        """Slices around the points, cut at the border; None where nothing is left."""
        left, top = (math.floor(low - margin) for low in points.min(axis=0).tolist())
        right, bottom = (math.ceil(high + margin) + 1 for high in points.max(axis=0).tolist())
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, self.size), min(bottom, self.size)
        if right <= left or bottom <= top:
            return None
        return slice(top, bottom), slice(left, right)


def ribbon(line, width):
    """Outline (2N, 2) of a band along a line (N, 2)."""
    along = np.empty_like(line)
    along[1:-1] = line[2:] - line[:-2]
    along[0], along[-1] = line[1] - line[0], line[-1] - line[-2]
    along *= width / 2 / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    across = along[:, ::-1] * (-1, 1)
    return np.concatenate([line + across, (line - across)[::-1]])


def smooth_noise(rng, cells, size):
    """Float32 (height, width) about -1 to 1, changing over ``size / cells`` pixels."""
    return enlarge(rng.uniform(-1, 1, cells).astype(np.float32), size, Image.Resampling.BICUBIC)


def enlarge(values, size, resample=Image.Resampling.BILINEAR):
    """Interpolate a float32 array (h, w) to ``size``, (height, width)."""
    return np.asarray(Image.fromarray(values).resize((size[1], size[0]), resample))
