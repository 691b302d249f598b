"""Triton kernels of the dense losses, which keep blocks of logits in registers only.

They compute the expectation E_u of an objective (``model.objectives``), f(|v - g(u)|) averaged over
v with the weights p(v | u), softmax over v of <a_u, b_v>, and its gradients. f(d) is d^POW or, if
SIGMA is not 0, exp(-d^2 / (2 SIGMA^2)).

Pointers are to contiguous float32: a and its gradient (B, U, C); b and its gradient (B, P, C);
warped (B, U, 2), g(u) in pixels; expected, E_u, and lse, the log-sum-exp over v of the logits, and
weight, the derivative of the loss with respect to E_u, (B, U). There are ``width`` cells v in a
row, ``stride`` pixels apart. The grid of a kernel is (blocks of rows, B). Products are in float32,
without TF32. Each number is summed by one program in one order, so that results are reproducible to
the bit.
"""

import triton
import triton.language as tl


@triton.jit
def _offsets(U, P):
    """Return the numbers of a sample's first cells u and v."""
    sample = tl.program_id(1).to(tl.int64)
    return sample * U, sample * P


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
def _measures(x, y, cells, width, stride, POW: tl.constexpr, SIGMA: tl.constexpr):
    """Return f(|v - g(u)|) for g(u) = (x, y) along one axis and cells v along the other."""
    dx = x - (cells % width * stride).to(tl.float32)
    dy = y - (cells // width * stride).to(tl.float32)
    squared = dx * dx + dy * dy
    if SIGMA > 0:
        measures = tl.exp(squared * (-0.5 / (SIGMA * SIGMA)))
    elif POW == 0.5:
        measures = tl.sqrt(tl.sqrt(squared))
    else:
        measures = tl.exp(0.5 * POW * tl.log(squared))
    return measures


@triton.jit
def forward(
    a, b, warped, expected, lse, U, P, width, stride,
    C: tl.constexpr, POW: tl.constexpr, SIGMA: tl.constexpr,
    BLOCK: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Store E_u and lse of a block of rows u."""
    first, sample = _offsets(U, P)
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    query = _load_points(a + first * C, rows, U, C, BLOCK_C)
    x, y = _load_warped(warped + 2 * first, rows, U)
    largest = tl.full([BLOCK], float("-inf"), tl.float32)
    mass = tl.zeros([BLOCK], tl.float32)
    weighted = tl.zeros([BLOCK], tl.float32)
    for start in range(0, P, BLOCK):
        cells = start + tl.arange(0, BLOCK)
        key = _load_points(b + sample * C, cells, P, C, BLOCK_C)
        scores = tl.dot(query, tl.trans(key), input_precision="ieee")
        scores = tl.where((cells < P)[None, :], scores, float("-inf"))
        measures = _measures(x[:, None], y[:, None], cells[None, :], width, stride, POW, SIGMA)
        before, largest = largest, tl.maximum(largest, tl.max(scores, axis=1))
        decay = tl.exp(before - largest)
        prob = tl.exp(scores - largest[:, None])
        mass = decay * mass + tl.sum(prob, axis=1)
        weighted = decay * weighted + tl.sum(prob * measures, axis=1)
    tl.store(expected + first + rows, weighted / mass, mask=rows < U)
    tl.store(lse + first + rows, largest + tl.log(mass), mask=rows < U)


@triton.jit
def backward_a(
    a, b, warped, expected, lse, weight, grad, U, P, width, stride,
    C: tl.constexpr, POW: tl.constexpr, SIGMA: tl.constexpr,
    BLOCK: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Store the gradient of the weighted sum of E_u, for a block of rows u of a."""
    first, sample = _offsets(U, P)
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    query = _load_points(a + first * C, rows, U, C, BLOCK_C)
    x, y = _load_warped(warped + 2 * first, rows, U)
    mean = tl.load(expected + first + rows, mask=rows < U, other=0.0)
    norm = tl.load(lse + first + rows, mask=rows < U, other=0.0)
    share = tl.load(weight + first + rows, mask=rows < U, other=0.0)
    total = tl.zeros([BLOCK, BLOCK_C], tl.float32)
    for start in range(0, P, BLOCK):
        cells = start + tl.arange(0, BLOCK)
        key = _load_points(b + sample * C, cells, P, C, BLOCK_C)
        scores = tl.dot(query, tl.trans(key), input_precision="ieee")
        scores = tl.where((cells < P)[None, :], scores, float("-inf"))
        measures = _measures(x[:, None], y[:, None], cells[None, :], width, stride, POW, SIGMA)
        gradient = tl.exp(scores - norm[:, None]) * (measures - mean[:, None])
        total += tl.dot(gradient, key, input_precision="ieee")
    _store_points(grad + first * C, rows, share[:, None] * total, U, C, BLOCK_C)


@triton.jit
def backward_b(
    a, b, warped, expected, lse, weight, grad, U, P, width, stride,
    C: tl.constexpr, POW: tl.constexpr, SIGMA: tl.constexpr,
    BLOCK: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Store the gradient of the weighted sum of E_u, for a block of rows v of b.

    Blocks are (v, u). Rows beyond the last one of a have weight 0 and add nothing.
    """
    first, sample = _offsets(U, P)
    cells = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    key = _load_points(b + sample * C, cells, P, C, BLOCK_C)
    total = tl.zeros([BLOCK, BLOCK_C], tl.float32)
    for start in range(0, P, BLOCK):
        rows = start + tl.arange(0, BLOCK)
        query = _load_points(a + first * C, rows, U, C, BLOCK_C)
        x, y = _load_warped(warped + 2 * first, rows, U)
        mean = tl.load(expected + first + rows, mask=rows < U, other=0.0)
        norm = tl.load(lse + first + rows, mask=rows < U, other=0.0)
        share = tl.load(weight + first + rows, mask=rows < U, other=0.0)
        scores = tl.dot(key, tl.trans(query), input_precision="ieee")
        measures = _measures(x[None, :], y[None, :], cells[:, None], width, stride, POW, SIGMA)
        gradient = tl.exp(scores - norm[None, :]) * (measures - mean[None, :])
        total += tl.dot(gradient * share[None, :], query, input_precision="ieee")
    _store_points(grad + sample * C, cells, total, P, C, BLOCK_C)
