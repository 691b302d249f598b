"""The cores that this process may use, and the processes or threads that read images on them."""

import os
from concurrent.futures import ThreadPoolExecutor

MOST_READERS = 8


def usable_cores():
    """Return the number of cores that this process may use, as taskset or Slurm limit it."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def num_readers():
    """Return a number of processes or threads that read images: one per core, up to eight."""
    return min(MOST_READERS, usable_cores())


def read_ahead(read, items, batch_size):
    """Yield lists of what ``read`` returns for the items of each batch, in order, by threads.

    They read the next batch meanwhile.
    """
    batches = [items[first : first + batch_size] for first in range(0, len(items), batch_size)]
    with ThreadPoolExecutor(num_readers()) as pool:
        coming = pool.map(read, batches[0] if batches else ())
        for _, following in zip(batches, [*batches[1:], ()]):
            found, coming = coming, pool.map(read, following)
            yield list(found)
