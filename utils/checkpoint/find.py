"""Find checkpoints on the disk: the last one of a run, and that of the newest run of a config."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from utils.checkpoint.names import parse_name
from utils.errors import UserError


@dataclass(frozen=True)
class FoundCheckpoint:
    """A checkpoint on disk, the epoch after which it was written, and how many steps later."""

    path: Path
    epoch: int
    step: int = 0


def last_of_run(path, prefer_best=False):
    """Return the path of a checkpoint: itself, or, of a run's folder, its last one, from which
    trainings continue and of which their own figures are.

    prefer_best: of a folder, model_best.pth if it is there. Raises ``UserError`` for a folder
    without a checkpoint.
    """
    if not os.path.isdir(path):
        return str(path)
    best = Path(path) / "model_best.pth"
    if prefer_best and best.is_file():
        return str(best)
    last = _last_in(path)
    if last is None:
        lack = "neither model_best.pth nor" if prefer_best else "no"
        raise UserError(
            f"{path}: holds {lack} checkpoint-epochN.pth; expected a checkpoint, or the folder of "
            "a run that has one"
        )
    return str(last.path)


def newest_of_config(save_dir, run_name, accepts=lambda found: True):
    """Return the last ``FoundCheckpoint`` of the run of a name that was saved last, whatever its
    folder is called; None if no run has one.

    accepts: callable (``FoundCheckpoint``) -> whether a run counts.
    """
    folders = sorted(run_folders(save_dir, run_name), key=_saved_at, reverse=True)
    return next(filter(accepts, filter(None, map(_last_in, folders))), None)


def run_folders(save_dir, run_name):
    """Return the folders of the runs of a name, with and without checkpoints."""
    return [path for path in (Path(save_dir) / "models" / run_name).glob("*") if path.is_dir()]


def _saved_at(folder):
    """Return when a run was last saved, in ns, and its name; 0 if it has no checkpoint."""
    times = [0]
    for path in folder.glob("*.pth"):
        with suppress(OSError):  # a training has just removed it
            times.append(path.stat().st_mtime_ns if parse_name(path.name) else 0)
    return max(times), folder.name


def _last_in(folder):
    named = ((path, parse_name(path.name)) for path in Path(folder).glob("*.pth"))
    found = [FoundCheckpoint(path, *place) for path, place in named if place]
    return max(found, key=lambda checkpoint: (checkpoint.epoch, checkpoint.step), default=None)
