"""Checkpoints: plain tensors and plain data, in files that are whole or not there at all."""

from io import BytesIO

import torch

from utils.checkpoint.foreign import read_foreign_checkpoint
from utils.disk import write_atomically
from utils.errors import UserError, one_line

FORMAT = "dve-checkpoint-1"


def save_checkpoint(path, state):
    """Write a checkpoint; ``state`` holds tensors and plain data only, so that it loads with
    ``weights_only=True``.
    """

    def write(file):
        try:
            torch.save({"format": FORMAT, **state}, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch's writer hides what the disk said
                raise error.__context__ from None
            raise

    write_atomically(path, write)


def checkpoint_bytes(state):
    """Return the content of the file that ``save_checkpoint`` would write."""
    file = BytesIO()
    torch.save({"format": FORMAT, **state}, file)
    return file.getvalue()


def read_checkpoint(path):
    """Return a checkpoint's dictionary, tensors on the CPU; nothing in the file is run.

    Of this project's own checkpoints all of it; of others {"state_dict", "epoch", "arch", ...}. The
    file is vetted as data first: ``weights_only`` alone can be crashed by a hostile one.
    """
    vetted = read_foreign_checkpoint(path)
    if vetted.get("format") != FORMAT:
        return vetted
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever a broken file leads to
        raise UserError(f"{path}: a damaged checkpoint ({one_line(error)})") from error


def continues_run(checkpoint, run_name):
    """Whether a checkpoint is of this project and of the run that a config names, so that it can be
    continued.
    """
    return checkpoint.get("format") == FORMAT and checkpoint.get("run_name") == run_name


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
