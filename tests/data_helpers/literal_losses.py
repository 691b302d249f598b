"""The dense losses once more, as their formulas stand in the paper."""

import math
from itertools import product

import torch


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


def matrix_loss(desc1, desc2, grid, normalize_vectors, dve):
    """The same formula with all its matrices, for maps too large for ``literal_loss``."""
    H, W = grid.shape[1:3]
    first, second = (desc.flatten(2).transpose(1, 2) for desc in (desc1, desc2))
    if normalize_vectors:
        first, second = (20 * x / x.norm(dim=-1, keepdim=True) for x in (first, second))
    if dve:
        auxiliary = first[[*range(1, len(first)), 0]]
        first = torch.softmax(first @ auxiliary.transpose(1, 2), dim=-1) @ auxiliary
    prob = torch.softmax(first @ second.transpose(1, 2), dim=-1)
    warped = ((grid[:, ::2, ::2] + 1) / 2 * torch.tensor([W - 1, H - 1])).flatten(1, 2)
    y, x = torch.meshgrid(torch.arange(0, H, 2), torch.arange(0, W, 2), indexing="ij")
    offsets = torch.stack([x.flatten(), y.flatten()], 1) - warped[:, :, None]
    return (prob * offsets.square().sum(dim=-1) ** 0.25).sum(dim=-1).mean()
