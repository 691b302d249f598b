"""The expected distance of the dense losses on a GPU, without storing P x P matrices.

The exchange is torch's fused attention; the rest are the Triton kernels in ``model.fused_kernels``,
imported when they are used, since Triton may not be installed.
"""

from functools import cache
from importlib.util import find_spec
from os import environ

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable
from torch.nn.attention import SDPBackend, sdpa_kernel

HEAD_MULTIPLE = 8  # fused attention takes multiples of this number of channels
LEAST_CHANNELS, MOST_CHANNELS = 16, 128  # of a block in the kernels
# Without the implementation that stores P x P.
FUSED_ATTENTION = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.FLASH_ATTENTION]


def fused_expected_distance(a, b, auxiliary, warped, shape, stride, pow):
    """Return ``chunked_expected_distance`` of the same arguments, in float32."""
    if auxiliary is not None:
        a = exchange(a, auxiliary)
    return FusedExpectedDistance.apply(a, b, warped, shape, stride, pow)


def exchange(points, auxiliary):
    """Return descriptors (B, P, C) rebuilt from auxiliary ones, by attention.

    The sum over w of p(w | u; x, xa) Phi_w(xa).
    """
    C = points.shape[-1]
    query, key = (F.pad(p, (0, -C % HEAD_MULTIPLE))[:, None] for p in (points, auxiliary))
    with sdpa_kernel(FUSED_ATTENTION):
        rebuilt = F.scaled_dot_product_attention(query, key, key, scale=1)
    return rebuilt[:, 0, :, :C]


class FusedExpectedDistance(torch.autograd.Function):
    """Computes the mean over u of sum_v |v - g(u)|^pow softmax_v(<a_u, b_v>).

    E_u and the log-sum-exp of each row are saved for the backward pass, which recomputes the
    logits. Products are in float32, or in TF32 if torch allows it.
    """

    @staticmethod
    def forward(ctx, a, b, warped, shape, stride, pow):
        from model.fused_kernels import forward

        a, b, warped = a.contiguous(), b.contiguous(), warped.contiguous()
        expected, lse = a.new_empty(a.shape[:2]), a.new_empty(a.shape[:2])
        ctx.settings = shape[1], stride, pow
        _start(forward, (a, b, warped, expected, lse), *ctx.settings)
        ctx.save_for_backward(a, b, warped, expected, lse)
        return expected.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        from model.fused_kernels import backward_a, backward_b

        a, b, _, expected, _ = ctx.saved_tensors
        scale = grad_output.contiguous() / expected.numel()
        grads = [None] * 6
        for number, (kernel, operand) in enumerate(((backward_a, a), (backward_b, b))):
            if ctx.needs_input_grad[number]:
                grads[number] = torch.empty_like(operand)
                tensors = *ctx.saved_tensors, scale, grads[number]
                _start(kernel, tensors, *ctx.settings)
        return (*grads,)


def _start(kernel, tensors, width, stride, pow):
    B, P, C = tensors[0].shape
    block, num_warps = (64, 8) if C <= 64 else (32, 4)  # to fit the registers
    tf32 = torch.backends.cuda.matmul.allow_tf32
    with torch.cuda.device_of(tensors[0]):
        kernel[-(-P // block), B](
            *tensors,
            P,
            width,
            stride,
            C=C,
            POW=float(pow),
            PRECISION="tf32" if tf32 else "ieee",
            BLOCK=block,
            BLOCK_C=max(LEAST_CHANNELS, 1 << (C - 1).bit_length()),
            num_warps=num_warps,
        )


def why_not_fused(device, dtype=torch.float32, channels=LEAST_CHANNELS):
    """Return why this implementation is not available, None if it is.

    Triton's interpreter (TRITON_INTERPRET=1) runs it on the CPU, slowly.
    """
    if device.type != "cuda" and environ.get("TRITON_INTERPRET") != "1":
        return f"it takes a GPU (--device 0), this is {device}"
    if find_spec("triton") is None:
        return "the package triton is not installed"
    if dtype != torch.float32:
        return f"it takes float32, these descriptors are {str(dtype).rpartition('.')[2]}"
    if channels > MOST_CHANNELS:
        return f"it takes at most {MOST_CHANNELS} channels, these descriptors have {channels}"
    return _why_not_run(device, channels)


@cache
def _why_not_run(device, channels):
    """Return why a run of it fails, or None: Triton needs a recent GPU and a C compiler."""
    a, b = torch.zeros(2, 1, 4, channels, device=device, requires_grad=True).unbind()
    try:
        with torch.enable_grad():
            value = fused_expected_distance(a, b, b, torch.zeros_like(a[..., :2]), (2, 2), 1, 0.5)
            value.backward()
        value.item()  # on the host: the device is done
    except Exception as error:  # Triton and attention can raise anything
        return f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}"
    return None
