"""The losses: dense equivariance, with or without Descriptor Vector Exchange, and landmark
regression.

For a pair of images (x, x') and the warp g, pixel u of x is described by Phi_u(x), and
p(v | u) = softmax over v of <Phi_u(x), Phi_v(x')>. The loss is the mean over u of sum_v |v -
g(u)|^pow p(v | u) (Thewlis et al., ICCV 2019, section 3). No (cells x cells) matrix of the whole
batch is ever stored: see ``expected_distance``.
"""

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from utils.tps import to_pixels

NORMALISED_LENGTH = 20  # of every descriptor, where vectors are normalised
# Entries of p(v | u) held at a time: on the CPU 8 MB, which caches can hold; a GPU wants more.
CHUNK_ELEMENTS = {"cpu": 1 << 21, "cuda": 1 << 26}
HEAD_MULTIPLE = 8  # channels that fused attention wants a multiple of, lest it store P x P


def dense_correlation_loss(
    desc1, desc2, grid, pow: float = 0.5, normalize_vectors: bool = True, fold_corr: bool = False
):
    """Dense equivariance loss, in input pixels to the power ``pow``.

    desc1, desc2: (B, C, h, w), descriptors of x and x'; grid: (B, H, W, 2), normalised, g(u) for
    each pixel of x, with H = s h and W = s w for a whole stride s.

    pow: the power of distances; above 0.
    normalize_vectors: scale each descriptor to length 20 first.
    fold_corr: once chose a slower version; the answer never depended on it.
    """
    points1, points2 = (_describe(desc, normalize_vectors) for desc in (desc1, desc2))
    return _expected_distance_on_cells(points1, points2, desc1, grid, pow)


def dense_correlation_loss_dve(
    desc1,
    desc2,
    grid,
    pow: float = 0.5,
    normalize_vectors: bool = True,
    fold_corr: bool = False,
    *,
    desc_aux=None,
):
    """The same with the exchange.

    Phi_u(x) is first rebuilt from an unrelated image, that of the next pair in the batch; where
    the batch is shared by several processes, ``desc_aux`` (B, C, h, w) are its descriptors.
    """
    if desc_aux is None:
        if len(desc1) < 2:
            raise ValueError(
                "dense_correlation_loss_dve needs at least two pairs: "
                "each borrows its auxiliary image from the next"
            )
        desc_aux = desc1.roll(-1, dims=0)
    points1, points2, auxiliary = (
        _describe(desc, normalize_vectors) for desc in (desc1, desc2, desc_aux)
    )
    return _expected_distance_on_cells(exchange(points1, auxiliary), points2, desc1, grid, pow)


def exchange(points, auxiliary):
    """Rebuild descriptors (B, P, C) from those of auxiliary images.

    Sum_w p(w | u; x, xa) Phi_w(xa), which is attention.
    """
    C = points.shape[-1]
    query, key = (F.pad(p, (0, -C % HEAD_MULTIPLE))[:, None] for p in (points, auxiliary))
    with torch.autocast(points.device.type, enabled=False):
        rebuilt = F.scaled_dot_product_attention(query, key, key, scale=1)
    return rebuilt[:, 0, :, :C]


def regression_loss(predicted, target, alpha: float = 1):
    """Smooth L1 of normalised landmarks (B, K, 2), as a mean.

    alpha: both are multiplied by it; above 0. Published: 10.
    """
    return F.smooth_l1_loss(alpha * predicted, alpha * target)


def cell_stride(feature_size, input_size):
    """Return s such that input = s x features, both (height, width).

    Cell (i, j) stands for the pixel (s j, s i).
    """
    stride = input_size[0] // feature_size[0]
    if tuple(stride * n for n in feature_size) != tuple(input_size):
        raise ValueError(
            f"input {tuple(input_size)} (height, width) is no whole multiple of the features "
            f"{tuple(feature_size)}: choose imwidth and crop such that it is"
        )
    return stride


def _describe(desc, normalize_vectors):
    """(B, C, h, w) to float32 or float64 points (B, P, C).

    Logits reach 400, too much for half precision.
    """
    points = desc.flatten(2).mT.contiguous()
    points = points if points.dtype == torch.float64 else points.float()
    return NORMALISED_LENGTH * F.normalize(points, dim=-1) if normalize_vectors else points


def _expected_distance_on_cells(points1, points2, desc, grid, pow):
    H, W = grid.shape[1:3]
    stride = cell_stride(desc.shape[-2:], (H, W))
    warped = to_pixels(grid[:, ::stride, ::stride], H, W).flatten(1, 2).to(points1.dtype)
    y, x = torch.meshgrid(
        *(torch.arange(0, n, stride, device=desc.device) for n in (H, W)), indexing="ij"
    )
    pixels = torch.stack([x, y], dim=-1).reshape(-1, 2).to(points1.dtype)
    with torch.autocast(desc.device.type, enabled=False):
        return ExpectedDistance.apply(points1, points2, warped, pixels, pow)


class ExpectedDistance(torch.autograd.Function):
    """Mean over u of sum_v |v - g(u)|^pow softmax_v(<a_u, b_v>), exact, in chunks that stay small.

    Since the result is one number, its gradients can be formed together with it, chunk by chunk:
    dE_u / d<a_u, b_v> = p(v | u) (|v - g(u)|^pow - E_u). Nothing of size P x P outlives its chunk.

    a, b: (B, P, C); warped: (B, P, 2), g(u), and pixels: (P, 2), v, in pixels; neither has a
    gradient.
    """

    @staticmethod
    def forward(ctx, a, b, warped, pixels, pow):
        B, P, _ = a.shape
        needs_gradient = any(ctx.needs_input_grad[:2])
        grad_a, grad_b = (
            (torch.empty_like(a), torch.zeros_like(b)) if needs_gradient else (None, None)
        )
        total = a.new_zeros(())
        for part, rows in _chunks(B, P, CHUNK_ELEMENTS[a.device.type]):
            prob = (a[part, rows] @ b[part].mT).softmax(dim=-1)
            cost = distances(warped[part, rows], pixels, pow)
            expected = torch.einsum("buv,buv->bu", prob, cost)
            total += expected.sum()
            if needs_gradient:
                grad_logits = prob.mul_(cost.sub_(expected[..., None]))
                torch.matmul(grad_logits, b[part], out=grad_a[part, rows])
                grad_b[part].baddbmm_(grad_logits.mT, a[part, rows])
        ctx.save_for_backward(grad_a, grad_b)
        return total / (B * P)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        grad_a, grad_b = ctx.saved_tensors
        B, P, _ = grad_a.shape
        factor = grad_output / (B * P)
        return grad_a * factor, grad_b * factor, None, None, None


def _chunks(B, P, limit):
    """Yield slices of samples and of their cells u, such that there are at most ``limit`` logits
    (samples, cells u, P): several samples whole, or a part of one.
    """
    num_samples, num_rows = max(1, limit // P**2), max(1, min(P, limit // P))
    for sample in range(0, B, num_samples):
        for row in range(0, P, num_rows):
            yield slice(sample, sample + num_samples), slice(row, row + num_rows)


def distances(warped, pixels, pow):
    """Return |v - g(u)|^pow, (B, U, V), for g(u) (B, U, 2) and v (V, 2).

    By subtraction: the matrix-product form of ``torch.cdist`` loses 0.04 px in float32.
    """
    squared = (warped[..., :1] - pixels[:, 0]).square_()
    squared += (warped[..., 1:] - pixels[:, 1]).square_()
    return squared.sqrt_().sqrt_() if pow == 0.5 else squared.pow_(pow / 2)
