"""Where a run keeps its files, and its log and events while it runs."""

import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from utils.checkpoint.names import parse_name
from utils.config.mini_run import MINI
from utils.config.read import RUN_TIMESTAMP
from utils.disk import disk_errors, write_atomically
from utils.distributed import World
from utils.errors import UserError, shown
from utils.events import Events
from utils.log import open_log, silent_log

PICTURE_DPI = 120


@dataclass(frozen=True)
class RunFolder:
    """``<save_dir>/models/<relative>`` for checkpoints and results, ``<save_dir>/log/<relative>``
    for logs.
    """

    save_dir: Path
    relative: Path

    @property
    def model_dir(self):
        """Checkpoints, config.json, results.json."""
        return self.save_dir / "models" / self.relative

    @property
    def log_dir(self):
        """info.log, pictures and TensorBoard events."""
        return self.save_dir / "log" / self.relative

    @classmethod
    def new(cls, save_dir, name):
        """Make the folder of a run that starts now, and that of no other run."""
        while True:
            folder = cls.next(save_dir, name)
            try:
                folder.model_dir.mkdir(parents=True)
                return folder
            except OSError as error:
                if not folder.model_dir.is_dir():
                    raise no_folder(error) from error
                # Another run was given it just now.

    @classmethod
    def next(cls, save_dir, name):
        """Name a run that starts now, or, where that name is taken, some seconds later."""
        start, runs = datetime.now(), Path(name)
        try:
            while (
                folder := cls(Path(save_dir), runs / start.strftime("%Y-%m-%d_%H-%M-%S"))
            ).model_dir.exists():
                start += timedelta(seconds=1)
        except OSError as error:
            raise UserError(
                f"trainer.save_dir = {shown(save_dir)}: cannot look into it ({error.strerror})"
            ) from error
        return folder

    @classmethod
    def of_checkpoint(cls, path):
        """The run folder that a checkpoint lies in, or None if it lies elsewhere."""
        folder = Path(path).resolve().parent
        stamped = next(
            (f for f in (folder, folder.parent) if RUN_TIMESTAMP.fullmatch(f.name)), None
        )
        if stamped is None or stamped.parent.parent.name != "models":
            return None
        models = stamped.parent.parent
        return cls(models.parent, folder.relative_to(models))

    def for_seed(self, seed):
        """The folder of one of several seeds."""
        return RunFolder(self.save_dir, self.relative / f"seed-{seed}")

    def create(self, raw_config):
        """Make both folders and write config.json."""
        try:
            self.model_dir.mkdir(parents=True, exist_ok=True)
            self.log_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise no_folder(error) from error
        write_json(self.model_dir / "config.json", raw_config)


def no_folder(error):
    """Return a ``UserError`` of a folder that cannot be made."""
    return UserError(
        f"{error.filename}: cannot make this folder ({error.strerror}); see trainer.save_dir"
    )


@dataclass(frozen=True)
class FoundCheckpoint:
    """A checkpoint on disk, the epoch after which it was written, and how many steps later."""

    path: Path
    epoch: int
    step: int = 0


def newest_checkpoint(save_dir, run_name):
    """Return the last checkpoint of the newest run of a name that has any, or None."""
    return next(last_checkpoints(save_dir, run_name), None)


def last_checkpoints(save_dir, run_name):
    """Yield the last checkpoint of each run of a name that has any; the run that was saved last
    comes first, whatever its folder is called.
    """
    folders = sorted(run_folders(save_dir, run_name), key=_saved_at, reverse=True)
    yield from filter(None, (_last(folder.glob("*.pth")) for folder in folders))


def run_folders(save_dir, run_name):
    """Return the folders of the runs of a name, with and without checkpoints."""
    return [path for path in (Path(save_dir) / "models" / run_name).glob("*") if path.is_dir()]


def _saved_at(folder):
    """Return when a run was last saved, in ns, and its name; 0 where it has no checkpoint."""
    times = [0]
    for path in folder.glob("*.pth"):
        with suppress(OSError):  # a training has just removed it
            times.append(path.stat().st_mtime_ns if parse_name(path.name) else 0)
    return max(times), folder.name


def checkpoint_of_run(folder):
    """Return the path of what a run's folder has to offer: model_best.pth, else its last
    checkpoint.
    """
    best = Path(folder) / "model_best.pth"
    if best.is_file():
        return best
    return _last_in(folder, "neither model_best.pth nor checkpoint-epochN.pth")


def last_checkpoint(path):
    """Return the path of a checkpoint: itself, or of a run's folder its last one, which trainings
    go on from, and which their own figures are of.
    """
    return str(_last_in(path, "no checkpoint-epochN.pth")) if os.path.isdir(path) else path


def _last_in(folder, lack):
    last = _last(Path(folder).glob("*.pth"))
    if last is None:
        raise UserError(
            f"{folder}: holds {lack}; expected a checkpoint, or the folder of a run that has one"
        )
    return last.path


def _last(paths):
    found = [
        FoundCheckpoint(path, *parse_name(path.name)) for path in paths if parse_name(path.name)
    ]
    return max(found, key=lambda c: (c.path.parent.name, c.epoch, c.step), default=None)


class Run:
    """One training or evaluation: its config, its folder and, while it is open, its log and events.

    Of the processes of a world, the main one writes the files and the log.

    identity: plain data that every checkpoint of the run holds.
    """

    def __init__(self, folder, config, world=World()):
        self.folder, self.config, self.world, self.device = folder, config, world, world.device
        self.identity = {
            "run_name": config.name,
            "seed": config.seed,
            "arch": config.arch["type"],
            "mini_train": config.limits is MINI,
            "config": config.raw,
        }
        self.partial = list(config.limits.notes)  # how the data differ from the published, or whole
        self.remarks = []  # what the data sets are, for the log
        self.warnings = []  # what is probably a mistake, for the log
        self.logger = self.writer = None

    def note_dataset(self, dataset):
        """Remember, for log and results, what a data set is and what it lacks."""
        broken = len(dataset.broken)
        total = len(dataset) + broken
        skipped = f"{broken} of {total} images of split '{dataset.split}' are broken"
        for note in (dataset.partial_note, f"{skipped}, left out" if broken else None):
            if note is not None and note not in self.partial:
                self.partial.append(note)
        for line in (*dataset.describe(), *(f"left out: {fault}" for fault in dataset.broken)):
            if line not in self.remarks:
                self.remarks.append(line)
        self.warnings += [text for text in dataset.warnings if text not in self.warnings]

    @contextmanager
    def open(self, first_lines, events=True):
        """Make the folder, begin the log, and open TensorBoard events if the options want them."""
        if not self.world.is_main:
            self.logger = silent_log()
            yield self
            return
        self.folder.create(self.config.raw)
        self.logger = open_log(self.folder, self.config.trainer.verbosity)
        for line in first_lines:
            self.logger.info(line)
        for line in self.remarks:
            self.logger.info(line)
        for line in self.warnings:
            self.logger.warning(line)
        for note in self.partial:
            self.logger.warning(
                f"partial data, figures do not compare with those of the whole: {note}"
            )
        if events and self.config.trainer.tensorboardX:
            self.writer = Events(self.folder.log_dir, self.logger)
        try:
            yield self
        finally:
            if self.writer is not None:
                self.writer.close()

    def show(self, name, figure, epoch=None):
        """Write a matplotlib figure as ``pictures/<name>.png``, and to TensorBoard where events are
        written; returns the file's path.
        """
        folder = self.folder.log_dir / "pictures"
        path = folder / f"{name}.png"
        with disk_errors(path):
            folder.mkdir(exist_ok=True)
        write_atomically(path, partial(figure.savefig, format="png", dpi=PICTURE_DPI))
        if self.writer is not None:
            self.writer.add_figure(name, figure, epoch)
        return path


def write_json(path, data):
    """Write plain data as JSON, whole or not at all."""
    text = json.dumps(data, indent=4, allow_nan=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))
