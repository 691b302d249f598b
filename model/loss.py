"""The dense equivariance losses, with and without Descriptor Vector Exchange, and landmark loss.

For a pair of images (x, x') and the warp g, pixel u of x is described by Phi_u(x), and p(v | u) =
softmax over v of <Phi_u(x), Phi_v(x')>. The loss is the mean over u of sum over v of
|v - g(u)|^pow p(v | u) (Thewlis et al., ICCV 2019, section 3), written out in
``model.reference_loss``. The implementations used here do not store P x P matrices of a whole
batch: ``model.chunked_loss`` runs on any device, ``model.fused_loss`` has Triton kernels for
float32 descriptors on a GPU.
"""

import warnings

import torch
import torch.nn.functional as F

from model.chunked_loss import chunked_expected_distance
from model.fused_loss import fused_expected_distance, why_not_fused
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
):
    """Return the dense equivariance loss, in input pixels to the power ``pow``.

    The mean over cells u, and over the batch, of sum over v of |v - g(u)|^pow p(v | u), where
    p(v | u) = softmax over v of <desc1_u, desc2_v>: ``reference_loss.expected_distance``.

    Computed in float32, under autocast too, or in float64 if the descriptors are.

    desc1, desc2: (B, C, h, w), descriptors of x and x'.
    grid: (B, H, W, 2), normalised, g(u) for each pixel of x; H = s h and W = s w for an integer s.
    pow: exponent of distances; above 0.
    normalize_vectors: scale descriptors to length 20 first.
    fold_corr: has no effect; in published configs it selects a slower implementation.
    implementation: chunked, for any device; fused, for a GPU with Triton; or auto: fused if
        available.
    """
    points1, points2 = (_as_points(desc, normalize_vectors) for desc in (desc1, desc2))
    return _mean_distance(points1, points2, None, desc1, grid, pow, implementation)


def dense_correlation_loss_dve(
    desc1,
    desc2,
    grid,
    pow: float = 0.5,
    normalize_vectors: bool = True,
    fold_corr: bool = False,
    implementation: str = "auto",
    *,
    desc_aux=None,
):
    """Return the dense equivariance loss with Descriptor Vector Exchange.

    The mean over cells u, and over the batch, of sum over v of |v - g(u)|^pow p(v | u; x, x', xa),
    where p(v | u; x, x', xa) = softmax over v of <sum over w of p(w | u; x, xa) aux_w, desc2_v>:
    ``reference_loss.expected_distance`` of ``reference_loss.exchange``. The auxiliary image xa is
    the first image of the next pair of the batch.

    The other arguments are those of ``dense_correlation_loss``.

    desc_aux: (B, C, h, w), descriptors of the auxiliary images, if several processes share the
        batch; None: desc1, rolled by one pair.
    """
    points1, points2 = (_as_points(desc, normalize_vectors) for desc in (desc1, desc2))
    if desc_aux is not None:
        auxiliary = _as_points(desc_aux, normalize_vectors)
    elif len(desc1) > 1:
        auxiliary = points1.roll(-1, dims=0)
    else:
        raise ValueError(
            "dense_correlation_loss_dve needs at least two pairs: "
            "each borrows its auxiliary image from the next"
        )
    return _mean_distance(points1, points2, auxiliary, desc1, grid, pow, implementation)


def check_implementation(name, device, *kind):
    """Raise ``ValueError`` unless an implementation of the dense losses is available on a device.

    kind: dtype and number of channels of the descriptors, if known.
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

    Cell (row i, column j) is at the pixel (x, y) = (s j, s i).
    """
    stride = input_size[0] // feature_size[0]
    if tuple(stride * n for n in feature_size) != tuple(input_size):
        raise ValueError(
            f"input {tuple(input_size)} (height, width) is no whole multiple of the features "
            f"{tuple(feature_size)}: choose imwidth and crop such that it is"
        )
    return stride


def _as_points(desc, normalize_vectors):
    """Return a map (B, C, h, w) as float32 or float64 points (B, P, C).

    Logits reach 400, too much for half precision.
    """
    points = desc.flatten(2).mT.contiguous()
    points = points if points.dtype == torch.float64 else points.float()
    return NORMALISED_LENGTH * F.normalize(points, dim=-1) if normalize_vectors else points


def _mean_distance(points1, points2, auxiliary, desc, grid, pow, implementation):
    (h, w), (H, W) = desc.shape[-2:], grid.shape[1:3]
    stride = cell_stride((h, w), (H, W))
    warped = to_pixels(grid[:, ::stride, ::stride], H, W).flatten(1, 2).to(points1.dtype)
    with torch.autocast(desc.device.type, enabled=False):
        compute = _choose(implementation, points1)
        return compute(points1, points2, auxiliary, warped, (h, w), stride, pow)


def _choose(implementation, points):
    """Return the function that computes the expected distance of points (B, P, C)."""
    check_implementation(implementation, points.device, points.dtype, points.shape[-1])
    if implementation == "auto" and points.is_cuda:
        reason = why_not_fused(points.device, points.dtype, points.shape[-1])
        if reason is None:
            implementation = "fused"
        else:
            warnings.warn(f"the loss is computed in chunks, 'fused' cannot be had: {reason}")
    return fused_expected_distance if implementation == "fused" else chunked_expected_distance
