"""Triton kernels of the expected distance, which keep blocks of logits in registers only.

Pointers are to contiguous float32: a, b and their gradients (B, P, C); warped (B, P, 2), g(u) in
pixels; expected and lse (B, P). There are ``width`` cells in a row, ``stride`` pixels apart. The
grid of a kernel is (blocks of rows, B). Each number is summed by one program in one order, so that
results are reproducible to the bit.
"""

import triton
import triton.language as tl


@triton.jit
def _load_points(points, rows, P, C: tl.constexpr, BLOCK_C: tl.constexpr):
    channels = tl.arange(0, BLOCK_C)
    inside = (rows[:, None] < P) & (channels[None, :] < C)
    return tl.load(points + rows[:, None] * C + channels[None, :], mask=inside, other=0.0)


@triton.jit
def _store_points(points, rows, values, P, C: tl.constexpr, BLOCK_C: tl.constexpr):
    channels = tl.arange(0, BLOCK_C)
    inside = (rows[:, None] < P) & (channels[None, :] < C)
    tl.store(points + rows[:, None] * C + channels[None, :], values, mask=inside)


@triton.jit
def _load_warped(warped, rows, P):
    x = tl.load(warped + 2 * rows, mask=rows < P, other=0.0)
    y = tl.load(warped + 2 * rows + 1, mask=rows < P, other=0.0)
    return x, y


@triton.jit
def _costs(x, y, cells, width, stride, POW: tl.constexpr):
    """Return |v - g(u)|^pow for g(u) = (x, y) along one axis and cells v along the other."""
    dx = x - (cells % width * stride).to(tl.float32)
    dy = y - (cells // width * stride).to(tl.float32)
    squared = dx * dx + dy * dy
    if POW == 0.5:
        costs = tl.sqrt(tl.sqrt(squared))
    else:
        costs = tl.exp(0.5 * POW * tl.log(squared))
    return costs


@triton.jit
def forward(
    a, b, warped, expected, lse, P, width, stride,
    C: tl.constexpr, POW: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Store E_u and log-sum-exp over v of <a_u, b_v>, for a block of rows u."""
    sample = tl.program_id(1).to(tl.int64) * P
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    query = _load_points(a + sample * C, rows, P, C, BLOCK_C)
    x, y = _load_warped(warped + 2 * sample, rows, P)
    largest = tl.full([BLOCK], float("-inf"), tl.float32)
    mass = tl.zeros([BLOCK], tl.float32)
    weighted = tl.zeros([BLOCK], tl.float32)
    for start in range(0, P, BLOCK):
        cells = start + tl.arange(0, BLOCK)
        key = _load_points(b + sample * C, cells, P, C, BLOCK_C)
        scores = tl.dot(query, tl.trans(key), input_precision=PRECISION)
        scores = tl.where((cells < P)[None, :], scores, float("-inf"))
        before, largest = largest, tl.maximum(largest, tl.max(scores, axis=1))
        decay = tl.exp(before - largest)
        prob = tl.exp(scores - largest[:, None])
        costs = _costs(x[:, None], y[:, None], cells[None, :], width, stride, POW)
        mass = decay * mass + tl.sum(prob, axis=1)
        weighted = decay * weighted + tl.sum(prob * costs, axis=1)
    tl.store(expected + sample + rows, weighted / mass, mask=rows < P)
    tl.store(lse + sample + rows, largest + tl.log(mass), mask=rows < P)


@triton.jit
def backward_a(
    a, b, warped, expected, lse, scale, grad, P, width, stride,
    C: tl.constexpr, POW: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Store ``scale`` times the gradient of sum_u E_u, for a block of rows u of a.

    dE_u / d<a_u, b_v> = p(v | u) (|v - g(u)|^pow - E_u).
    """
    sample = tl.program_id(1).to(tl.int64) * P
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    query = _load_points(a + sample * C, rows, P, C, BLOCK_C)
    x, y = _load_warped(warped + 2 * sample, rows, P)
    mean = tl.load(expected + sample + rows, mask=rows < P, other=0.0)
    norm = tl.load(lse + sample + rows, mask=rows < P, other=0.0)
    total = tl.zeros([BLOCK, BLOCK_C], tl.float32)
    for start in range(0, P, BLOCK):
        cells = start + tl.arange(0, BLOCK)
        key = _load_points(b + sample * C, cells, P, C, BLOCK_C)
        scores = tl.dot(query, tl.trans(key), input_precision=PRECISION)
        costs = _costs(x[:, None], y[:, None], cells[None, :], width, stride, POW)
        inside = (cells < P)[None, :]
        prob = tl.exp(tl.where(inside, scores - norm[:, None], float("-inf")))
        total += tl.dot(prob * (costs - mean[:, None]), key, input_precision=PRECISION)
    _store_points(grad + sample * C, rows, tl.load(scale) * total, P, C, BLOCK_C)


@triton.jit
def backward_b(
    a, b, warped, expected, lse, scale, grad, P, width, stride,
    C: tl.constexpr, POW: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Store ``scale`` times the gradient of sum_u E_u, for a block of rows v of b.

    Blocks are (v, u). Rows beyond the last one of a are 0 and add nothing.
    """
    sample = tl.program_id(1).to(tl.int64) * P
    cells = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    key = _load_points(b + sample * C, cells, P, C, BLOCK_C)
    total = tl.zeros([BLOCK, BLOCK_C], tl.float32)
    for start in range(0, P, BLOCK):
        rows = start + tl.arange(0, BLOCK)
        query = _load_points(a + sample * C, rows, P, C, BLOCK_C)
        x, y = _load_warped(warped + 2 * sample, rows, P)
        mean = tl.load(expected + sample + rows, mask=rows < P, other=0.0)
        norm = tl.load(lse + sample + rows, mask=rows < P, other=0.0)
        scores = tl.dot(key, tl.trans(query), input_precision=PRECISION)
        costs = _costs(x[None, :], y[None, :], cells[:, None], width, stride, POW)
        prob = tl.exp(scores - norm[None, :])
        total += tl.dot(prob * (costs - mean[None, :]), query, input_precision=PRECISION)
    _store_points(grad + sample * C, cells, tl.load(scale) * total, P, C, BLOCK_C)
