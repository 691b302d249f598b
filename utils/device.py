"""Select and check the device of a program: CPU, CUDA GPU, MPS or XPU."""

import os
import resource
import sys
from contextlib import contextmanager

import torch

from utils.allocator import keep_freed_memory
from utils.errors import UserError
from utils.text import counted

OTHER_GPUS = {"mps": torch.backends.mps.is_available, "xpu": torch.xpu.is_available}


def select_device(name):
    """Return the ``torch.device`` of ``--device``, and configure torch for it.

    On a CUDA GPU TF32 is switched off. On the CPU the process keeps freed memory, and takes numbers
    below the least normal one for 0: a softmax is full of them, and arithmetic with them is up to a
    hundred times slower. Raises ``UserError`` for a GPU that is absent, or that torch cannot
    compute on.

    name: None or "cpu", "mps", "xpu", or the number of a GPU.
    """
    if name in (None, "", "cpu"):
        keep_freed_memory()
        torch.set_flush_denormal(True)
        return torch.device("cpu")
    require_gpu(name)
    device = torch.device("cuda", int(name)) if name.isdigit() else torch.device(name)
    try:
        if device.type == "cuda":
            forbid_tf32()
            torch.cuda.set_device(device)
        torch.ones(1, device=device).add(1).item()
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"--device {name}: torch {torch.__version__} cannot compute on it "
            f"({str(error).strip().splitlines()[0]}); {needs_of_torch()}"
        ) from error
    return device


def forbid_tf32():
    """Make torch compute float32 exactly on CUDA GPUs, as JPEG noise and warps need it."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def needs_of_torch():
    """Return what the installed torch takes for a GPU."""
    if torch.version.cuda is None:
        return "it was built without CUDA: install one for your GPU (pytorch.org)"
    kinds = [_dotted(name.rpartition("_")[2]) for name in torch.cuda.get_arch_list()]
    return (
        f"it has kernels for compute capabilities {', '.join(kinds)}, and takes a driver for CUDA "
        f"{torch.version.cuda}; a newer driver, or a torch for an older CUDA, may help (README.md)"
    )


def _dotted(capability):
    """Return "8.6" of "86", "12.0" of "120a"."""
    digits = capability.rstrip("abcdefghijklmnopqrstuvwxyz")
    return f"{digits[:-1]}.{digits[-1]}"


def require_gpu(name):
    """Raise ``UserError`` unless torch finds this device: a GPU's number, "mps" or "xpu"."""
    if name in OTHER_GPUS:
        there = [kind for kind, is_there in OTHER_GPUS.items() if is_there()]
        there = ["cpu", *map(str, range(torch.cuda.device_count())), *there]
        if name not in there:
            raise UserError(f"--device {name}: torch finds no such device, only {', '.join(there)}")
        return
    if not name.isdigit():
        raise UserError(f"--device {name}: expected one device")
    if int(name) >= torch.cuda.device_count():
        raise UserError(
            f"--device {name}: no such GPU, {torch.cuda.device_count()} found; "
            "leave --device out for the CPU"
        )


def usable_device(device):
    """Return a ``torch.device`` of a name, a GPU's number or a device.

    Raises ``UserError`` if torch cannot compute on it here.
    """
    try:
        found = torch.device(device)
        torch.zeros(1, device=found).item()
        if found.type == "cuda":
            forbid_tf32()
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:  # one for each backend
        raise UserError(
            f"device = {device!r}: torch cannot compute on it here, and finds "
            f"{counted(torch.cuda.device_count(), 'GPU')}; expected 'cpu', or a GPU's name, such "
            "as 'cuda:0'"
        ) from error
    return found


def computes_bfloat16(device):
    """Return whether a device has bfloat16 arithmetic; emulated, it takes ten times as long."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


@contextmanager
def determinism(wanted):
    """Make torch use deterministic algorithms while entered, if ``wanted``.

    Raises ``UserError`` for an operation that has none.
    """
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read at the first product
    before = torch.are_deterministic_algorithms_enabled()
    benchmark, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, False
    torch.use_deterministic_algorithms(True)
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        raise UserError(f"deterministic = true: {str(error).splitlines()[0]}") from error
    finally:
        torch.use_deterministic_algorithms(before)
        torch.backends.cudnn.benchmark = benchmark


@contextmanager
def fast_or_repeatable(deterministic):
    """Make torch use deterministic algorithms while entered, or else, for the images of a training,
    which have one size, the convolutions that its GPU was found to be fastest with.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = not deterministic
    try:
        with determinism(deterministic):
            yield
    finally:
        torch.backends.cudnn.benchmark = before


def peak_memory_gib(device):
    """Return the peak memory in GiB: of torch's allocator on a GPU, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
