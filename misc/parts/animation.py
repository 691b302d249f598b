"""A point that moves over one image, and its matches that follow on others: frames of a GIF."""

import math

import numpy as np
import torch
from PIL import Image
from scipy.interpolate import CubicSpline

from utils.disk import write_atomically

NUM_FRAMES = 60
FRAME_MS = 80
GAP = 4  # pixels between images
COLOURS = 250  # of the images, beside those of dots; a GIF can have 256
DOT, RIM = (235, 20, 90), (255, 255, 255)
RADIUS = 0.035  # of a dot, in widths of its image


def following_frames(images, points, match):
    """Return frames, RGB PIL images, with the first image at twice the size of the others.

    images: (M, 3, H, W) uint8; M - 1 is even.
    points: (K, 2), in pixels of the first image; the moving point passes through them in turn.
    match: points (P, 2) of the first image -> points (M, P, 2).
    """
    path = closed_path(points, NUM_FRAMES)
    places = torch.cat([path[None], match(path)[1:]]).numpy()
    still, corners, scales = montage(images)
    centres = corners[:, None] + scales[:, None, None] * (places + 0.5)  # (M, frames, 2)
    radii = RADIUS * images.shape[-1] * scales
    return [with_dots(still, centres[:, frame], radii) for frame in range(NUM_FRAMES)]


def closed_path(points, steps):
    """Return a smooth closed curve (steps, 2) that begins at the first of points (K, 2)."""
    corners = torch.cat([points, points[:1]]).double().numpy()
    curve = CubicSpline(np.arange(len(corners)), corners, bc_type="periodic")
    return torch.from_numpy(curve(np.linspace(0, len(points), steps, endpoint=False))).float()


def montage(images):
    """Return a picture of images (M, 3, H, W), the first one large on the left, the others in two
    rows; the corners (M, 2) of the images in it, (x, y) in pixels, and their scales (M,).
    """
    M, _, H, W = images.shape
    columns = (M - 1) // 2
    picture = Image.new("RGB", (2 * W + GAP + columns * (W + GAP), 2 * H + GAP), "white")
    corners, scales = [(0, 0)], [2 + GAP / H]
    for column in range(columns):
        corners += [(2 * W + GAP + GAP + column * (W + GAP), y) for y in (0, H + GAP)]
        scales += [1, 1]
    for image, corner, scale in zip(images, corners, scales):
        shown = Image.fromarray(image.permute(1, 2, 0).numpy())
        size = round(scale * W), round(scale * H)
        picture.paste(shown.resize(size, Image.Resampling.BICUBIC), corner)
    return picture, np.array(corners, float), np.array(scales, float)


def with_dots(picture, centres, radii):
    """Return a picture with dots at centres (M, 2), measured from its top-left corner."""
    pixels = np.array(picture, float)
    for (x, y), radius in zip(centres.tolist(), radii.tolist()):
        top, left = (max(0, math.floor(at - radius - 1)) for at in (y, x))
        region = pixels[top : math.ceil(y + radius + 1), left : math.ceil(x + radius + 1)]
        rows, columns = np.indices(region.shape[:2]) + 0.5
        distance = np.hypot(columns + left - x, rows + top - y)
        for reach, colour in ((radius, RIM), (0.72 * radius, DOT)):
            cover = np.clip(reach + 0.5 - distance, 0, 1)[..., None]
            region += cover * (np.array(colour) - region)
    return Image.fromarray(pixels.round().astype(np.uint8))


def save_gif(path, frames):
    """Write frames as an animation that repeats without end.

    All frames share the colours of the first, and only pixels that change are stored.
    """
    palette = frames[0].quantize(COLOURS, Image.Quantize.MEDIANCUT)
    palette.putpalette([*palette.getpalette()[: 3 * COLOURS], *DOT, *RIM])
    first, *others = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    options = {"save_all": True, "append_images": others, "duration": FRAME_MS, "loop": 0}
    write_atomically(path, lambda file: first.save(file, "GIF", **options))
