"""Read both file formats of ``torch.save`` as data, with ``utils.checkpoint.inert_pickle``.

The older one, written until torch 1.5, is five pickles (a magic number, a version, facts about the
system, the object, the keys of the storages) followed by the raw storages; the newer is a zip
archive of one pickle and a member for each storage. Tensors are ``StridedView`` until their numbers
are read, and a storage is read only if the file holds all of it, so that memory is bounded by the
file's size.
"""

import math
import os
import re
import struct
import zipfile
from dataclasses import dataclass
from functools import partial
from io import BytesIO

import torch

from utils.checkpoint.inert_pickle import Global, UnreadablePickle, read_pickle

EXPECTED = ("expected the checkpoint of a training, or what torch.save(model.state_dict(), ...) "
            "writes")
ZIP_START = b"PK\x03\x04"
# Of torch.jit.save and torch.export.save.
PROGRAM_MEMBERS = ("/constants.pkl", "/archive_format")
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_VERSION = 1001
MAX_DIMENSIONS = 8
DTYPES = {
    "torch.DoubleStorage": torch.float64, "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16, "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64, "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16, "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8, "torch.BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class Storage:
    """A flat array of numbers, stored in the file under ``key``."""

    key: str
    dtype: torch.dtype
    numel: int

    @property
    def nbytes(self):
        return self.numel * self.dtype.itemsize


@dataclass(frozen=True)
class StridedView:
    """A tensor as a view of a storage; offset and strides are in numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple
    stride: tuple

    def __post_init__(self):
        if not self.is_described_well():
            raise UnreadablePickle("a tensor is not described as torch.save does")
        if max(self.end(), math.prod(self.shape)) > self.storage.numel:
            raise UnreadablePickle("a tensor is larger than its storage")

    def is_described_well(self):
        return (type(self.storage) is Storage and type(self.shape) is type(self.stride) is tuple
                and len(self.shape) == len(self.stride) <= MAX_DIMENSIONS
                and all(map(_is_count, (self.offset, *self.shape, *self.stride))))

    def end(self):
        """Return the index after the last number."""
        if 0 in self.shape:
            return self.offset
        return self.offset + 1 + sum((n - 1) * step for n, step in zip(self.shape, self.stride))


def open_torch_file(file, is_harmless):
    """Return the object in an open binary file, and a callable (``Storage``) -> bytearray.

    Dictionaries, lists and plain values are kept, tensors are ``StridedView``, and objects of
    classes that ``is_harmless(name)`` accepts are ``Foreign``. Raises ``UnreadablePickle`` for
    other classes and formats; a damaged file can raise any other exception.
    """
    is_zip = file.read(len(ZIP_START)) == ZIP_START
    file.seek(0)
    return _open_zip(file, is_harmless) if is_zip else _open_legacy(file, is_harmless)


def _open_zip(file, is_harmless):
    archive = zipfile.ZipFile(file)
    names = archive.namelist()
    if any(name.endswith(PROGRAM_MEMBERS) for name in names):
        raise UnreadablePickle(f"it is a TorchScript or an exported program, {EXPECTED}")
    _check_archive(archive, _size_in_bytes(file))
    pickles = [name for name in names if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(pickles) != 1:
        raise UnreadablePickle("the archive does not hold exactly one object")
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
        raise UnreadablePickle("its numbers are stored in big-endian order")
    contents = _read_object(BytesIO(archive.read(pickles[0])), {}, is_harmless)
    return contents, partial(_read_from_zip, archive, root)


def _check_archive(archive, file_size):
    """Reject zip bombs: ``torch.save`` does not compress, so all members fit into the file."""
    members = archive.infolist()
    compressed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if compressed or sum(member.file_size for member in members) > file_size:
        raise UnreadablePickle("the archive's members are larger than the file")


def _read_from_zip(archive, root, storage):
    member = archive.getinfo(f"{root}data/{storage.key}")
    if member.file_size != storage.nbytes:
        raise UnreadablePickle("a storage is not as long as it claims")
    return bytearray(archive.read(member))


def _open_legacy(file, is_harmless):
    read_plain = partial(read_pickle, file, constructors={}, is_harmless=lambda name: False)
    if read_plain() != LEGACY_MAGIC or read_plain() != LEGACY_VERSION:
        raise UnreadablePickle("torch.save has not written it")
    read_plain()  # facts about the system that wrote it; storages are little-endian in any case
    storages = {}
    contents = _read_object(file, storages, is_harmless)
    places = _find_storages(file, _in_order(storages, read_plain()))
    return contents, partial(_read_from_place, file, places)


def _in_order(storages, keys):
    if type(keys) is not list or not all(type(key) is str for key in keys):
        raise UnreadablePickle("the keys of the storages are not a list of names")
    return [storages[key] for key in keys]


def _find_storages(file, storages):
    """Return {key: offset in the file} of the storages that follow; each begins with its length."""
    file_size = _size_in_bytes(file)
    places = {}
    for storage in storages:
        numel, = struct.unpack("<q", file.read(8))
        place = places[storage.key] = file.tell()
        if numel != storage.numel or place + storage.nbytes > file_size:
            raise UnreadablePickle("a storage is not as long as it claims")
        file.seek(place + storage.nbytes)
    return places


def _read_from_place(file, places, storage):
    file.seek(places[storage.key])
    return bytearray(file.read(storage.nbytes))


def _size_in_bytes(file):
    return os.fstat(file.fileno()).st_size


def _read_object(file, storages, is_harmless):
    """Return the object of the pickle that describes the tensors; fills ``storages`` by key."""
    constructors = {
        "collections.OrderedDict": lambda: {},
        "torch.Size": lambda sizes: sizes,
        "torch._utils._rebuild_tensor": StridedView,
        "torch._utils._rebuild_tensor_v2": _rebuild_tensor_v2,
        "torch._utils._rebuild_parameter": lambda data, requires_grad, hooks: data,
    }
    return read_pickle(file, constructors, lambda name: name in DTYPES or is_harmless(name),
                       partial(_named_storage, storages))


def _rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, hooks, metadata=None):
    if metadata:
        raise UnreadablePickle("a tensor is stored as a conjugate or a negative")
    return StridedView(storage, offset, shape, stride)


def _named_storage(storages, persistent_id):
    """Return the ``Storage`` of ("storage", type, key, location, length[, None])."""
    kind, storage_type, key, _, numel, *view = persistent_id
    is_storage = kind == "storage" and type(storage_type) is Global and storage_type.name in DTYPES
    if not is_storage:
        raise UnreadablePickle("it holds something else than numbers outside the pickle")
    if type(key) is not str or not _is_count(numel) or view not in ([], [None]):
        raise UnreadablePickle("a storage is not described as torch.save does")
    storage = Storage(key, DTYPES[storage_type.name], numel)
    if storages.setdefault(key, storage) != storage:
        raise UnreadablePickle("a storage is described in two ways")
    return storage


def _is_count(value):
    return type(value) is int and value >= 0
