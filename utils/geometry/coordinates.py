"""Pixel and normalised coordinates: the convention of the whole project.

Points are (x, y), x to the right. Pixel centres are integers: (0, 0) is the centre of the top-left
pixel. Normalised coordinates run from -1, the centre of the first pixel, to 1, the centre of the
last, which torch calls ``align_corners=True``.
"""

import torch

from utils.transfer import constant


def lattice(H, W, device=None):
    """Return the normalised centres of all pixels, (H * W, 2), row by row, x running fastest."""
    y, x = torch.meshgrid(*(_centres(n, device) for n in (H, W)), indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


def _centres(n, device):
    if torch.compiler.is_exporting():  # torch.export would fix the number of steps of linspace
        steps = torch.arange(n, dtype=torch.float32, device=device)
        return steps / steps[-1] * 2 - 1
    return torch.linspace(-1, 1, n, device=device)


def half_frame(H, W, like):
    """Return (W - 1, H - 1) / 2, the distance of the last pixel's centre from the middle, (2,), on
    the device and of the data type of other points.
    """
    return constant(((W - 1) / 2, (H - 1) / 2), like.device, like.dtype)


def to_pixels(points, H, W):
    """Convert normalised points (..., 2) to pixels of an H x W image."""
    return (points + 1) * half_frame(H, W, points)


def to_normalised(points, H, W):
    """Convert points (..., 2) in pixels of an H x W image to normalised coordinates."""
    return points / half_frame(H, W, points) - 1
