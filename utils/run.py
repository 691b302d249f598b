"""A training or evaluation with its log, TensorBoard events and notes on its data."""

from contextlib import contextmanager
from functools import partial

from utils.config.mini_run import MINI
from utils.disk import disk_errors, write_atomically
from utils.distributed import World
from utils.events import Events
from utils.log import open_log, silent_log

PICTURE_DPI = 120


class Run:
    """A training or evaluation: its config, its folder and, while it is open, its log and events.

    Only the main process of a world writes files and logs.

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
        self.partial = list(config.limits.notes)  # what is missing from the published data
        self.remarks = []  # lines for the log: facts about the data sets
        self.warnings = []  # lines for the log: probable mistakes
        self.logger = self.writer = None

    def note_dataset(self, dataset):
        """Record, for log and results, what a data set holds and what it lacks."""
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
        """Make the folder, open the log and, if configured, TensorBoard events; yields itself."""
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
        """Write a matplotlib figure as ``pictures/<name>.png``, and to TensorBoard if configured.

        Returns the file's path.
        """
        folder = self.folder.log_dir / "pictures"
        path = folder / f"{name}.png"
        with disk_errors(path):
            folder.mkdir(exist_ok=True)
        write_atomically(path, partial(figure.savefig, format="png", dpi=PICTURE_DPI))
        if self.writer is not None:
            self.writer.add_figure(name, figure, epoch)
        return path
