"""The log of a run: plain lines on the terminal, dated ones in info.log."""

import logging
import sys
from contextlib import suppress

from utils.disk import disk_errors
from utils.streams import silence

LOG_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
LEVELS = {0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}


class Terminal(logging.StreamHandler):
    """Log lines on stdout. If its reader closes it, the run continues and info.log has the rest."""

    def handleError(self, record):
        if isinstance(sys.exc_info()[1], OSError):  # a pipe, or a terminal, that is closed
            silence(self.stream)
        else:
            super().handleError(record)


class LogFile(logging.FileHandler):
    """A log file. While it cannot be written, one line on stderr says so, and the run continues."""

    refused = False

    def emit(self, record):
        self.failed = False
        super().emit(record)
        self.refused = self.failed

    def handleError(self, record):
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self.failed = True
        if not self.refused:
            print(
                f"{self.baseFilename}: no lines for the time being ({error.strerror})",
                file=sys.stderr,
            )

    def close(self):
        with suppress(OSError):  # lines that could not be written
            super().close()


def silent_log():
    """Return a logger that writes nothing, for all processes but the main one."""
    logger = logging.getLogger("dve.silent")
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    return logger


def open_log(run_folder, verbosity):
    """Return the run's logger: plain lines on the terminal; time, name and level in info.log.

    verbosity: of the terminal, a key of ``LEVELS``.
    """
    logger = logging.getLogger("dve")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    terminal = Terminal(sys.stdout)
    terminal.setLevel(LEVELS[verbosity])
    path = run_folder.log_dir / "info.log"
    with disk_errors(path):
        file = LogFile(path, encoding="utf-8", errors="backslashreplace")
    file.setFormatter(logging.Formatter(LOG_FORMAT))
    logger.addHandler(terminal)
    logger.addHandler(file)
    return logger
