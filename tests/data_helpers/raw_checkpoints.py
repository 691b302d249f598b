"""Checkpoints from raw pickles, to lie in all ways that a format allows; what they must lead to."""

import pickle
import struct
import zipfile
from collections import OrderedDict
from io import BytesIO

import pytest
import torch

from utils.checkpoint.foreign import read_foreign_checkpoint
from utils.errors import UserError


def assert_same_tensors(actual, expected):
    assert list(actual) == list(expected)
    for name, tensor in expected.items():
        assert actual[name].dtype == tensor.dtype and actual[name].device.type == "cpu"
        assert torch.equal(actual[name], tensor), name


def assert_refused(path, *parts):
    """The file leads to one clear line that names it and holds ``parts``."""
    with pytest.raises(UserError) as caught:
        read_foreign_checkpoint(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and len(message) < 500
    for part in parts:
        assert part in message


class Call:
    """Pickles as the call of a function, which unpickling would make."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced

    def __call__(self):
        """Be callable, which pickle insists on where one call gives the function of another."""


class Reference:
    """Pickles as the reference to a storage outside the pickle."""

    def __init__(self, key="0", numel=3, kind="storage", storage_type=torch.FloatStorage, view=()):
        self.persistent_id = (kind, storage_type, key, "cuda:0", numel, *view)


class StatePickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.persistent_id if isinstance(value, Reference) else None


def raw_tensor(reference, offset=0, shape=(3,), stride=(1,), metadata=()):
    return Call(torch._utils._rebuild_tensor_v2, reference, offset, shape, stride, False,
                OrderedDict(), *metadata)


def pickled(value, protocol=2):
    file = BytesIO()
    StatePickler(file, protocol).dump(value)
    return file.getvalue()


def write_raw(path, content, zip_format, keys=pickled(["0"]), numel=3,
              compression=zipfile.ZIP_STORED):
    """Write a file whose object is the pickle ``content``, with one storage of three numbers."""
    numbers = struct.pack("<3f", 1, 2, 3)
    if zip_format:
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("archive/data.pkl", content)
            archive.writestr("archive/data/0", numbers)
        return
    start = pickled(0x1950A86A20F9469CFC6C) + pickled(1001) + pickled({"little_endian": True})
    path.write_bytes(start + content + keys + struct.pack("<q", numel) + numbers)
