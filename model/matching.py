"""Matching landmarks by their descriptors.

The published protocol matches on the grid of cells, by dot product; a second one that later papers
use matches by cosine similarity, at every pixel. The second is the first on other maps: those of
``cosine_at_pixels``, whose stride is 1.
"""

import torch
import torch.nn.functional as F


def nearest_cells(points, stride, feature_size):
    """Return the cells (x, y), int64 (B, K, 2), that stand for pixels (B, K, 2), clamped to the
    map; ties go to the even cell.
    """
    h, w = feature_size
    last = torch.tensor([w - 1, h - 1], device=points.device)
    return (points / stride).round().long().clamp(min=torch.zeros_like(last), max=last)


def read_cells(descriptors, cells):
    """Return the descriptors (B, K, C) of a map (B, C, h, w) at cells (x, y), (B, K, 2)."""
    flat = cells[..., 1] * descriptors.shape[-1] + cells[..., 0]
    index = flat[:, None].expand(-1, descriptors.shape[1], -1)
    return descriptors.flatten(2).gather(2, index).mT


def best_cells(queries, descriptors):
    """Return for each query (B, K, C) the cell (x, y) of a map (B, C, h, w) with the largest dot
    product, the first on ties.
    """
    best = (queries @ descriptors.flatten(2)).argmax(dim=-1)
    w = descriptors.shape[-1]
    return torch.stack([best % w, best // w], dim=-1)


def match_landmarks(source, points, target, stride):
    """Find landmarks (B, K, 2), in pixels of the source image, in the target.

    Descriptor maps (B, C, h, w), returns pixels.
    """
    queries = read_cells(source, nearest_cells(points, stride, source.shape[-2:]))
    return best_cells(queries, target) * stride


def cosine_at_pixels(descriptors, stride, size):
    """Return a map (B, C, h, w) at each of (H, W) pixels, normalised: dot products are cosines.

    Between cells, bilinear: cell (i, j) stands for pixel (stride i, stride j); beyond the last
    cell, its descriptor.
    """
    (h, w), (H, W) = descriptors.shape[-2:], size
    reached = [(n - 1) * stride + 1 for n in (h, w)]
    dense = F.interpolate(descriptors, reached, mode="bilinear", align_corners=True)
    dense = F.pad(dense, (0, W - reached[1], 0, H - reached[0]), mode="replicate")
    return F.normalize(dense, dim=1)


def dense_matches(source, target):
    """Return for each cell of a target map (B, C, h, w) its best cell (x, y) of the source's,
    (B, h, w, 2).

    One image at a time, for the scores of all cells with all cells are many.
    """
    best = [
        best_cells(of_target.flatten(1).mT[None], of_source[None])
        for of_source, of_target in zip(source, target)
    ]
    return torch.cat(best).unflatten(1, target.shape[-2:])
