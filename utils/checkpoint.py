"""Checkpoints: plain tensors and plain data, in files that are whole or not there at all."""

import os
from pathlib import Path

import torch

from utils.errors import UserError

FORMAT = "dve-checkpoint-1"


def write_atomically(path, write):
    """Call ``write(file)`` on a temporary file beside ``path``, flush it to disk, then rename it to
    ``path``.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: cannot write this file ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)


def save_checkpoint(path, state):
    """Write a checkpoint; ``state`` holds tensors and plain data only, so that it loads with
    ``weights_only=True``.
    """
    write_atomically(path, lambda file: torch.save({"format": FORMAT, **state}, file))


def read_checkpoint(path):
    """Return a checkpoint's dictionary, tensors on the CPU; nothing in the file is run."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever a broken file leads to
        raise UserError(
            f"{path}: not a readable checkpoint ({str(error).strip().splitlines()[0]})"
        ) from error
    if not isinstance(state, dict) or not isinstance(state.get("state_dict"), dict):
        raise UserError(f"{path}: expected a checkpoint with a 'state_dict'")
    return state


def continues_run(checkpoint, run_name):
    """Whether a checkpoint is of this project and of the run that a config names, so that it can be
    continued.
    """
    return checkpoint.get("format") == FORMAT and checkpoint.get("run_name") == run_name


def backbone_state(state_dict):
    """Return a backbone's own parameters out of an embedding's or a regressor's state dict,
    prefixes stripped.
    """
    stripped = {name.removeprefix("module."): value for name, value in state_dict.items()}
    wrapped = {
        name.removeprefix(BACKBONE_PREFIX): value
        for name, value in stripped.items()
        if name.startswith(BACKBONE_PREFIX)
    }
    return wrapped or stripped


BACKBONE_PREFIX = "0.wrapped_module."


def is_landmark_state(state_dict):
    """Whether a state dict holds a landmark regressor on a frozen backbone."""
    return any(name.removeprefix("module.").startswith(BACKBONE_PREFIX) for name in state_dict)


def load_weights(module, state_dict, path):
    """Load strictly; raises ``UserError`` naming the file and the first key that does not fit."""
    own = module.state_dict()
    for name in sorted(own.keys() | state_dict.keys()):
        found = tuple(state_dict[name].shape) if name in state_dict else "missing"
        expected = tuple(own[name].shape) if name in own else "no such key"
        if found != expected:
            raise UserError(
                f"{path}: its weights do not fit {type(module).__name__}: "
                f"{name} is {found}, expected {expected}"
            )
    module.load_state_dict(state_dict)
