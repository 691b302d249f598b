"""Progress bars on stderr, with tqdm."""

import sys
from contextlib import contextmanager
from contextvars import ContextVar

from tqdm import tqdm

LOG_SECONDS = 30  # between two updates of a bar that is written to a file
_hidden = ContextVar("hidden", default=None)  # tqdm's ``disable``; None: unless on a terminal


@contextmanager
def bars_hidden(hidden):
    """Hide the bars of ``progress_bar`` while entered, if ``hidden``."""
    token = _hidden.set(True if hidden else None)
    try:
        yield
    finally:
        _hidden.reset(token)


def progress_bar(total, title, unit="image", done=0):
    """Return a tqdm bar that starts at ``done``; it is shown on a terminal only."""
    return tqdm(
        total=total,
        initial=done,
        desc=title,
        unit=unit,
        leave=False,
        disable=_hidden.get(),
        dynamic_ncols=True,
    )


def with_progress(items, title, unit="image"):
    """Yield the items of a collection, with a ``progress_bar``."""
    with progress_bar(len(items), title, unit) as bar:
        for item in items:
            yield item
            bar.update()


def clock(seconds):
    """Return a time as mm:ss, or h:mm:ss."""
    return tqdm.format_interval(seconds)


def byte_bar(title, total=None):
    """Return a tqdm bar that counts bytes, shown in log files too; ``total`` None: unknown."""
    interval = 0.2 if sys.stderr.isatty() else LOG_SECONDS
    return tqdm(
        desc=title, total=total, unit="B", unit_scale=True, unit_divisor=1024, mininterval=interval
    )
