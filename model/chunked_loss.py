"""The expected distance of the dense losses on any device, in chunks of bounded memory."""

from functools import partial

import torch
from torch.autograd.function import once_differentiable

# Entries of p(v | u) in memory at a time: on the CPU 2 MB for each thread, most of which its
# core's caches hold; a GPU needs more to be busy.
CPU_ELEMENTS_PER_THREAD, GPU_ELEMENTS = 1 << 19, 1 << 26


def chunked_expected_distance(a, b, auxiliary, warped, shape, stride, pow):
    """Return the mean over u of sum_v |v - g(u)|^pow p(v | u), p(v | u) = softmax_v(<a_u, b_v>).

    a, b: (B, P, C), descriptors.
    auxiliary: None, or (B, P, C): a_u is replaced by sum_w softmax_w(<a_u, aux_w>) aux_w.
    warped: (B, P, 2), g(u), in pixels; it gets no gradient.
    shape, stride: (h, w), the number of cells v, and their distance in pixels.
    """
    return ChunkedExpectedDistance.apply(a, b, auxiliary, warped, shape, stride, pow)


class ChunkedExpectedDistance(torch.autograd.Function):
    """Computes ``chunked_expected_distance`` and its gradients exactly.

    Since the result is a scalar, its gradients are computed with it, chunk by chunk, and no array
    of size P x P outlives its chunk.
    """

    @staticmethod
    def forward(ctx, a, b, auxiliary, warped, shape, stride, pow):
        B, P, _ = a.shape
        others = (b,) if auxiliary is None else (b, auxiliary)
        grads = None
        if any(ctx.needs_input_grad[:3]):
            grads = torch.empty_like(a), *(torch.zeros_like(other) for other in others)
        total = torch.zeros((), dtype=torch.float64, device=a.device)
        num_samples, num_rows = chunk_size(B, P, a.device)
        # Reused by all chunks, since allocation is slow.
        buffers = [a.new_empty(num_samples, num_rows, P) for _ in (a, *others)]
        for part, rows in _chunks(B, P, num_samples, num_rows):
            query = a[part, rows]
            total += _chunk_distance(
                query,
                *(other[part] for other in others),
                cost=partial(distances, warped[part, rows], shape, stride, pow),
                grads=grads and (grads[0][part, rows], *(grad[part] for grad in grads[1:])),
                buffers=[buffer[: query.shape[0], : query.shape[1]] for buffer in buffers],
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


def _chunk_distance(query, other, auxiliary=None, *, cost, grads, buffers):
    """Return the sum over u of the expected cost, for u in a chunk.

    query: (b, U, C).
    other, auxiliary: (b, P, C).
    cost: callable (out), fills out, (b, U, P), with distances.
    grads: None, or gradients of query, which is overwritten, and of the others, which are added to.
    buffers: workspace, (b, U, P), two tensors, or three with an auxiliary.
    """
    if auxiliary is not None:
        return _exchanged(query, other, auxiliary, cost, grads, buffers)
    scratch, prob = buffers
    _softmax_of_products(query, other, scratch, out=prob)
    weighted = cost(scratch).mul_(prob)
    expected = weighted.sum(dim=-1, keepdim=True)
    if grads is not None:
        grad_query, grad_other = grads
        # dE_u / d<a_u, b_v> = p(v | u) (|v - g(u)|^pow - E_u)
        grad_logits = weighted.addcmul_(prob, expected, value=-1)
        torch.bmm(grad_logits, other, out=grad_query)
        grad_other.baddbmm_(grad_logits.mT, query)
    return expected.sum(dtype=torch.float64)


def _exchanged(query, other, auxiliary, cost, grads, buffers):
    """Return the sum over u of the expected cost of queries rebuilt from auxiliary descriptors.

    query, other, auxiliary, cost, grads, buffers: as in ``_chunk_distance``.
    """
    *buffers, prob = buffers
    scratch = buffers[0]
    _softmax_of_products(query, auxiliary, scratch, out=prob)
    rebuilt = prob @ auxiliary
    if grads is None:
        return _chunk_distance(rebuilt, other, cost=cost, grads=None, buffers=buffers)
    grad_query, grad_other, grad_auxiliary = grads
    grad_rebuilt = torch.empty_like(rebuilt)
    total = _chunk_distance(
        rebuilt, other, cost=cost, grads=(grad_rebuilt, grad_other), buffers=buffers
    )
    grad_auxiliary.baddbmm_(prob.mT, grad_rebuilt)
    mean = (grad_rebuilt * rebuilt).sum(dim=-1, keepdim=True)
    grad_logits = torch.bmm(grad_rebuilt, auxiliary.mT, out=scratch).sub_(mean).mul_(prob)
    torch.bmm(grad_logits, auxiliary, out=grad_query)
    grad_auxiliary.baddbmm_(grad_logits.mT, query)
    return total


def _softmax_of_products(query, other, scratch, out):
    """Fill ``out`` (b, U, P) with softmax_v(<query_u, other_v>)."""
    torch.softmax(torch.bmm(query, other.mT, out=scratch), dim=-1, out=out)


def chunk_limit(device):
    """Return the number of entries of p(v | u) in memory at a time."""
    if device.type == "cpu":
        return CPU_ELEMENTS_PER_THREAD * torch.get_num_threads()
    return GPU_ELEMENTS


def chunk_size(B, P, device):
    """Return (samples, cells u) of a chunk with at most ``chunk_limit`` logits (samples, u, P).

    A chunk is one or more whole samples, or an even part of one.
    """
    limit = chunk_limit(device)
    num_parts = -(-P // max(1, limit // P))
    return max(1, min(B, limit // P**2)), -(-P // num_parts)


def _chunks(B, P, num_samples, num_rows):
    """Yield slices of samples and of their cells u."""
    for sample in range(0, B, num_samples):
        for row in range(0, P, num_rows):
            yield slice(sample, sample + num_samples), slice(row, row + num_rows)


def distances(warped, shape, stride, pow, out):
    """Fill and return ``out`` (B, U, P) with |v - g(u)|^pow, cells v row by row.

    Computed by subtraction along x and y: the matrix product in ``torch.cdist`` loses 0.04 px in
    float32.

    warped: (B, U, 2), g(u).
    """
    y, x = (stride * torch.arange(n, device=warped.device, dtype=warped.dtype) for n in shape)
    along_x = (warped[..., :1] - x).square_()  # (B, U, w)
    along_y = (warped[..., 1:] - y).square_()  # (B, U, h)
    torch.add(along_y[..., :, None], along_x[..., None, :], out=out.unflatten(-1, shape))
    return out.sqrt_().sqrt_() if pow == 0.5 else out.pow_(pow / 2)
