"""Progress bars, on stderr: what is left to do, and how long it may take."""

import sys
from contextlib import contextmanager
from contextvars import ContextVar

from tqdm import tqdm

LOG_SECONDS = 30  # between two lines of a bar that goes into a file
_hidden = ContextVar("hidden", default=None)  # tqdm's ``disable``; None: where no terminal is


@contextmanager
def bars_hidden(hidden):
    """While entered, ``progress_bar`` shows nothing if ``hidden``."""
    token = _hidden.set(True if hidden else None)
    try:
        yield
    finally:
        _hidden.reset(token)


def progress_bar(total, title, unit="image", done=0):
    """Return a tqdm bar that is shown on a terminal only, and leaves nothing there.

    done: how many were done before.
    """
    return tqdm(
        total=total,
        initial=done,
        desc=title,
        unit=unit,
        leave=False,
        disable=_hidden.get(),
        dynamic_ncols=True,
    )


def clock(seconds):
    """Return a time as mm:ss, or h:mm:ss."""
    return tqdm.format_interval(seconds)


def byte_bar(title, total=None):
    """Return a tqdm bar of what is counted in bytes: rate and time left, in files too; ``total``
    None: unknown.
    """
    interval = 0.2 if sys.stderr.isatty() else LOG_SECONDS
    return tqdm(
        desc=title, total=total, unit="B", unit_scale=True, unit_divisor=1024, mininterval=interval
    )
