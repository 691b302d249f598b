"""Read weights and plain values from checkpoints of other code, without executing theirs."""

from itertools import count

import torch

from utils.checkpoint.inert_pickle import Foreign, UnreadablePickle
from utils.checkpoint.torch_file import EXPECTED, StridedView, open_torch_file
from utils.errors import UserError

# Packages and classes whose objects published checkpoints hold beside tensors. None of them is
# built; a file that names anything else is refused.
FOREIGN_PACKAGES = {"parse_config", "logger", "base", "data_loader", "model", "trainer", "utils"}
FOREIGN_NAMES = {
    "_codecs.encode", "argparse.Namespace",
    "collections.Counter", "collections.defaultdict", "collections.deque",
    "datetime.datetime", "datetime.timedelta",
    "logging.Logger", "logging.RootLogger", "logging.getLogger",
    "numpy.dtype", "numpy.ndarray", "torch.device",
    *(f"numpy.{core}.multiarray.{name}"
      for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *(f"{module}.{pure}{system}Path" for module in ("pathlib", "pathlib._local")
      for pure in ("", "Pure") for system in ("", "Posix", "Windows")),
    *(f"{module}.{name}" for module in ("builtins", "__builtin__")
      for name in ("bool", "bytes", "dict", "float", "frozenset", "int", "list", "set", "str",
                   "tuple")),
}
PLAIN_TYPES = (str, int, float, bool)
MAX_REASON_LENGTH = 200
MAX_CONFIG_VALUES = 10_000  # a small pickle can hold one list a million times


def read_foreign_checkpoint(path):
    """Return {"state_dict": {name: CPU tensor}, "epoch": int or None, "arch": str or None,
    "config": dict or None, ...}, where the dots are other entries that are plain values.

    A bare state dict is a checkpoint too. No code of the file is executed, and the tensors take no
    more memory than the file has bytes. Raises ``UserError`` for a file that cannot be read, is
    damaged, or names classes that weights do not need.
    """
    try:
        with open(path, "rb") as file:
            contents, read_storage = open_torch_file(file, is_harmless)
            return _plain_contents(contents, read_storage)
    except OSError as error:
        raise UserError(f"{path}: cannot read this file ({error.strerror or error})") from error
    except UnreadablePickle as error:
        raise UserError(f"{path}: refused as a checkpoint: {error}") from error
    except Exception as error:  # a damaged file can raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:MAX_REASON_LENGTH]
        raise UserError(f"{path}: not a checkpoint, or a damaged one ({reason})") from error


def is_harmless(name):
    """Return whether a checkpoint may hold objects of the class ``name``, which are dropped."""
    return name in FOREIGN_NAMES or name.split(".")[0] in FOREIGN_PACKAGES


def _plain_contents(contents, read_storage):
    if type(contents) is dict and contents and all(
            type(value) is StridedView for value in contents.values()):
        contents = {"state_dict": contents}  # of torch.save(model.state_dict())
    if type(contents) is not dict or type(contents.get("state_dict")) is not dict:
        whole = type(contents) is Foreign
        found = f"an object of class {contents.name}" if whole else "no 'state_dict'"
        raise UnreadablePickle(f"it holds {found}, {EXPECTED}")
    plain = {name: value for name, value in contents.items() if type(value) in PLAIN_TYPES}
    epoch, arch = plain.get("epoch"), plain.get("arch")
    return {**plain,
            "epoch": epoch if type(epoch) is int else None,
            "arch": arch if type(arch) is str else None,
            "config": _plain_config(contents.get("config")),
            "state_dict": _build_tensors(contents["state_dict"], read_storage)}


def _plain_config(config):
    """Return a config, a dictionary or the original code's object around one, as plain data.

    None for anything else.
    """
    if type(config) is Foreign:
        config = config.attributes.get("_config")
    try:
        return _plain_copy(config, count()) if type(config) is dict else None
    except (UnreadablePickle, RecursionError):
        return None


def _plain_copy(value, counter):
    if next(counter) > MAX_CONFIG_VALUES:
        raise UnreadablePickle("a config of too many values")
    if type(value) is list:
        return [_plain_copy(item, counter) for item in value]
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: _plain_copy(item, counter) for key, item in value.items()}
    if value is None or type(value) in PLAIN_TYPES:
        return value
    raise UnreadablePickle("a config with values that JSON has not")


def _build_tensors(views, read_storage):
    """Return {name: tensor}; tensors of the same storage share memory."""
    if not all(type(name) is str and type(view) is StridedView for name, view in views.items()):
        raise UnreadablePickle("its 'state_dict' holds more than named tensors")
    storages = {view.storage for view in views.values()}
    flat = {storage: _flat_tensor(storage, read_storage) for storage in storages}
    return {name: flat[view.storage].as_strided(view.shape, view.stride, view.offset)
            for name, view in views.items()}


def _flat_tensor(storage, read_storage):
    if storage.numel == 0:  # torch.frombuffer rejects it
        return torch.empty(0, dtype=storage.dtype)
    return torch.frombuffer(read_storage(storage), dtype=storage.dtype)
