"""train.py, killed at a chosen moment: ``-m tests.soaking.dying FILE WHEN COUNT --config ...``

FILE: the name of what is written, "*" for any text; WHEN: before, within or after; COUNT: which of
the writes it is, from 1. Where that moment never comes, the training comes to its end.
"""

import os
import signal
import sys
from fnmatch import fnmatch
from itertools import count
from pathlib import Path

from tensorboard.summary.writer.record_writer import RecordWriter

from tests.data_helpers.tiny_runs import program_main
from utils import disk
from utils.cli import run_program
from utils.log import LogFile

PLACES = [(name, when) for name in ("config.json", "model_best.pth", "checkpoint-epoch*.pth",
                                    "results.json") for when in ("before", "within", "after")]
PLACES += [("info.log", "within"), ("events*", "within")]


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class HalfWritten:
    """A file, or what stands for one, that gets half of what is written first; then all ends."""

    def __init__(self, file):
        self.file = file

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, data):
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        die()


class Killer:
    """Ends the process at a moment of a write."""

    def __init__(self, name, when, number):
        self.name, self.when, self.number = name, when, int(number)
        self.counts = count(1)

    def meets(self, path):
        """Whether this write is the one."""
        return fnmatch(Path(path).name, self.name) and next(self.counts) == self.number

    def watch(self):
        """Put itself between the project and its files."""
        write, log, record = disk.write_atomically, LogFile.emit, RecordWriter.write

        def write_atomically(path, content):
            met = self.meets(path)
            if met and self.when == "before":
                die()
            write(path, (lambda file: content(HalfWritten(file)))
                  if met and self.when == "within" else content)
            if met:
                die()

        def emit(handler, entry):
            if self.meets(handler.baseFilename):
                handler.stream = HalfWritten(handler.stream)
            log(handler, entry)

        def write_record(writer, data):
            if self.meets("events"):
                writer._writer = HalfWritten(writer._writer)
            record(writer, data)

        for module in list(sys.modules.values()):
            if getattr(module, "write_atomically", None) is write:
                module.write_atomically = write_atomically
        LogFile.emit, RecordWriter.write = emit, write_record


def main():
    killer = Killer(*sys.argv[1:4])
    sys.argv[1:] = sys.argv[4:]
    start = program_main("train.py")
    killer.watch()
    return start()


if __name__ == "__main__":
    sys.exit(run_program(main))
