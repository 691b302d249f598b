"""The dense losses on a GPU, without storing P x P matrices.

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

from model.objectives import ExpectedDistance, NegativeLogLikelihood

HEAD_MULTIPLE = 8  # fused attention takes multiples of this number of channels
LEAST_CHANNELS, MOST_CHANNELS = 16, 128  # of a block in the kernels
# Without the implementation that stores P x P.
FUSED_ATTENTION = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.FLASH_ATTENTION]


def fused_loss(objective, a, b, auxiliary, scale, warped, weight):
    """Return ``chunked_loss`` of the same arguments, in float32."""
    if auxiliary is not None:
        a = exchange(a, auxiliary)
        if scale is not None:
            a = scale * F.normalize(a, dim=-1)
    if weight is None:
        weight = a.new_ones(a.shape[:2])
    return FusedLoss.apply(objective, a, b, warped, weight)


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

    Two numbers of each row are saved for the backward pass, which recomputes the logits. Products
    are in float32, or in TF32 if torch allows it.
    """

    @staticmethod
    def forward(ctx, objective, a, b, warped, weight):
        from model.fused_kernels import forward

        a, b, warped = a.contiguous(), b.contiguous(), warped.contiguous()
        value, saved, lse = (a.new_empty(a.shape[:2]) for _ in range(3))
        _start(forward, objective, a, b, warped, value, saved, lse)
        ctx.objective = objective
        ctx.save_for_backward(a, b, warped, saved, lse, weight)
        return (value * weight).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        from model.fused_kernels import backward_a, backward_b

        *tensors, weight = ctx.saved_tensors
        weight = weight * (grad_output / weight.numel())
        grads = [None] * 5
        for number, kernel in ((1, backward_a), (2, backward_b)):
            if ctx.needs_input_grad[number]:
                grads[number] = torch.empty_like(tensors[number - 1])
                _start(kernel, ctx.objective, *tensors, weight, grads[number])
        return (*grads,)


def _start(kernel, objective, *tensors):
    (B, U, C), P = tensors[0].shape, tensors[1].shape[1]
    likely = isinstance(objective, NegativeLogLikelihood)
    block, num_warps = (64, 8) if C <= 64 else (32, 4)  # to fit the registers
    tf32 = torch.backends.cuda.matmul.allow_tf32
    with torch.cuda.device_of(tensors[0]):
        num_rows = tensors[-1].shape[1]  # of what the kernel stores
        kernel[-(-num_rows // block), B](
            *tensors,
            U,
            P,
            objective.shape[1],
            objective.stride,
            C=C,
            POW=0.0 if likely else float(objective.pow),
            SIGMA=float(objective.sigma) if likely else 0.0,
            OUTLIER=float(objective.outlier) if likely else 0.0,
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
            objective = ExpectedDistance((2, 2), 1, 0.5)
            value = fused_loss(objective, a, b, b[None], None, torch.zeros_like(a[..., :2]), None)
            value.backward()
        value.item()  # on the host: the device is done
    except Exception as error:  # Triton and attention can raise anything
        return f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}"
    return None
