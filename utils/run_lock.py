"""One process writes a run: it holds the run's folder until it ends, however it ends."""

import fcntl
import os
import socket
from contextlib import ExitStack, contextmanager, suppress

from utils.disk import disk_errors
from utils.errors import UserError
from utils.run_folder import no_folder

LOCK = ".lock"  # in a folder that is held; one that a killed process left holds nothing


@contextmanager
def held(folder):
    """Hold a folder for this process while entered; raises ``UserError`` that names the process
    and the host which hold it already.

    The system keeps the lock: it ends with this process, whatever ends it, and worker processes do
    not inherit it. A file system without locks is used without.
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
def held_run(run_folder, seeds=None):
    """Hold a run's folder, or those of its seeds, while entered; then remove what was not used."""
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
                until_end.enter_context(held(folder))
            yield
    finally:
        for folder in (*folders, run_folder.model_dir):
            with suppress(OSError):  # it is in use
                folder.rmdir()


def holder_of(folder):
    """Return who holds a folder, "process 17 on this-host", or None; this process never does."""
    try:
        with open(folder / LOCK, "r+b") as file:
            return None if _lock(file) else _told(file)
    except OSError:  # there is no lock, or not for us
        return None


def _open_locked(path):
    while True:
        file = open(path, "a+b")
        if not _lock(file):
            with file:
                raise UserError(
                    f"{path.parent}: {_told(file)} trains in this folder; wait for its end"
                )
        with suppress(OSError):  # another process removed it, at its end, before it was locked here
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        file.close()


def _lock(file):
    """Lock a file for this process; returns whether no other process has."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        pass  # a file system without locks (some network ones)
    return True


def _told(file):
    file.seek(0)
    return file.read(200).decode(errors="replace") or "another process"


@contextmanager
def alone(folder):
    """Wait until no other process is in a block of the same folder, then enter it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks of folders
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
