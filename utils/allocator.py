"""How the C library keeps memory for tensors on the CPU."""

import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # options of mallopt(3)
SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_")


def keep_freed_memory():
    """Let this process keep the memory that it frees, for what it asks for next.

    As it comes, glibc gives large tensors back to the system at once; to clear their pages for the
    next ones is a good part of a training step, and most of a regressor's. The price is memory: a
    sixth more in a training, several times as much where many tensors of hundreds of megabytes
    come and go. With another C library nothing happens, nor where the environment says how glibc
    is to do it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and not any(name in os.environ for name in SETTINGS):
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
