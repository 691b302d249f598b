"""Out-of-memory errors of the CPU, a GPU and /dev/shm, as one-line messages."""

import multiprocessing
import re
from contextlib import contextmanager

from utils.errors import UserError

# Messages of torch (GPU and CPU), numpy and the system.
OUT_OF_MEMORY = re.compile("out of memory|can(?:'t|not) allocate memory|unable to allocate", re.I)
OUT_OF_SHARED_MEMORY = re.compile(
    r"allocate shared memory\(shm\)|</torch_.*no space left|shared memory limit|bus error", re.I
)
LOST_WORKER = re.compile(r"DataLoader worker \(pid[^.]*")
WHAT_HELPS = "free some of it, or give the program less to do at a time"
LARGER_SHM = (
    "/dev/shm, the memory that processes share, is too small: make it larger (in Docker: "
    "--shm-size=2g), or lower num_workers (0: no worker processes); cache = 'memory' lies there too"
)


@contextmanager
def memory_errors(what_helps=WHAT_HELPS):
    """Raise ``UserError`` if the block runs out of memory or loses a loader's worker process.

    Linux kills processes when memory is short. Other errors pass through.

    what_helps: ends the message of an out-of-memory error.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if OUT_OF_SHARED_MEMORY.search(str(error)):
            raise UserError(LARGER_SHM) from error
        worker = LOST_WORKER.search(str(error))
        if worker:
            raise UserError(
                f"{worker[0]}: is the machine short of memory, or /dev/shm too small? A lower "
                "num_workers takes less (0: no worker processes)"
            ) from error
        if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error)):
            raise UserError(f"out of memory: {what_helps}") from error
        raise


def require_shared_memory(num_workers):
    """Raise ``UserError`` unless /dev/shm has room for the locks of a loader with workers."""
    try:
        [multiprocessing.Lock() for _ in range(8 + 4 * num_workers)]
    except OSError as error:
        raise UserError(f"{LARGER_SHM} ({error.strerror})") from error
