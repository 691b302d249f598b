"""Entry points for ``torch.hub``.

    torch.hub.load("<this repository>", "model", "saved/models/<run>/<time>", source="local")
    torch.hub.load("<this repository>", "smallnet", num_output_channels=64, source="local")

They work in a script that has modules of the same names as the packages here (utils, model, ...):
those stay the script's, also for later imports.
"""

import importlib as _importlib
import sys as _sys
from contextlib import contextmanager as _contextmanager
from pathlib import Path as _Path

dependencies = ["torch", "numpy", "PIL", "scipy", "matplotlib", "tqdm"]

_ROOT = _Path(__file__).resolve().parent
_PACKAGES = {"base", "data_loader", "inference", "model", "trainer", "utils"}
_ASIDE = f"{_ROOT}/hubconf.py: "  # before the names under which loaded modules wait in sys.modules


def _named_as_ours():
    return {
        name: module
        for name, module in _sys.modules.items()
        if name.partition(".")[0] in _PACKAGES
    }


def _is_ours(module):
    return _ROOT in _Path(getattr(module, "__file__", None) or "/").resolve().parents


@_contextmanager
def _own_packages():
    """While entered, the packages' names mean this project's; afterwards what they meant before."""
    before, path = _named_as_ours(), list(_sys.path)
    for name, module in before.items():
        if not _is_ours(module):
            del _sys.modules[name]
    for name, module in list(_sys.modules.items()):
        if name.startswith(_ASIDE):
            _sys.modules.setdefault(name.removeprefix(_ASIDE), module)
    _sys.path.insert(0, str(_ROOT))
    try:
        yield
    finally:
        _sys.path[:] = path
        for name, module in _named_as_ours().items():
            if name not in before or before[name] is not module:
                _sys.modules[_ASIDE + name] = _sys.modules.pop(name)
        _sys.modules.update(before)


with _own_packages():
    _inference, _networks = map(_importlib.import_module, ("inference", "model"))


def smallnet(num_output_channels=64, **args):
    """SmallNet with fresh weights: normalised images (B, 3, H, W) to descriptors (B, C, H // 2,
    W // 2). ``args`` are those of the config's section ``arch``.
    """
    return _networks.SmallNet(num_output_channels, **args)


def hourglass(num_output_channels=64, **args):
    """HourglassNet with fresh weights: normalised images (B, 3, H, W) to descriptors (B, C,
    ceil(H / 2), ceil(W / 2)). ``args`` are those of the config's section ``arch``.
    """
    return _networks.HourglassNet(num_output_channels, **args)


def model(path, device="cpu", config=None, whole=False):
    """A trained network from a checkpoint or the folder of a run, with ``embed``, ``match`` and
    ``landmarks``: see ``inference.load``, whose arguments these are.
    """
    with _own_packages():
        return _inference.load(path, device, config, whole)
