"""Lock the folder of a run, so that only one process writes it."""

import fcntl
import os
import socket
from contextlib import ExitStack, contextmanager, suppress

from utils.disk import disk_errors
from utils.errors import UserError
from utils.run_folder import no_folder

LOCK = ".lock"  # in a locked folder; the file of a killed process locks nothing


@contextmanager
def locked(folder):
    """Lock a folder for this process while entered.

    The system releases the lock when the process ends, however it ends; worker processes do not
    inherit it. On a file system without locks, nothing is locked. Raises ``UserError`` naming the
    process and host that hold the lock.
    """
    path = folder / LOCK
    with disk_errors(path):
        file = _open_locked(path)
    with file:
        try:
            with suppress(OSError):  # a full disk: the lock holds all the same
                os.truncate(file.fileno(), 0)
                os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode())
            yield
        finally:
            with suppress(OSError):
                path.unlink()


@contextmanager
def locked_run(run_folder, seeds=None):
    """Make and lock a run's folder, or those of its seeds, while entered; remove empty ones."""
    folders = [run_folder.model_dir]
    if seeds is not None:
        folders = [run_folder.for_seed(seed).model_dir for seed in seeds]
    try:
        with ExitStack() as until_end:
            for folder in folders:
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise no_folder(error) from error
                until_end.enter_context(locked(folder))
            yield
    finally:
        for folder in (*folders, run_folder.model_dir):
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def owner_of(folder):
    """Return who has locked a folder, as in "process 17 on this-host"; None if no other process."""
    try:
        with open(folder / LOCK, "r+b") as file:
            return None if _lock(file) else _owner(file)
    except OSError:  # no lock, or not readable
        return None


@contextmanager
def one_at_a_time(folder):
    """Wait until no other process is in a block of the same folder, then enter it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks of folders
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open_locked(path):
    while True:
        file = open(path, "a+b")
        if not _lock(file):
            with file:
                owner = _owner(file)
            raise UserError(f"{path.parent}: {owner} trains in this folder; wait for its end")
        with suppress(OSError):  # its last owner removed it before it was locked here: try again
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        file.close()


def _lock(file):
    """Lock a file for this process; returns False if another process has locked it."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        pass  # a file system without locks (some network ones)
    return True


def _owner(file):
    file.seek(0)
    return file.read(200).decode(errors="replace") or "another process"
