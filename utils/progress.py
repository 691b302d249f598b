"""The progress bar of everything that is counted in bytes."""

import sys

from tqdm import tqdm

LOG_SECONDS = 30  # between two lines of a bar that goes into a file


def byte_bar(title, total=None):
    """Return a tqdm bar on stderr: bytes, rate and time left; ``total`` None: unknown."""
    interval = 0.2 if sys.stderr.isatty() else LOG_SECONDS
    return tqdm(
        desc=title, total=total, unit="B", unit_scale=True, unit_divisor=1024, mininterval=interval
    )
