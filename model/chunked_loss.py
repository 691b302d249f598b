"""The dense losses on any device, in chunks of bounded memory."""

from functools import partial

import torch
from torch.autograd.function import once_differentiable

from utils.transfer import sum_dtype

# Entries of p(v | u) in memory at a time: on the CPU 2 MB for each thread, most of which its
# core's caches hold; a GPU needs more to be busy.
CPU_ELEMENTS_PER_THREAD, GPU_ELEMENTS = 1 << 19, 1 << 26
LEAST_LENGTH = 1e-12  # that a rebuilt descriptor is divided by


def chunked_loss(objective, cells, a, b, auxiliary, scale, warped, weight):
    """Return the mean over u of an objective of p(v | u) = softmax_v(<a_u, b_v>).

    objective: ``model.objectives.Objective``.
    cells: the ``model.objectives.Cells`` v, P of them.
    a: (B, U, C), descriptors of cells u.
    b: (B, P, C), descriptors of cells v.
    auxiliary: None, or (k, B, P, C): a_u is replaced by sum_w softmax_w(<a_u, aux_w>) aux_w, where
        aux is auxiliary[u mod k].
    scale: None, or the length () that this sum is scaled to.
    warped: (B, U, 2), g(u), in pixels; it gets no gradient.
    weight: of cells u in the mean, (B, U); it gets no gradient.
    """
    return ChunkedLoss.apply(objective, cells, a, b, auxiliary, scale, warped, weight)


class ChunkedLoss(torch.autograd.Function):
    """Computes ``chunked_loss`` and its gradients exactly.

    Since the result is a scalar, its gradients are computed with it, chunk by chunk, and no array
    of size P x P outlives its chunk.
    """

    @staticmethod
    def forward(ctx, objective, cells, a, b, auxiliary, scale, warped, weight):
        (B, U, _), P = a.shape, b.shape[1]
        wanted = any(ctx.needs_input_grad)
        grads = [
            torch.zeros_like(x) if wanted and x is not None else None
            for x in (a, b, auxiliary, scale)
        ]
        grad_a, grad_b, grad_auxiliary, grad_scale = grads
        total = torch.zeros((), dtype=sum_dtype(a.device), device=a.device)
        num_auxiliary = 1 if auxiliary is None else len(auxiliary)
        num_samples, num_rows = chunk_size(B, U, P, a.device)
        # Reused by all chunks, since allocation is slow: logits, p(v | u), and p(w | u).
        num_buffers = 2 if auxiliary is None else 3
        buffers = [a.new_empty(num_samples, num_rows, P) for _ in range(num_buffers)]
        for number, part, rows in _chunks(B, U, num_samples, num_rows, num_auxiliary):
            query = a[part, rows]
            logits, prob, *shares = (x[: query.shape[0], : query.shape[1]] for x in buffers)
            place = b[part], warped[part, rows], weight[part, rows, None]
            compute = partial(_match, objective, cells, *place, _at(grad_b, part), (logits, prob))
            if auxiliary is not None:
                grads_of_exchange = _at(grad_auxiliary, number, part), grad_scale
                through = auxiliary[number, part], scale, *grads_of_exchange, (logits, *shares)
                compute = partial(_exchange, compute, *through)
            value, grad_query = compute(query)
            total += value
            if wanted:
                grad_a[part, rows] = grad_query
        if wanted:
            ctx.save_for_backward(*grads)
        return (total / (B * U)).to(a.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        B, U, _ = ctx.saved_tensors[0].shape
        scale = grad_output / (B * U)
        grads = (None if x is None else x * scale for x in ctx.saved_tensors)
        return None, None, *grads, None, None


def _match(objective, cells, other, warped, weight, grad_other, workspace, query):
    """Return the sum over u of the objective, for u in a chunk, and its gradient (b, U, C).

    other: (b, P, C).
    warped: (b, U, 2).
    weight: (b, U, 1).
    grad_other: gradient of ``other``, added to; None: no gradients are wanted.
    workspace: two tensors (b, U, P).
    query: (b, U, C).
    """
    logits, prob = workspace
    torch.bmm(query, other.mT, out=logits)
    expected, grad_logits = objective.expectation(logits, cells, warped, prob)
    values, slopes = objective.of_expectation(expected)
    value = (values * weight).sum(dtype=sum_dtype(values.device))
    if grad_other is None:
        return value, None
    slopes = slopes * weight
    grad_other.baddbmm_(grad_logits.mT, query * slopes)
    return value, (grad_logits @ other) * slopes


def _exchange(match, auxiliary, scale, grad_auxiliary, grad_scale, workspace, query):
    """Return what ``match`` returns for a query rebuilt from auxiliary descriptors.

    match: callable (query) -> (value, gradient); it may use the first tensor of ``workspace``.
    auxiliary, grad_auxiliary: (b, P, C); gradients are added to.
    scale, grad_scale: None, or (), the length of a rebuilt query.
    """
    scratch, shares = workspace
    torch.softmax(torch.bmm(query, auxiliary.mT, out=scratch), dim=-1, out=shares)
    rebuilt = shares @ auxiliary
    if scale is None:
        value, grad_rebuilt = match(rebuilt)
    else:
        length = rebuilt.norm(dim=-1, keepdim=True).clamp_(min=LEAST_LENGTH)
        unit = rebuilt / length
        value, grad = match(scale * unit)
    if grad_auxiliary is None:
        return value, None
    if scale is not None:
        along = (grad * unit).sum(dim=-1, keepdim=True)
        grad_scale += along.sum()
        grad_rebuilt = (grad - along * unit) * (scale / length)
    grad_auxiliary.baddbmm_(shares.mT, grad_rebuilt)
    mean = (grad_rebuilt * rebuilt).sum(dim=-1, keepdim=True)
    grad_logits = torch.bmm(grad_rebuilt, auxiliary.mT, out=scratch).sub_(mean).mul_(shares)
    grad_auxiliary.baddbmm_(grad_logits.mT, query)
    return value, grad_logits @ auxiliary


def _at(tensor, *index):
    return None if tensor is None else tensor[index]


def chunk_limit(device):
    """Return the number of entries of p(v | u) in memory at a time."""
    if device.type == "cpu":
        return CPU_ELEMENTS_PER_THREAD * torch.get_num_threads()
    return GPU_ELEMENTS


def chunk_size(B, U, P, device):
    """Return (samples, cells u) of a chunk with at most ``chunk_limit`` logits (samples, u, P).

    A chunk is one or more whole samples, or an even part of one.
    """
    limit = chunk_limit(device)
    num_parts = -(-U // max(1, limit // P))
    return max(1, min(B, limit // (U * P))), -(-U // num_parts)


def _chunks(B, U, num_samples, num_rows, num_auxiliary):
    """Yield the number of an auxiliary image, and slices of samples and of their cells u."""
    step = num_auxiliary
    for number in range(num_auxiliary):
        for sample in range(0, B, num_samples):
            for row in range(number, U, step * num_rows):
                rows = slice(row, min(U, row + step * num_rows), step)
                yield number, slice(sample, sample + num_samples), rows
