"""Save checkpoints atomically and load them without executing pickled code."""

from io import BytesIO

import torch

from utils.checkpoint.foreign import read_foreign_checkpoint
from utils.disk import write_atomically
from utils.errors import UserError, one_line

FORMAT = "dve-checkpoint-1"


def save_checkpoint(path, state):
    """Write a checkpoint atomically; raises ``WriteError``.

    state: tensors and plain data only, so that it loads with ``weights_only=True``.
    """

    def write(file):
        try:
            torch.save({"format": FORMAT, **state}, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch's writer hides the disk's error
                raise error.__context__ from None
            raise

    write_atomically(path, write)


def checkpoint_bytes(state):
    """Return the bytes of the file that ``save_checkpoint`` would write."""
    file = BytesIO()
    torch.save({"format": FORMAT, **state}, file)
    return file.getvalue()


def read_checkpoint(path):
    """Return a checkpoint's dictionary, tensors on the CPU; no code of the file is executed.

    A checkpoint of other code is reduced to what ``read_foreign_checkpoint`` returns. Every file is
    parsed by that first, since a malicious file can crash ``torch.load(weights_only=True)``.
    """
    vetted = read_foreign_checkpoint(path)
    if vetted.get("format") != FORMAT:
        return vetted
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load can raise anything for a broken file
        raise UserError(f"{path}: a damaged checkpoint ({one_line(error)})") from error


def continues_run(checkpoint, run_name):
    """Return whether a checkpoint is of this project and of a run of this name."""
    return checkpoint.get("format") == FORMAT and checkpoint.get("run_name") == run_name


def load_weights(module, state_dict, path):
    """Load weights into a module; raises ``UserError`` naming file and first key that differs."""
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
