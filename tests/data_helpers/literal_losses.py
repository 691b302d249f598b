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


def literal_matches(desc1, desc2, grid, normalize_vectors=False, dve=0, scale=None, every=1):
    """Yield (pair, whether g(u) is in the frame, [(p(v | u), |v - g(u)|) for all v]) of each u.

    dve: the number of auxiliary images.
    every: of the cells u, the first of as many is taken.
    """
    B, _, h, w = desc1.shape
    H, W = grid.shape[1:3]
    stride, cells = H // h, list(product(range(h), range(w)))
    factor = 1 if scale is None else scale

    def unit(vector):
        return vector / vector.square().sum().sqrt()

    def describe(desc, b, i, j):
        vector = desc[b, :, i, j]
        return 20 * unit(vector) if normalize_vectors and scale is None else vector

    first, second = ([{cell: describe(desc, b, *cell) for cell in cells} for b in range(B)]
                     for desc in (desc1, desc2))
    for b, (number, u) in product(range(B), enumerate(cells[::every])):
        phi = first[b][u]
        if dve:
            auxiliary = first[(b + 1 + number % dve) % B].values()
            shares = softmax([factor * (phi * other).sum() for other in auxiliary])
            phi = sum(share * other for share, other in zip(shares, auxiliary))
            phi = phi if scale is None else unit(phi)
        prob = softmax([factor * (phi * second[b][v]).sum() for v in cells])
        gx, gy = grid[b, stride * u[0], stride * u[1]].tolist()
        inside = max(abs(gx), abs(gy)) <= 1
        gx, gy = (gx + 1) / 2 * (W - 1), (gy + 1) / 2 * (H - 1)
        yield b, inside, [(p, math.hypot(stride * v[1] - gx, stride * v[0] - gy))
                          for p, v in zip(prob, cells)]


def literal_loss(desc1, desc2, grid, pow=0.5, normalize_vectors=False, dve=False, scale=None):
    """Mean over pairs and cells u of sum_v |v - g(u)|^pow p(v | u), v and g(u) in input pixels."""
    matches = literal_matches(desc1, desc2, grid, normalize_vectors, dve, scale)
    terms = [sum(p * distance**pow for p, distance in row) for _, _, row in matches]
    return sum(terms) / len(terms)


def literal_likelihood(desc1, desc2, grid, sigma=4.5, dve=0, scale=None, every=1,
                       outlier=3):
    """Mean over pairs, of means over cells u in frame, of -log(o + sum_v p(v | u) exp(-d^2/2s^2)).
    """
    terms = [[] for _ in desc1]
    for b, inside, row in literal_matches(desc1, desc2, grid, dve=dve, scale=scale, every=every):
        if inside:
            likelihood = sum(p * math.exp(-distance**2 / (2 * sigma**2)) for p, distance in row)
            terms[b].append(-(outlier + likelihood).log())
    return sum(sum(of_pair) / len(of_pair) for of_pair in terms if of_pair) / len(terms)


def matrix_loss(desc1, desc2, grid, normalize_vectors=False, dve=False, scale=None, **arguments):
    """``model.reference_loss`` of maps, for those too large for ``literal_loss``.

    arguments: ``pow``, or ``sigma`` for the likelihood.
    """
    (h, w), (H, W) = desc1.shape[-2:], grid.shape[1:3]
    stride = H // h
    desc1, desc2 = (desc.flatten(2).mT for desc in (desc1, desc2))
    if normalize_vectors:
        desc1, desc2 = (20 * x / x.norm(dim=-1, keepdim=True) for x in (desc1, desc2))
    if scale is not None:
        desc1, desc2 = (scale**0.5 * x for x in (desc1, desc2))
    if dve:
        desc1 = reference_loss.exchange(desc1, desc1[[*range(1, len(desc1)), 0]])
    if dve and scale is not None:
        desc1 = scale**0.5 * desc1 / desc1.norm(dim=-1, keepdim=True)
    grid = grid[:, ::stride, ::stride].flatten(1, 2)
    warped = (grid + 1) / 2 * torch.tensor([W - 1, H - 1])
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    pixels = stride * torch.stack([x.flatten(), y.flatten()], 1)
    if "sigma" not in arguments:
        return reference_loss.expected_distance(desc1, desc2, warped, pixels, **arguments)
    inside = (grid.abs() <= 1).all(dim=-1)
    return reference_loss.negative_log_likelihood(desc1, desc2, warped, pixels, inside, **arguments)
