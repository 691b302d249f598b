"""Warps once more, one image and one step at a time, as the published evaluation made them."""

from dataclasses import astuple, dataclass

import numpy as np
import torch
import torch.nn.functional as F


@dataclass
class LiteralWarp:
    """One warp of one image: control weights (100, 2), then numbers."""

    controls: torch.Tensor
    rotation_deg: float
    scale: float
    x: float
    y: float


def draw_warp(all_sd, subset_sd, trans_sd, scale_sd, rot_sd):
    """Draw from torch's global generator, each of the published calls in its turn."""
    controls = torch.randn(100, 2) * all_sd
    mask = torch.rand(100, 2) > 0.5
    replacement = iter(torch.randn(int(mask.sum())) * subset_sd)
    for k in range(100):
        for axis in range(2):
            if mask[k, axis]:
                controls[k, axis] = next(replacement)
    rotation = float(torch.randn(()) * rot_sd)
    scale = float(1 + torch.randn(()) * scale_sd)
    x = float(torch.randn(()) * trans_sd)
    y = float(torch.randn(()) * trans_sd)
    return LiteralWarp(controls, rotation, scale, x, y)


def literal_grid(warp, H, W):
    """Return where each pixel of the warped image is read from, (H, W, 2), in float64."""
    controls, rotation, scale, x, y = astuple(warp)
    side = np.linspace(-1, 1, 10)
    centres = np.array([(cx, cy) for cy in side for cx in side])
    angle = np.deg2rad(rotation)
    weights = np.concatenate([
        np.asarray(controls, dtype=np.float64),
        [(x, y)],
        [(scale * np.cos(angle), -scale * np.sin(angle))],
        [(scale * np.sin(angle), scale * np.cos(angle))],
    ])
    grid = np.empty((H, W, 2))
    for i, py in enumerate(np.linspace(-1, 1, H)):
        row = np.stack([np.linspace(-1, 1, W), np.full(W, py)], axis=1)
        r2 = ((centres - row[:, None]) ** 2).sum(axis=2)
        grid[i] = np.hstack([r2 * np.log(r2 + 1e-5), np.ones((W, 1)), row]) @ weights
    return grid


def literal_sample(image, grid):
    """Read an image (3, H, W) at a grid in float64: bilinear between pixels, zeros outside."""
    sampled = F.grid_sample(
        torch.as_tensor(image, dtype=torch.float64)[None], torch.as_tensor(grid)[None],
        mode="bilinear", padding_mode="zeros", align_corners=True,
    )
    return sampled[0].numpy()


def literal_landmark(point, grid):
    """Return the row and the column of the pixel that is read nearest to a normalised point."""
    squared = ((grid - point) ** 2).sum(axis=2)
    return np.unravel_index(squared.argmin(), squared.shape)


def lattice_coordinate(number, size):
    """Return a pixel's coordinate as the published runs had it, a float32 near the integer."""
    return (torch.linspace(-1, 1, size)[number] + 1) / 2 * (size - 1)


def literal_pair(image, keypts, warps, crop):
    """Warp an image (3, S, S) in 0..255 by A, then by B, carry its landmarks along, crop.

    Returns both images, 8-bit, and both lists of landmarks, float32 (K, 2), B's first.
    """
    S = image.shape[-1]
    grids = [literal_grid(warp, S, S) for warp in warps]
    views, points = [], []
    place = np.asarray(keypts, dtype=np.float64) / (S - 1) * 2 - 1
    for grid in grids:
        image = literal_sample(image, grid)
        cells = [literal_landmark(point, grid) for point in place]
        pixels = [[lattice_coordinate(n, S) - crop for n in (column, row)] for row, column in cells]
        place = np.array([np.linspace(-1, 1, S)[[column, row]] for row, column in cells])
        views.append(np.floor(image[:, crop : S - crop, crop : S - crop]).astype(np.uint8))
        points.append(torch.tensor(pixels))
    return views[1], views[0], points[1], points[0], grids[1]
