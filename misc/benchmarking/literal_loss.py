"""The baseline of the benchmark: dense losses pair by pair, with (C, cells, cells) in memory."""

import torch
import torch.nn.functional as F

NORMALISED_LENGTH = 20


def literal_loss(desc1, desc2, grid, dve, pow=0.5, normalize_vectors=True):
    """Return the dense equivariance loss of maps (B, C, h, w), with the exchange if ``dve``."""
    B, _, h, w = desc1.shape
    H, W = grid.shape[1:3]
    stride = H // h
    axes = (torch.arange(0, n, stride, device=grid.device) for n in (H, W))
    y, x = torch.meshgrid(*axes, indexing="ij")
    pixels = torch.stack([x, y], dim=-1).reshape(-1, 2).float()
    size, total = torch.tensor([W - 1, H - 1], device=grid.device), 0
    for b in range(B):
        first, second, auxiliary = (
            NORMALISED_LENGTH * F.normalize(desc, dim=0) if normalize_vectors else desc
            for desc in (d.flatten(1) for d in (desc1[b], desc2[b], desc1[(b + 1) % B]))
        )
        if dve:
            prob = (first.T @ auxiliary).softmax(dim=1)
            # (C, cells, cells) before the sum
            first = (prob[None] * auxiliary[:, None, :]).sum(dim=2)
        prob = (first.T @ second).softmax(dim=1)
        warped = (grid[b, ::stride, ::stride].reshape(-1, 2) + 1) / 2 * size
        cost = (warped[:, None] - pixels[None]).norm(dim=-1) ** pow
        total = total + (prob * cost).sum(dim=1).mean()
    return total / B
