"""What the dense losses measure of p(v | u), the match of a cell u in the second image.

An objective is a function of E_u = sum over v of p(v | u) f(|v - g(u)|), the expectation of a
function f of the distance to the right place. ``model.fused_kernels`` has the same f for a GPU.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch


class Cells(NamedTuple):
    """The cells v of a descriptor map: h rows of w, ``stride`` pixels apart.

    The cell in row i and column j is at the pixel (x, y) = (stride j, stride i).
    """

    h: int
    w: int
    stride: int

    def squared_distances(self, points):
        """Return (y - y_v)^2, (b, U, h, 1), and (x - x_v)^2, (b, U, 1, w), of points (b, U, 2).

        Computed by subtraction: the matrix product in ``torch.cdist`` loses 0.04 px in float32.
        """
        y, x = (
            self.stride * torch.arange(n, device=points.device, dtype=points.dtype)
            for n in (self.h, self.w)
        )
        along_y, along_x = (points[..., 1:] - y).square_(), (points[..., :1] - x).square_()
        return along_y[..., :, None], along_x[..., None, :]


class Objective:
    """A function of E_u; a subclass defines f and this function."""

    def expectation(self, logits, cells, warped, prob):
        """Return E_u (b, U, 1), and its gradient with respect to the logits (b, U, P).

        dE_u / dl(u, v) = p(v | u) (f(|v - g(u)|) - E_u).

        logits: (b, U, P), overwritten.
        cells: the ``Cells`` v, P of them.
        warped: (b, U, 2), g(u), in pixels.
        prob: workspace, (b, U, P).
        """
        torch.softmax(logits, dim=-1, out=prob)
        on_map = (x.unflatten(-1, (cells.h, cells.w)) for x in (prob, logits))
        self.weigh(*on_map, *cells.squared_distances(warped))
        expected = logits.sum(dim=-1, keepdim=True)
        return expected, logits.addcmul_(prob, expected, value=-1)

    def weigh(self, prob, out, along_y, along_x):
        """Write p(v | u) f(|v - g(u)|) to ``out``.

        prob, out: (b, U, h, w); along_y, along_x: the squared distance is their sum.
        """
        raise NotImplementedError

    def of_expectation(self, expected):
        """Return the values of the objective for E_u, and their derivatives, of the same shape."""
        raise NotImplementedError

    def constants(self):
        """Return what the kernels of ``model.fused_kernels`` must know of f."""
        raise NotImplementedError


@dataclass(frozen=True)
class ExpectedDistance(Objective):
    """E_u with f(d) = d^pow: Thewlis et al., ICCV 2019, section 3.1."""

    pow: float

    def weigh(self, prob, out, along_y, along_x):
        torch.add(along_y, along_x, out=out)
        distances = out.sqrt_().sqrt_() if self.pow == 0.5 else out.pow_(self.pow / 2)
        distances.mul_(prob)

    def of_expectation(self, expected):
        return expected, torch.ones_like(expected)

    def constants(self):
        return {"POW": float(self.pow), "SIGMA": 0.0}


@dataclass(frozen=True)
class NegativeLogLikelihood(Objective):
    """-log(outlier + E_u) with f(d) = exp(-d^2 / (2 sigma^2)).

    sigma: in pixels.
    outlier: above 0; bounds the loss of a cell, so that one whose match is far off hardly counts.
    """

    sigma: float
    outlier: float

    def weigh(self, prob, out, along_y, along_x):
        near_y, near_x = (
            along.div_(-2 * self.sigma**2).exp_() for along in (along_y, along_x)
        )
        torch.mul(prob, near_y, out=out).mul_(near_x)

    def of_expectation(self, expected):
        bounded = expected + self.outlier
        return -bounded.log(), -1 / bounded

    def constants(self):
        return {"POW": 0.0, "SIGMA": float(self.sigma)}
