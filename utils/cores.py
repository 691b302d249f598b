"""The cores that this process may use, and how many processes or threads read images by default."""

import os

MOST_READERS = 8


def usable_cores():
    """Return the number of cores that this process may use, as taskset or Slurm limit it."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def num_readers():
    """Return a number of processes or threads that read images: one per core, up to eight."""
    return min(MOST_READERS, usable_cores())
