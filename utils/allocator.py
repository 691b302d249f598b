"""Settings of glibc's allocator, for the speed of tensors on the CPU."""

import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # options of mallopt(3)
SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_")


def keep_freed_memory():
    """Make glibc keep freed memory in this process instead of returning it to the system.

    By default it returns large tensors at once; clearing the pages of the next ones is a good part
    of a training step, and most of a regressor's. The price is memory: a sixth more in a training,
    several times as much if many tensors of hundreds of megabytes are allocated and freed. Does
    nothing with another C library, or if the environment has settings of its own for glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and not any(name in os.environ for name in SETTINGS):
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
