"""Match landmarks by their descriptors.

The published protocol matches cells by dot product; later papers match pixels by cosine similarity.
The second protocol is the first one on the maps of ``cosine_at_pixels``, with stride 1.
"""

import torch
import torch.nn.functional as F


def nearest_cells(points, stride, feature_size):
    """Return the cells (x, y), int64 (B, K, 2), nearest to pixels (B, K, 2), clamped to the map.

    Ties go to the even cell.
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
    """Return the matches (B, K, 2), in pixels of the target, of landmarks in a source.

    source, target: descriptor maps (B, C, h, w).
    points: (B, K, 2), in pixels of the source.
    """
    queries = read_cells(source, nearest_cells(points, stride, source.shape[-2:]))
    return best_cells(queries, target) * stride


def cosine_at_pixels(descriptors, stride, size):
    """Return a map (B, C, h, w) interpolated to (H, W) pixels, normalised, (B, C, H, W).

    Cell (i, j) is at pixel (stride i, stride j). Interpolation is bilinear; beyond the last cell,
    its descriptor is repeated.
    """
    (h, w), (H, W) = descriptors.shape[-2:], size
    reached = [(n - 1) * stride + 1 for n in (h, w)]
    dense = F.interpolate(descriptors, reached, mode="bilinear", align_corners=True)
    dense = F.pad(dense, (0, W - reached[1], 0, H - reached[0]), mode="replicate")
    return F.normalize(dense, dim=1)


def dense_matches(source, target):
    """Return for each cell of a target map (B, C, h, w) the best cell (x, y) of the source's map,
    (B, h, w, 2).

    Images are matched one by one, since the scores of an image are P x P.
    """
    best = [
        best_cells(of_target.flatten(1).mT[None], of_source[None])
        for of_source, of_target in zip(source, target)
    ]
    return torch.cat(best).unflatten(1, target.shape[-2:])
