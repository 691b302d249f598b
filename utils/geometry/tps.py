"""Thin-plate-spline warps of images, batched, in the parametrisation of the published runs.

A warp is a *sampling grid*: for each pixel of the warped image, the point of the source that it is
sampled from, in normalised coordinates (``utils.geometry.coordinates``).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from utils.geometry.coordinates import lattice

CONTROLS_PER_SIDE = 10
NUM_CONTROLS = CONTROLS_PER_SIDE**2
RADIAL_EPS = 1e-5


@dataclass(frozen=True)
class WarpParameters:
    """Parameters of one warp for each of B samples, with 100 control points."""

    control_weights: torch.Tensor  # (B, 100, 2)
    rotation_deg: torch.Tensor  # (B,)
    scale: torch.Tensor  # (B,)
    translation: torch.Tensor  # (B, 2), normalised

    @classmethod
    def stack(cls, warps):
        """Concatenate warps along the batch."""
        fields = cls.__dataclass_fields__
        return cls(**{name: torch.cat([getattr(warp, name) for warp in warps]) for name in fields})


def tps_basis(points):
    """Return [U | 1 | x | y], (P, 103), for normalised points (P, 2).

    U = r2 log(r2 + 1e-5) to each control point.
    """
    controls = lattice(CONTROLS_PER_SIDE, CONTROLS_PER_SIDE, points.device)
    squared = (points[:, None] - controls).square().sum(dim=-1)
    bending = squared * (squared + RADIAL_EPS).log()
    return torch.cat([bending, torch.ones_like(points[:, :1]), points], dim=1)


def tps_weights(warp):
    """Return the weights of the basis, (B, 103, 2): of the controls, then of 1, x and y."""
    angle = torch.deg2rad(warp.rotation_deg)
    cos, sin = warp.scale * angle.cos(), warp.scale * angle.sin()
    affine = torch.stack(
        [warp.translation, torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], dim=1
    )
    return torch.cat([warp.control_weights, affine], dim=1)


def sampling_grid(basis, weights, H, W):
    """Return the sampling grid (B, H, W, 2), normalised, not clamped.

    basis: (H * W, 103), of ``tps_basis``; weights: (B, 103, 2), of ``tps_weights``.
    """
    B = len(weights)
    flat = basis @ weights.permute(1, 0, 2).reshape(-1, 2 * B)  # one product for the whole batch
    return flat.view(H, W, B, 2).permute(2, 0, 1, 3)


def sample(images, grid):
    """Sample images (B, C, H, W) at a grid (B, H', W', 2): bilinear, zeros outside."""
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def nearest_lattice_points(points, grid):
    """Return where source points land in the warped image: the pixels whose grid point is nearest.

    points: (B, N, 2), normalised; grid: (B, H, W, 2). Returns (B, N, 2), normalised, exactly on the
    float32 lattice of H x W.
    """
    if not points.numel():
        return points
    B, H, W, _ = grid.shape
    places = grid.reshape(B, 1, H * W, 2)
    squared = (places[..., 0] - points[..., :1]).square_()
    squared += (places[..., 1] - points[..., 1:]).square_()
    return lattice(H, W, grid.device)[squared.argmin(dim=-1)]
