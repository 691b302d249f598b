"""Ridge regression of points, whose strength and error come from leaving each image out."""

from dataclasses import dataclass

import torch

STRENGTHS = [10.0**power for power in range(-3, 4)]  # the last: close to the mean of the points


@dataclass(frozen=True)
class Ridge:
    """A linear map of features (F,) to values (V,).

    left_out: (N, V), the prediction for each image by a regression without it.
    """

    centre: torch.Tensor
    mean: torch.Tensor
    weight: torch.Tensor
    left_out: torch.Tensor

    def __call__(self, features):
        return (features - self.centre) @ self.weight + self.mean


def fit_ridge(features, values):
    """Return the ``Ridge`` of features (N, F) and values (N, V) with the least left-out error.

    Leaving an image out needs no further fit: its residual is divided by one minus its leverage.
    """
    centre, mean = features.mean(dim=0), values.mean(dim=0)
    X, Y = features - centre, values - mean
    products, unit = X @ X.T, torch.eye(len(X), dtype=X.dtype)
    scale = products.diagonal().mean().clamp(min=1e-12)
    best = None
    for strength in STRENGTHS:
        inverse = torch.linalg.inv(products / scale + strength * unit)
        hat = products / scale @ inverse
        leverage = hat.diagonal() + 1 / len(X)  # with that of the mean
        residuals = (Y - hat @ Y) / (1 - leverage).clamp(min=1e-6)[:, None]
        error = residuals.square().sum()
        if best is None or error < best[0]:
            weight = X.T @ (inverse @ Y) / scale
            best = error, Ridge(centre, mean, weight, values - residuals)
    return best[1]
