"""What the dense losses measure of p(v | u), the match of a cell u in the second image.

An objective turns rows of logits into its values and their gradient, in place.
``model.fused_kernels`` has the same formulas for a GPU.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Objective:
    """A function of p(v | u) and of the distances |v - g(u)|.

    shape, stride: (h, w), the number of cells v, and their distance in pixels.
    """

    shape: tuple
    stride: int

    def squared_distances(self, warped):
        """Return (y - g_y)^2, (b, U, h, 1), and (x - g_x)^2, (b, U, 1, w), of cells v = (x, y).

        Computed by subtraction: the matrix product in ``torch.cdist`` loses 0.04 px in float32.

        warped: (b, U, 2), g(u), in pixels.
        """
        y, x = (
            self.stride * torch.arange(n, device=warped.device, dtype=warped.dtype)
            for n in self.shape
        )
        along_y, along_x = (warped[..., 1:] - y).square_(), (warped[..., :1] - x).square_()
        return along_y[..., :, None], along_x[..., None, :]


@dataclass(frozen=True)
class ExpectedDistance(Objective):
    """E_u = sum over v of |v - g(u)|^pow p(v | u): Thewlis et al., ICCV 2019, section 3.1."""

    pow: float

    def of_logits(self, logits, warped, prob):
        """Return E_u (b, U, 1), and its gradient with respect to the logits (b, U, P).

        dE_u / dl(u, v) = p(v | u) (|v - g(u)|^pow - E_u).

        logits: (b, U, P), overwritten.
        warped: (b, U, 2), g(u), in pixels.
        prob: workspace, (b, U, P).
        """
        torch.softmax(logits, dim=-1, out=prob)
        torch.add(*self.squared_distances(warped), out=logits.unflatten(-1, self.shape))
        distances = logits.sqrt_().sqrt_() if self.pow == 0.5 else logits.pow_(self.pow / 2)
        weighted = distances.mul_(prob)
        expected = weighted.sum(dim=-1, keepdim=True)
        return expected, weighted.addcmul_(prob, expected, value=-1)


@dataclass(frozen=True)
class NegativeLogLikelihood(Objective):
    """L_u = -log(outlier + m_u), m_u = sum over v of p(v | u) exp(-|v - g(u)|^2 / (2 sigma^2)).

    sigma: in pixels.
    outlier: above 0; bounds the loss of a cell, so that one whose match is far off hardly counts.
    """

    sigma: float
    outlier: float

    def of_logits(self, logits, warped, prob):
        """Return L_u (b, U, 1), and its gradient with respect to the logits (b, U, P).

        dL_u / dl(u, v) = (p(v | u) - q(v | u)) m_u / (outlier + m_u), where q is p times the
        exponential, normalised.

        The arguments are those of ``ExpectedDistance.of_logits``.
        """
        largest = logits.amax(dim=-1, keepdim=True)
        torch.softmax(logits, dim=-1, out=prob)
        # The largest probability is exp(largest - log of the sum of exponentials).
        log_sum = largest - prob.amax(dim=-1, keepdim=True).log_()
        for squared in self.squared_distances(warped):
            logits.unflatten(-1, self.shape).sub_(squared.div_(2 * self.sigma**2))
        largest = logits.amax(dim=-1, keepdim=True)
        near = logits.sub_(largest).exp_()
        mass = near.sum(dim=-1, keepdim=True)
        likelihood = mass * (largest - log_sum).exp_()
        share = likelihood / (self.outlier + likelihood)
        value = (self.outlier + likelihood).log_().neg_()
        return value, prob.mul_(share).addcmul_(near, share / mass, value=-1)
