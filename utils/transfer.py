"""What goes to a GPU without making the host wait for it: constants, and what a step draws."""

from functools import cache

import torch


def constant(values, device, dtype=torch.float32):
    """Return numbers, nested as tuples, as a tensor on a device; it must not be changed.

    It is copied to each GPU once.
    """
    if device is None or device.type == "cpu" or torch.compiler.is_compiling():
        return torch.tensor(values, dtype=dtype, device=device)
    return _copied_once(values, device, dtype)


@cache
def _copied_once(values, device, dtype):
    with torch.inference_mode(False):  # else no training could use it
        return torch.tensor(values, dtype=dtype, device=device)


def sum_dtype(device):
    """Return the data type of sums of many numbers: float64, where a device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


def send(tensor, device):
    """Return a tensor on a device; from pinned memory, so that the host does not wait for it."""
    if device.type == "cuda" and not tensor.is_cuda and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def send_together(tensors, device):
    """Return small float32 CPU tensors on a device, to which they go in one copy."""
    if device.type == "cpu":
        return list(tensors)
    together = send(torch.cat([tensor.flatten() for tensor in tensors]), device)
    parts = together.split([tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors)]
