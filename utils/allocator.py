"""How the C library keeps memory for tensors on the CPU."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # options of mallopt(3)


def keep_freed_memory():
    """Let this process keep the memory that it frees, for what it asks for next.

    As it comes, glibc gives large tensors back to the system at once; to clear their pages for the
    next ones takes a sixth of a training step, and almost half of a regressor's. With another C
    library nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
