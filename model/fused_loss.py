"""The dense losses on a GPU, without storing P x P matrices.

The exchange is torch's fused attention; the rest are the Triton kernels in ``model.fused_kernels``,
imported when they are used, since Triton may not be installed.
"""

import warnings
from functools import cache
from importlib.util import find_spec
from os import environ

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable
from torch.nn.attention import SDPBackend, sdpa_kernel

from model.chunked_loss import chunked_loss
from model.objectives import Cells, ExpectedDistance
from utils.errors import one_line

HEAD_MULTIPLE = 8  # fused attention takes multiples of this number of channels
LEAST_CHANNELS, MOST_CHANNELS = 16, 128  # of a block in the kernels
TRIAL_CELLS = Cells(9, 15, 2)
TRIAL_TOLERANCE = 1e-3  # relative; in float32, all are off by 1e-5 or less
# Without the implementation that stores P x P.
FUSED_ATTENTION = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.FLASH_ATTENTION]

FAILED_AT_WORK = {}  # {device: why}, where a trial went well and a training did not


def fused_or_chunked_loss(objective, cells, a, *more):
    """Return ``fused_loss`` or, if that fails at this size, ``chunked_loss``; from then on, "auto"
    means "chunked" on this device.
    """
    try:
        return fused_loss(objective, cells, a, *more)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # Triton and attention can raise anything
        _give_up(a.device, error)
        return chunked_loss(objective, cells, a, *more)


def _give_up(device, error):
    FAILED_AT_WORK[device] = f"{type(error).__name__}: {one_line(error)}"
    warnings.warn(f"the loss is computed in chunks from now on: {FAILED_AT_WORK[device]}")


def fused_loss(objective, cells, a, b, auxiliary, scale, warped, weight):
    """Return ``chunked_loss`` of the same arguments, in float32."""
    if auxiliary is not None:
        a = exchange(a, auxiliary)
        if scale is not None:
            a = scale * F.normalize(a, dim=-1)
    return FusedLoss.apply(objective, cells, a, b, warped, weight)


def exchange(points, auxiliary):
    """Return descriptors (B, P, C) rebuilt from auxiliary ones (k, B, P, C), by attention.

    The sum over w of p(w | u; x, xa) Phi_w(xa), where xa is auxiliary image u mod k.
    """
    C, step = points.shape[-1], len(auxiliary)
    rebuilt = torch.empty_like(points)
    for number, of_image in enumerate(auxiliary):
        maps = points[:, number::step], of_image
        query, key = (F.pad(p, (0, -C % HEAD_MULTIPLE))[:, None] for p in maps)
        with sdpa_kernel(FUSED_ATTENTION):
            found = F.scaled_dot_product_attention(query, key, key, scale=1)
        rebuilt[:, number::step] = found[:, 0, :, :C]
    return rebuilt


class FusedLoss(torch.autograd.Function):
    """Computes the weighted mean over u of an objective of softmax_v(<a_u, b_v>).

    A few numbers of each row are saved for the backward pass, which recomputes the logits. Products
    are in float32, without TF32.
    """

    @staticmethod
    def forward(ctx, objective, cells, a, b, warped, weight):
        from model.fused_kernels import forward

        a, b, warped = a.contiguous(), b.contiguous(), warped.contiguous()
        expected, lse = (a.new_empty(a.shape[:2]) for _ in range(2))
        _start(forward, objective, cells, a, b, warped, expected, lse)
        values, slopes = objective.of_expectation(expected)
        ctx.objective, ctx.cells = objective, cells
        ctx.save_for_backward(a, b, warped, expected, lse, slopes, weight)
        return (values * weight).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        try:
            return FusedLoss._gradients(ctx, grad_output)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            a, b, warped, *_, weight = ctx.saved_tensors
            _give_up(a.device, error)
        leaves = [points.detach().requires_grad_() for points in (a, b)]
        with torch.enable_grad():
            value = chunked_loss(ctx.objective, ctx.cells, *leaves, None, None, warped, weight)
        return None, None, *torch.autograd.grad(value, leaves, grad_output), None, None

    @staticmethod
    def _gradients(ctx, grad_output):
        from model.fused_kernels import backward_a, backward_b

        *tensors, slopes, weight = ctx.saved_tensors
        weight = slopes * weight * (grad_output / weight.numel())
        grads = [None] * 6
        for number, kernel in ((2, backward_a), (3, backward_b)):
            if ctx.needs_input_grad[number]:
                grads[number] = torch.empty_like(tensors[number - 2])
                _start(kernel, ctx.objective, ctx.cells, *tensors, weight, grads[number])
        return (*grads,)


def _start(kernel, objective, cells, *tensors):
    (B, U, C), P = tensors[0].shape, tensors[1].shape[1]
    blocks, num_warps = block_sizes(C)
    with torch.cuda.device_of(tensors[0]):
        num_rows = tensors[-1].shape[1]  # of what the kernel stores
        kernel[-(-num_rows // blocks["BLOCK"]), B](
            *tensors,
            U,
            P,
            cells.w,
            cells.stride,
            C=C,
            **objective.constants(),
            **blocks,
            num_warps=num_warps,
        )


def block_sizes(channels):
    """Return the sizes of the kernels' blocks of cells and of channels, and the number of warps."""
    block, num_warps = (64, 8) if channels <= 32 else (32, 4)  # to fit the registers
    blocks = {"BLOCK": block, "BLOCK_C": max(LEAST_CHANNELS, 1 << (channels - 1).bit_length())}
    return blocks, num_warps


def why_not_fused(
    device, dtype=torch.float32, channels=LEAST_CHANNELS, objective=ExpectedDistance(0.5)
):
    """Return why this implementation is not available, None if it is.

    It is tried out, once for each device, number of channels and objective. Triton's interpreter
    (TRITON_INTERPRET=1) runs it on the CPU, slowly.
    """
    if device.type != "cuda" and environ.get("TRITON_INTERPRET") != "1":
        return f"it takes a GPU (--device 0), this is {device}"
    if find_spec("triton") is None:
        return "the package triton is not installed"
    if dtype != torch.float32:
        return f"it takes float32, these descriptors are {str(dtype).rpartition('.')[2]}"
    if channels > MOST_CHANNELS:
        return f"it takes at most {MOST_CHANNELS} channels, these descriptors have {channels}"
    if device in FAILED_AT_WORK:
        return FAILED_AT_WORK[device]
    return why_it_fails(device, channels, objective)


@cache
def why_it_fails(device, channels, objective):
    """Return why a trial of it fails, or None: Triton needs a recent GPU and a C compiler.

    Value and gradients are compared with those of ``chunked_loss``, on several blocks of cells, the
    last of which is incomplete.
    """
    generator = torch.Generator().manual_seed(0)
    (h, w, stride), length = TRIAL_CELLS, (LEAST_CHANNELS / channels) ** 0.5
    try:
        with torch.inference_mode(False), torch.enable_grad():
            maps = length * torch.randn(3, 2, h * w, channels, generator=generator)
            warped = stride * w * torch.rand(2, h * w, 2, generator=generator)
            found, expected = (
                _value_and_gradients(loss, objective, maps.to(device), warped.to(device))
                for loss in (fused_loss, chunked_loss)
            )
            for name, ours, theirs in zip(("value", *"abc"), found, expected):
                error = ((ours - theirs).norm() / theirs.norm()).item()
                if not error < TRIAL_TOLERANCE:  # NaN is not
                    what = name if name == "value" else f"gradient of {name}"
                    return f"its numbers are wrong here: the {what} is off by {error:.2g}"
    except Exception as error:  # Triton and attention can raise anything
        return f"{type(error).__name__}: {one_line(error)}"
    return None


def _value_and_gradients(loss, objective, maps, warped):
    a, b, auxiliary = leaves = [points.clone().requires_grad_() for points in maps]
    weight = torch.ones_like(a[..., 0])
    value = loss(objective, TRIAL_CELLS, a, b, auxiliary[None], None, warped, weight)
    return value, *torch.autograd.grad(value, leaves)
