"""The dense losses once more, as their formulas stand in the paper."""

import math
from itertools import product

import torch

from model import reference_loss


def softmax(scores):
    largest = max(score.item() for score in scores)
    exponentials = [(score - largest).exp() for score in scores]
    total = sum(exponentials)
    return [e / total for e in exponentials]


def literal_loss(desc1, desc2, grid, pow, normalize_vectors, dve):
    """Mean over pairs and cells u of sum_v |v - g(u)|^pow p(v | u), v and g(u) in input pixels."""
    B, _, h, w = desc1.shape
    H, W = grid.shape[1:3]
    stride, cells = H // h, list(product(range(h), range(w)))

    def describe(desc, b, i, j):
        vector = desc[b, :, i, j]
        return 20 * vector / vector.square().sum().sqrt() if normalize_vectors else vector

    first, second = ([{cell: describe(desc, b, *cell) for cell in cells} for b in range(B)]
                     for desc in (desc1, desc2))
    terms = []
    for b, u in product(range(B), cells):
        phi = first[b][u]
        if dve:
            auxiliary = first[(b + 1) % B].values()
            shares = softmax([(phi * other).sum() for other in auxiliary])
            phi = sum(share * other for share, other in zip(shares, auxiliary))
        prob = softmax([(phi * second[b][v]).sum() for v in cells])
        gx, gy = grid[b, stride * u[0], stride * u[1]].tolist()
        gx, gy = (gx + 1) / 2 * (W - 1), (gy + 1) / 2 * (H - 1)
        terms += [p * math.hypot(stride * v[1] - gx, stride * v[0] - gy) ** pow
                  for p, v in zip(prob, cells)]
    return sum(terms) / (B * len(cells))


def matrix_loss(desc1, desc2, grid, normalize_vectors, dve, pow=0.5):
    """``model.reference_loss`` of maps, for those too large for ``literal_loss``."""
    (h, w), (H, W) = desc1.shape[-2:], grid.shape[1:3]
    stride = H // h
    desc1, desc2 = (desc.flatten(2).mT for desc in (desc1, desc2))
    if normalize_vectors:
        desc1, desc2 = (20 * x / x.norm(dim=-1, keepdim=True) for x in (desc1, desc2))
    if dve:
        desc1 = reference_loss.exchange(desc1, desc1[[*range(1, len(desc1)), 0]])
    warped = (grid[:, ::stride, ::stride] + 1) / 2 * torch.tensor([W - 1, H - 1])
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    pixels = stride * torch.stack([x.flatten(), y.flatten()], 1)
    return reference_loss.expected_distance(desc1, desc2, warped.flatten(1, 2), pixels, pow)
