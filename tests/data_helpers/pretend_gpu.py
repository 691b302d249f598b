"""A pretend GPU: tensors that name a GPU as their device and hold real numbers on the CPU.

They cannot be mixed with the CPU's; operations, and all that makes the host wait, are counted.

    with PretendGpu() as gpu:
        torch.ones(3, device="cuda:0").sum().item()
    gpu.waits  # Counter({"item in test_it.py:12": 1})
"""

import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from pkgutil import resolve_name
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from tests.data_helpers.pretend_driver import replacements
from tests.data_helpers.tiny_runs import ROOT

aten = torch.ops.aten
COPIES = (aten.copy_.default, aten._to_copy.default)
INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default,
            aten._index_put_impl_.default)
WAITING = (aten.nonzero.default, aten.masked_select.default, aten._unique2.default)
NO_LAUNCH = (aten._local_scalar_dense.default, aten._unsafe_view.default, aten.new_empty.default,
             aten.empty_like.default)
FROM_NUMBERS = (torch.tensor, torch.as_tensor, torch.asarray, torch.Tensor.new_tensor)
# On a GPU, torch computes them deterministically by functions that make tensors on their own.
WRITTEN_IN_PYTHON = (F.interpolate, F.pad)


class MixedDevices(RuntimeError):
    """What torch says of tensors on several devices."""


class GpuTensor(torch.Tensor):
    """A tensor on a ``PretendGpu``; ``numbers`` holds them, on the CPU."""

    @staticmethod
    def __new__(cls, numbers, device):
        if device.type == "mps" and numbers.dtype == torch.float64:
            raise TypeError("the MPS framework doesn't support float64")
        made = torch.Tensor._make_wrapper_subclass(
            cls, numbers.size(), strides=numbers.stride(), dtype=numbers.dtype, device="cpu",
            storage_offset=numbers.storage_offset())
        made.numbers, made.place = numbers, device
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl
    device = property(lambda self: self.place)
    is_cuda = property(lambda self: self.place.type == "cuda")
    is_mps = property(lambda self: self.place.type == "mps")
    is_xpu = property(lambda self: self.place.type == "xpu")
    is_cpu = property(lambda self: False)

    def __repr__(self, **options):
        return f"GpuTensor({self.numbers!r}, {self.device})"

    def __deepcopy__(self, memo):
        return GpuTensor(self.numbers.clone(), self.device).requires_grad_(self.requires_grad)

    def __reduce_ex__(self, protocol):
        return self.numbers.detach().__reduce_ex__(protocol)  # torch.save copies it to the host

    def get_device(self):
        return self.device.index or 0

    def tolist(self):
        PretendGpu.current.wait("tolist")
        return self.numbers.tolist()

    def numpy(self, *args, **kwargs):
        raise TypeError(f"can't convert {self.device} device type tensor to numpy")

    __array__ = numpy

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        return PretendGpu.current.run(operation, args, kwargs or {}, tensors)


class PretendGpu(TorchFunctionMode):
    """Context manager in which torch finds one GPU.

    name: its device, such as "cuda:0", "mps" or "xpu:0".
    capability: what torch says of its compute capability.
    """

    tensor_type = GpuTensor
    current = None  # the one that was entered last: it counts

    def __init__(self, name="cuda:0", capability=(9, 0)):
        super().__init__()
        self.device, self.capability = torch.device(name), capability
        self.pinned = {}  # addresses of pinned memory, and what keeps it from being used again
        self.reset()

    def reset(self):
        """Set all counts to zero."""
        self.launches = Counter()  # operations that compute, and do not only look at a tensor anew
        self.waits = Counter()  # copies from pageable memory and to the host, and what reads values
        self.copies = Counter()  # to the GPU, those that are no wait
        self.bytes_sent = 0

    def wait(self, what):
        self.waits[f"{what} in {_caller()}"] += 1

    def __enter__(self):
        self._patches = ExitStack()
        for target, replacement in replacements(self).items():
            owner, name = target.rsplit(".", 1)
            # Older torch hides the module torch.optim.optimizer from its package.
            owner = sys.modules.get(owner) or resolve_name(owner)
            self._patches.enter_context(patch.object(owner, name, replacement))
        PretendGpu.current = self
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self._patches.close()

    # Operations on its tensors

    def run(self, operation, args, kwargs, tensors):
        """Compute an operation on the real numbers, as ``__torch_dispatch__`` is asked to."""
        self._check_devices(operation, args, tensors)
        schema = operation._schema
        if not any(argument.alias_info and not argument.alias_info.is_write
                   for argument in schema.returns) and operation not in NO_LAUNCH:
            self.launches[str(operation)] += 1
        if operation is aten._local_scalar_dense.default:
            self.wait("item")
        if operation in WAITING:
            self.wait(str(operation).split(".")[1])
        if operation is aten.copy_.default and len({tensor.device for tensor in args[:2]}) == 2:
            self.wait("copy_")
        with torch.no_grad():
            result = operation(*tree_map(_real, args), **tree_map(_real, kwargs))
        named = dict(zip((argument.name for argument in schema.arguments), args)) | kwargs
        written = [named[argument.name] for argument in schema.arguments
                   if argument.alias_info and argument.alias_info.is_write]
        if written and len(schema.returns) == len(written):
            return written[0] if len(written) == 1 else tuple(written)
        return tree_map(self._wrapped, result)

    def _check_devices(self, operation, args, tensors):
        if operation in COPIES:
            return
        for tensor in tensors:
            if isinstance(tensor, GpuTensor) or tensor.dim() == 0:
                continue
            index = operation in INDEXING and any(tensor is part for part in args[1])
            if not index or not isinstance(args[0], GpuTensor):
                raise MixedDevices(
                    f"Expected all tensors to be on the same device: {operation} takes "
                    f"{[str(tensor.device) for tensor in tensors]} in {_caller()}")
            self.wait("index on the CPU")
        if operation in INDEXING and any(
                part is not None and part.dtype == torch.bool for part in args[1]):
            self.wait("boolean index")

    def _wrapped(self, value):
        is_plain = isinstance(value, torch.Tensor) and not isinstance(value, GpuTensor)
        return GpuTensor(value, self.device) if is_plain else value

    # Functions that name a device

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function in (torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.cuda):
            return self._to(function, *args, **kwargs)
        if function is torch.Tensor.tolist and isinstance(args[0], GpuTensor):
            return args[0].tolist()
        if function is torch.Tensor.new_tensor and isinstance(args[0], GpuTensor):
            kwargs.setdefault("device", self.device)
        if "device" not in kwargs or not self._is_meant(kwargs["device"]):
            if function not in WRITTEN_IN_PYTHON:
                return function(*args, **kwargs)
            with patch("torch.are_deterministic_algorithms_enabled", lambda: False):
                return function(*args, **kwargs)
        del kwargs["device"]
        requires_grad = kwargs.pop("requires_grad", False)
        made = function(*args, **kwargs)
        if function in FROM_NUMBERS and not isinstance(made, GpuTensor):
            self._sent(made, "copy from numbers")
        self.launches[function.__name__] += 1
        return self._wrapped(made).requires_grad_(requires_grad)

    def _is_meant(self, device):
        if device is None or isinstance(device, bool):
            return False
        if isinstance(device, int):
            return self.device.type == "cuda"
        return torch.device(device).type == self.device.type

    def _to(self, function, tensor, *args, **kwargs):
        """Copy or convert a tensor, as ``Tensor.to``, ``cpu`` and ``cuda``."""
        kwargs.pop("copy", None)
        if function is torch.Tensor.cpu:
            args = "cpu",
        elif function is torch.Tensor.cuda:
            args = args or ("cuda",)
        if args and isinstance(args[0], torch.Tensor):
            args = args[0].device, args[0].dtype, *args[1:]
        device, dtype, non_blocking, layout = torch._C._nn._parse_to(*args, **kwargs)
        options = {"dtype": dtype or tensor.dtype}
        options.update({"memory_format": layout} if layout is not None else {})
        here, there = isinstance(tensor, GpuTensor), self._is_meant(device)
        if here and device is not None and not there:
            self.wait("copy to the host")
            return tensor.numbers.detach().to(copy=True, **options)
        if there and not here:
            real = tensor.detach().to(copy=True, **options)
            self._sent(real, "copy", without_waiting=self.is_pinned(tensor) and non_blocking)
            return GpuTensor(real, self.device).requires_grad_(tensor.requires_grad)
        return tensor.to(**options)

    def _sent(self, real, what, without_waiting=False):
        self.bytes_sent += real.nbytes
        if without_waiting:
            self.copies[f"{what} in {_caller()}"] += 1
        else:
            self.wait(what)

    def is_pinned(self, tensor):
        return tensor.untyped_storage().data_ptr() in self.pinned

    def pin(self, tensor):
        """Return a copy of a tensor in pinned memory."""
        pinned = tensor.clone()
        self.pinned[pinned.untyped_storage().data_ptr()] = pinned
        return pinned


def _real(value):
    return value.numbers if isinstance(value, GpuTensor) else value


def _caller():
    """Return file:line of the innermost function of the project that is being executed."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / ".venv") and (
                path.parent != Path(__file__).parent):
            return f"{path.relative_to(ROOT)}:{frame.f_lineno}"
        frame = frame.f_back
    return "torch"
