"""The dense losses, with and without Descriptor Vector Exchange, and the landmark loss.

For a pair of images (x, x') and the warp g, pixel u of x is described by Phi_u(x), and p(v | u) =
softmax over v of <Phi_u(x), Phi_v(x')>. The published loss is the mean over u of sum over v of
|v - g(u)|^pow p(v | u) (Thewlis et al., ICCV 2019, section 3); the likelihood is this project's.

The formulas are written out in ``model.reference_loss``. The implementations used here do not store
P x P matrices of a whole batch: ``model.chunked_loss`` runs on any device, ``model.fused_loss`` has
Triton kernels for float32 descriptors on a GPU.
"""

import warnings

import torch
import torch.nn.functional as F

from model.chunked_loss import chunked_loss
from model.fused_loss import fused_loss, fused_or_chunked_loss, why_not_fused
from model.objectives import Cells, ExpectedDistance, NegativeLogLikelihood
from utils.geometry.coordinates import to_pixels

NORMALISED_LENGTH = 20  # of descriptors, if vectors are normalised
IMPLEMENTATIONS = ("auto", "chunked", "fused")  # auto: fused if available


def dense_correlation_loss(
    desc1,
    desc2,
    grid,
    pow: float = 0.5,
    normalize_vectors: bool = True,
    fold_corr: bool = False,
    implementation: str = "auto",
    *,
    scale=None,
):
    """Return the dense equivariance loss, in input pixels to the power ``pow``.

    The mean over cells u, and over the batch, of sum over v of |v - g(u)|^pow p(v | u), where
    p(v | u) = softmax over v of <desc1_u, desc2_v>: ``reference_loss.expected_distance``.

    Computed in at least float32, under autocast too. Raises ``ValueError`` if no integer s fits.

    desc1, desc2: (B, C, h, w), descriptors of x and x'.
    grid: (B, H, W, 2), normalised, g(u) for each pixel of x; H = s h and W = s w for an integer s.
    pow: exponent of distances; above 0.
    normalize_vectors: scale descriptors to length 20 first, unless the network scales them to 1.
    fold_corr: has no effect; published configs have it.
    implementation: chunked, for any device; fused, for a GPU with Triton; or auto: fused if
        available.
    scale: None, or the factor () of dot products, for descriptors of length 1.
    """
    points = _as_points(desc1, desc2, normalize_vectors=normalize_vectors and scale is None)
    cells, warped, _ = _cells(desc1, grid)
    return _mean(ExpectedDistance(pow), implementation, *points, cells, warped, scale=scale)


def dense_correlation_loss_dve(
    desc1,
    desc2,
    grid,
    pow: float = 0.5,
    normalize_vectors: bool = True,
    fold_corr: bool = False,
    implementation: str = "auto",
    num_auxiliary: int = 1,
    *,
    desc_aux=None,
    scale=None,
):
    """Return the dense equivariance loss with Descriptor Vector Exchange.

    The mean over cells u, and over the batch, of sum over v of |v - g(u)|^pow p(v | u; x, x', xa),
    where p(v | u; x, x', xa) = softmax over v of <sum over w of p(w | u; x, xa) aux_w, desc2_v>:
    ``reference_loss.expected_distance`` of ``reference_loss.exchange``. The auxiliary image xa is
    the first image of the next pair of the batch. Raises ``ValueError`` for a batch of one pair.

    The other arguments are those of ``dense_correlation_loss``. With ``scale``, the rebuilt
    descriptors are scaled to length 1 too.

    num_auxiliary: auxiliary images of a pair, the first images of as many next pairs, which take
        turns from cell to cell; less than the pairs of a batch. Published: 1.
    desc_aux: their descriptors, a list of (B, C, h, w), if several processes share the batch; None:
        desc1, rolled by one pair, by two, ...
    """
    maps = desc1, desc2, desc_aux, num_auxiliary
    points1, points2, auxiliary = _exchanging_points(*maps, normalize_vectors and scale is None)
    cells, warped, _ = _cells(desc1, grid)
    given = points1, points2, cells, warped
    return _mean(ExpectedDistance(pow), implementation, *given, scale=scale, auxiliary=auxiliary)


def dense_likelihood_loss(
    desc1,
    desc2,
    grid,
    sigma: float = 4.5,
    outlier: float = 3,
    every: int = 1,
    implementation: str = "auto",
    *,
    scale=None,
):
    """Return the negative log-likelihood of matches at g(u), blurred by a Gaussian.

    The mean over the cells u whose g(u) is in the frame, and over the batch, of -log(outlier + sum
    over v of p(v | u) exp(-|v - g(u)|^2 / (2 sigma^2))), with the p(v | u) of
    ``dense_correlation_loss``: ``reference_loss.negative_log_likelihood``.

    desc1, desc2, grid, implementation and scale are those of ``dense_correlation_loss``.

    sigma: in input pixels; above 0.
    outlier: above 0; bounds the loss of a cell, so that one whose match is far off hardly counts.
    every: match only each n-th cell u, counted row by row, to save time; 1: all.
    """
    points1, points2 = _as_points(desc1, desc2)
    given = points1[:, ::every], points2, *_cells(desc1, grid, every)
    return _mean(NegativeLogLikelihood(sigma, outlier), implementation, *given, scale=scale)


def dense_likelihood_loss_dve(
    desc1,
    desc2,
    grid,
    sigma: float = 4.5,
    outlier: float = 3,
    every: int = 1,
    implementation: str = "auto",
    num_auxiliary: int = 1,
    *,
    desc_aux=None,
    scale=None,
):
    """Return the likelihood loss with Descriptor Vector Exchange.

    ``dense_likelihood_loss`` of the p(v | u; x, x', xa) of ``dense_correlation_loss_dve``. The
    arguments that are not listed here are those of that function.

    sigma: in input pixels; above 0.
    outlier: above 0; bounds the loss of a cell, so that one whose match is far off hardly counts.
    every: match only each n-th cell u, counted row by row, to save time; 1: all.
    num_auxiliary: auxiliary images of a pair, which take turns from cell to cell.
    """
    points1, points2, auxiliary = _exchanging_points(desc1, desc2, desc_aux, num_auxiliary)
    given = points1[:, ::every], points2, *_cells(desc1, grid, every)
    objective = NegativeLogLikelihood(sigma, outlier)
    return _mean(objective, implementation, *given, scale=scale, auxiliary=auxiliary)


def check_implementation(name, device, *kind):
    """Raise ``ValueError`` unless an implementation of the dense losses is available on a device.

    kind: dtype and number of channels of the descriptors, and the objective, if known.
    """
    if name not in IMPLEMENTATIONS:
        raise ValueError(f"{name!r}, expected one of {', '.join(IMPLEMENTATIONS)}")
    reason = why_not_fused(device, *kind) if name == "fused" else None
    if reason is not None:
        raise ValueError(f"'fused' cannot be had here: {reason}")


def regression_loss(predicted, target, alpha: float = 1):
    """Return the mean smooth L1 loss of normalised landmarks (B, K, 2).

    alpha: factor of both arguments; above 0. Published: 10.
    """
    return F.smooth_l1_loss(alpha * predicted, alpha * target)


def cell_stride(feature_size, input_size):
    """Return the stride s with input = s x features, both (height, width).

    Cell (row i, column j) is at the pixel (x, y) = (s j, s i). Raises ``ValueError`` if no s fits.
    """
    stride = input_size[0] // feature_size[0]
    if tuple(stride * n for n in feature_size) != tuple(input_size):
        raise ValueError(
            f"input {tuple(input_size)} (height, width) is no whole multiple of the features "
            f"{tuple(feature_size)}: choose imwidth and crop such that it is"
        )
    return stride


def _as_points(*descriptors, normalize_vectors=False):
    """Return maps (B, C, h, w) as float32 or float64 points (B, P, C).

    Logits reach 400, too much for half precision.
    """
    points = [desc.flatten(2).mT.contiguous() for desc in descriptors]
    points = [p if p.dtype == torch.float64 else p.float() for p in points]
    if normalize_vectors:
        points = [NORMALISED_LENGTH * F.normalize(p, dim=-1) for p in points]
    return points


def _exchanging_points(desc1, desc2, desc_aux, num_auxiliary, normalize_vectors=False):
    """Return points of both images of each pair, (B, P, C), and of its auxiliary images,
    (num_auxiliary, B, P, C).
    """
    if desc_aux is None and len(desc1) < 2:
        raise ValueError(
            "the exchange needs at least two pairs: each borrows its auxiliary image from the next"
        )
    maps = desc1, desc2, *(desc_aux or ())
    points1, points2, *auxiliary = _as_points(*maps, normalize_vectors=normalize_vectors)
    # The last batch of a validation may be too small for all of them.
    shifts = range(1, min(num_auxiliary, len(desc1) - 1) + 1)
    auxiliary = auxiliary or [points1.roll(-shift, dims=0) for shift in shifts]
    return points1, points2, torch.stack(auxiliary)


def _cells(desc, grid, every=1):
    """Return the ``Cells`` of a map; and of each ``every``-th cell u, row by row, g(u) in
    pixels (B, U, 2), and whether it is in the frame (B, U).
    """
    (h, w), (H, W) = desc.shape[-2:], grid.shape[1:3]
    stride = cell_stride((h, w), (H, W))
    grid = grid[:, ::stride, ::stride].flatten(1, 2)[:, ::every]
    warped = to_pixels(grid, H, W).to(torch.promote_types(desc.dtype, torch.float32))
    return Cells(h, w, stride), warped, (grid.abs() <= 1).all(dim=-1)


def _mean(objective, implementation, a, b, cells, warped, inside=None, *, scale, auxiliary=None):
    """Return the mean of an objective over cells u, and over the pairs of a batch.

    implementation: one of ``IMPLEMENTATIONS``.
    inside: None, or the cells that count, (B, U); the mean of each pair is over these.

    The other arguments are those of ``chunked_loss``.
    """
    weight = torch.ones_like(a[..., 0])
    if inside is not None:
        weight *= inside
        weight *= weight.shape[1] / weight.sum(dim=1, keepdim=True).clamp(min=1)
    with torch.autocast(a.device.type, enabled=False):
        a = a if scale is None else scale * a
        compute = _choose(implementation, a, objective)
        return compute(objective, cells, a, b, auxiliary, scale, warped, weight)


def _choose(implementation, points, objective):
    """Return the function that computes an objective of points (B, P, C)."""
    kind = points.device, points.dtype, points.shape[-1], objective
    check_implementation(implementation, *kind)
    if implementation == "auto" and points.is_cuda:
        reason = why_not_fused(*kind)
        if reason is None:
            return fused_or_chunked_loss
        warnings.warn(f"the loss is computed in chunks, 'fused' cannot be had: {reason}")
    return fused_loss if implementation == "fused" else chunked_loss
