"""The expected distance of the dense losses on any device, in chunks that stay small."""

import torch
from torch.autograd.function import once_differentiable

# Entries of p(v | u) held at a time: on the CPU, for each thread, 1 MB, about what a core's own
# cache holds; a GPU wants more at once.
CPU_ELEMENTS_PER_THREAD, GPU_ELEMENTS = 1 << 18, 1 << 26


def chunked_expected_distance(a, b, auxiliary, warped, shape, stride, pow):
    """Return the mean over u of sum_v |v - g(u)|^pow p(v | u), p(v | u) = softmax_v(<a_u, b_v>).

    a, b: (B, P, C); auxiliary: (B, P, C), from which each a_u is first rebuilt, as sum_w
    softmax_w(<a_u, aux_w>) aux_w, or None; warped: (B, P, 2), g(u), in pixels; shape, stride:
    (h, w) cells v, that many pixels apart. ``warped`` has no gradient.
    """
    return ChunkedExpectedDistance.apply(a, b, auxiliary, warped, shape, stride, pow)


class ChunkedExpectedDistance(torch.autograd.Function):
    """See ``chunked_expected_distance``; exact.

    Since the result is one number, its gradients can be formed together with it, chunk by chunk,
    and nothing of size P x P outlives its chunk.
    """

    @staticmethod
    def forward(ctx, a, b, auxiliary, warped, shape, stride, pow):
        B, P, _ = a.shape
        others = (b,) if auxiliary is None else (b, auxiliary)
        grads = None
        if any(ctx.needs_input_grad[:3]):
            grads = torch.empty_like(a), *(torch.zeros_like(other) for other in others)
        total = torch.zeros((), dtype=torch.float64, device=a.device)
        for part, rows in _chunks(B, P, chunk_limit(a.device)):
            total += _expected_distance(
                a[part, rows],
                *(other[part] for other in others),
                cost=distances(warped[part, rows], shape, stride, pow),
                grads=grads and (grads[0][part, rows], *(grad[part] for grad in grads[1:])),
            )
        if grads is not None:
            ctx.save_for_backward(*grads)
        return (total / (B * P)).to(a.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        B, P, _ = ctx.saved_tensors[0].shape
        grads = [grad * (grad_output / (B * P)) for grad in ctx.saved_tensors]
        return *grads, *[None] * (7 - len(grads))


def _expected_distance(query, other, auxiliary=None, *, cost, grads):
    """Return the sum over u of the expected cost, for u in a chunk.

    query: (b, U, C); other, auxiliary: (b, P, C); cost: (b, U, P), overwritten; grads: None, or a
    tensor for each of the former, that of the query to be filled, the others to be added to.
    """
    if auxiliary is not None:
        return _exchanged(query, other, auxiliary, cost, grads)
    prob = (query @ other.mT).softmax(dim=-1)
    weighted = cost.mul_(prob)
    expected = weighted.sum(dim=-1, keepdim=True)
    if grads is not None:
        grad_query, grad_other = grads
        # dE_u / d<a_u, b_v> = p(v | u) (|v - g(u)|^pow - E_u)
        grad_logits = weighted.addcmul_(prob, expected, value=-1)
        torch.matmul(grad_logits, other, out=grad_query)
        grad_other.baddbmm_(grad_logits.mT, query)
    return expected.sum(dtype=torch.float64)


def _exchanged(query, other, auxiliary, cost, grads):
    """The same for queries that are rebuilt from auxiliary descriptors."""
    prob = (query @ auxiliary.mT).softmax(dim=-1)
    rebuilt = prob @ auxiliary
    if grads is None:
        return _expected_distance(rebuilt, other, cost=cost, grads=None)
    grad_query, grad_other, grad_auxiliary = grads
    grad_rebuilt = torch.empty_like(rebuilt)
    total = _expected_distance(rebuilt, other, cost=cost, grads=(grad_rebuilt, grad_other))
    grad_auxiliary.baddbmm_(prob.mT, grad_rebuilt)
    mean = (grad_rebuilt * rebuilt).sum(dim=-1, keepdim=True)
    grad_logits = (grad_rebuilt @ auxiliary.mT).sub_(mean).mul_(prob)
    torch.matmul(grad_logits, auxiliary, out=grad_query)
    grad_auxiliary.baddbmm_(grad_logits.mT, query)
    return total


def chunk_limit(device):
    """Return how many entries of p(v | u) to hold at a time."""
    if device.type == "cpu":
        return CPU_ELEMENTS_PER_THREAD * torch.get_num_threads()
    return GPU_ELEMENTS


def _chunks(B, P, limit):
    """Yield slices of samples and of their cells u, such that there are at most ``limit`` logits
    (samples, cells u, P): several samples whole, or a part of one.
    """
    num_samples, num_rows = max(1, limit // P**2), max(1, min(P, limit // P))
    for sample in range(0, B, num_samples):
        for row in range(0, P, num_rows):
            yield slice(sample, sample + num_samples), slice(row, row + num_rows)


def distances(warped, shape, stride, pow):
    """Return |v - g(u)|^pow, (B, U, P), for g(u) (B, U, 2) and the cells v, row by row.

    By subtraction, along x and y apart: the matrix-product form of ``torch.cdist`` loses 0.04 px in
    float32.
    """
    y, x = (stride * torch.arange(n, device=warped.device, dtype=warped.dtype) for n in shape)
    along_x = (warped[..., :1] - x).square_()  # (B, U, w)
    along_y = (warped[..., 1:] - y).square_()  # (B, U, h)
    squared = (along_y[..., :, None] + along_x[..., None, :]).flatten(2)
    return squared.sqrt_().sqrt_() if pow == 0.5 else squared.pow_(pow / 2)
