"""Name checkpoints, and find the last one of a run or of the newest run of a config."""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from utils.errors import UserError

PATTERN = re.compile(r"checkpoint-epoch(\d+)(?:-step(\d+))?\.pth")


def checkpoint_name(epoch, step=0):
    """Return the file name of a checkpoint after a whole epoch, and steps of the next one."""
    return f"checkpoint-epoch{epoch}{f'-step{step}' if step else ''}.pth"


def parse_name(name):
    """Return (epoch, step) of a checkpoint's file name, None for any other name."""
    match = PATTERN.fullmatch(name)
    return match and (int(match[1]), int(match[2] or 0))


def checkpoints_in(folder):
    """Return {(epoch, step): path} of the checkpoints in a folder."""
    named = {parse_name(path.name): path for path in Path(folder).glob("*.pth")}
    return {place: path for place, path in named.items() if place is not None}


@dataclass(frozen=True)
class FoundCheckpoint:
    """A checkpoint file, the epoch after which it was written, and the steps since then."""

    path: Path
    epoch: int
    step: int = 0


def last_of_run(path, prefer_best=False):
    """Return the path of a checkpoint: ``path`` itself, or the last one in the folder of a run.

    Raises ``UserError`` for a folder without a checkpoint.

    prefer_best: take model_best.pth of a folder that has it.
    """
    if not os.path.isdir(path):
        return str(path)
    best = Path(path) / "model_best.pth"
    if prefer_best and best.is_file():
        return str(best)
    last = last_in(path)
    if last is None:
        lack = "neither model_best.pth nor" if prefer_best else "no"
        raise UserError(
            f"{path}: holds {lack} checkpoint-epochN.pth; expected a checkpoint, or the folder of "
            "a run that has one"
        )
    return str(last.path)


def newest_of_config(save_dir, run_name, accepts=lambda found: True):
    """Return the last ``FoundCheckpoint`` of the run of a name that was saved last, or None.

    accepts: callable (``FoundCheckpoint``) -> whether to consider its run.
    """
    folders = sorted(run_folders(save_dir, run_name), key=_saved_at, reverse=True)
    return next(filter(accepts, filter(None, map(last_in, folders))), None)


def progress_of(config):
    """Return the last ``FoundCheckpoint`` of a config's newest run, None if there is none, and
    whether it has all epochs.
    """
    found = newest_of_config(config.trainer.save_dir, config.name)
    return found, found is not None and found.epoch >= config.trainer.epochs


def run_folders(save_dir, run_name):
    """Return the folders of all runs of a name, with or without checkpoints."""
    return [path for path in (Path(save_dir) / "models" / run_name).glob("*") if path.is_dir()]


def _saved_at(folder):
    """Return when a run was last saved, in ns, 0 if it has no checkpoint, and its name."""
    times = [0]
    for path in checkpoints_in(folder).values():
        with suppress(OSError):  # a training has just removed it
            times.append(path.stat().st_mtime_ns)
    return max(times), folder.name


def last_in(folder):
    """Return the last ``FoundCheckpoint`` in a folder, None if it has none."""
    places = checkpoints_in(folder)
    return FoundCheckpoint(places[max(places)], *max(places)) if places else None
