"""How a network computes in training: exact float32, TF32, bfloat16, or float16 with a gradient
scaler. All else (warps, augmentation, losses) is exact in each of them.
"""

from contextlib import contextmanager, nullcontext

import torch

from utils.device import computes_bfloat16

HALVES = ("bfloat16", "float16")
# The least compute capability of a CUDA GPU that is faster with each of them.
FAST_SINCE = {"tfloat32": (8, 0), "bfloat16": (8, 0), "float16": (7, 0)}


class Precision:
    """A ``trainer.precision`` on a device."""

    def __init__(self, name, device):
        self.name, self.device = name, device
        self._scaler = torch.amp.GradScaler(device.type, enabled=name == "float16")

    def network(self):
        """Return the context of a network's forward pass."""
        if self.name in HALVES:
            return torch.autocast(self.device.type, getattr(torch, self.name))
        return tf32() if self.name == "tfloat32" else nullcontext()

    def backward(self, loss):
        """Add the gradients of a loss; the dense losses' own part of them is exact in any case."""
        with tf32() if self.name == "tfloat32" else nullcontext():
            self._scaler.scale(loss).backward()

    def unscale(self, optimizer):
        """Undo the scaling of the gradients, once they are complete."""
        self._scaler.unscale_(optimizer)

    def overflows(self, norm):
        """Return whether a gradient's norm is not finite since the scaler's factor is too large.

        The factor is lowered then. With a scaler, the host waits for the norm.
        """
        if not self._scaler.is_enabled() or norm.isfinite():
            return False
        too_large = self._scaler.get_scale() > 1
        self._scaler.update()
        return too_large

    def step(self, optimizer):
        """Take a step, and raise the scaler's factor now and then."""
        self._scaler.step(optimizer)
        self._scaler.update()

    def state_dict(self):
        """Return what a checkpoint keeps, empty without a scaler."""
        return self._scaler.state_dict()

    def load_state_dict(self, state):
        """Go on with the factor of a checkpoint, if both have one."""
        if state and self._scaler.is_enabled():
            self._scaler.load_state_dict(state)


@contextmanager
def tf32():
    """Let matrix products and convolutions of a CUDA GPU round float32 factors to TF32."""
    parts = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [part.allow_tf32 for part in parts]
    for part in parts:
        part.allow_tf32 = True
    try:
        yield
    finally:
        for part, allowed in zip(parts, before):
            part.allow_tf32 = allowed


def fast_precisions(device):
    """Return the precisions that are faster than float32 on a device, as far as torch tells."""
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        return [name for name, since in FAST_SINCE.items() if capability >= since]
    return ["bfloat16"] if device.type == "cpu" and computes_bfloat16(device) else []


def precision_line(name, device):
    """Return a precision, and those that are faster than float32 on a device."""
    fast = ", ".join(fast_precisions(device)) or "none known"
    return f"{name}; faster than float32 here: {fast}"


def slow_line(name, device):
    """Return what to say of a precision that is no faster than float32 on a device, or None."""
    if name == "float32" or device.type not in ("cpu", "cuda") or name in fast_precisions(device):
        return None
    if name == "tfloat32":
        return f"trainer.precision: {device} has no TF32, and computes exact float32"
    return f"trainer.precision: {device} only emulates {name}, float32 is faster"
