"""Entry points for ``torch.hub``.

    torch.hub.load("<this repository>", "model", "saved/models/<run>/<time>", source="local")
    torch.hub.load("<this repository>", "smallnet", num_output_channels=64, source="local")

They work in scripts that have modules of the same names as packages here (utils, model, ...), which
these scripts still import afterwards.
"""

import importlib as _importlib
import sys as _sys
from contextlib import contextmanager as _contextmanager
from pathlib import Path as _Path

dependencies = ["torch", "numpy", "PIL", "scipy", "matplotlib", "tqdm"]

_ROOT = _Path(__file__).resolve().parent
_PACKAGES = {"base", "data_loader", "inference", "model", "trainer", "utils"}
_ASIDE = f"{_ROOT}/hubconf.py: "  # prefix of this project's modules in sys.modules, when not in use


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
    """Import the packages' names from this project while entered, then from where they were."""
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
    """Return a SmallNet with fresh weights.

    It maps normalised images (B, 3, H, W) to descriptors (B, C, H // 2, W // 2).

    args: of the config's section ``arch``.
    """
    return _networks.SmallNet(num_output_channels, **args)


def hourglass(num_output_channels=64, **args):
    """Return a HourglassNet with fresh weights.

    It maps normalised images (B, 3, H, W) to descriptors (B, C, ceil(H / 2), ceil(W / 2)).

    args: of the config's section ``arch``.
    """
    return _networks.HourglassNet(num_output_channels, **args)


def model(path, device="cpu", config=None, whole=False, box_margin=None):
    """Return the trained network of a checkpoint or run folder, with ``embed``, ``match`` and
    ``landmarks``; the arguments are those of ``inference.load``.
    """
    with _own_packages():
        return _inference.load(path, device, config, whole, box_margin)
