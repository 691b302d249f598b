"""What long writes to a disk need: room, one writer at a time, and errors told in one line."""

import errno
import fcntl
import hashlib
import os
import shutil
from contextlib import contextmanager, suppress

from utils.errors import UserError
from utils.progress import byte_bar

CHUNK = 1 << 20
FULL = (errno.ENOSPC, errno.EDQUOT)


def size_text(size):
    """Return a number of bytes as people write it: ``9.0 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.1f} {unit}" if unit != "B" else f"{size} B"
        size /= 1024


def measure(folder):
    """Return how many files lie below ``folder`` and their bytes; links are not followed."""
    files = size = 0
    pending = [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    files += 1
                    size += entry.stat(follow_symlinks=False).st_size
    return files, size


def sha1_of(path, title):
    """Return the SHA-1 of a file as hexadecimal digits, with a progress bar."""
    digest = hashlib.sha1(usedforsecurity=False)
    with open(path, "rb") as file, byte_bar(title, path.stat().st_size) as bar:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


def require_space(folder, needed, what):
    """Raise a UserError unless ``needed`` bytes are free where ``folder`` is, or is going to be."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise UserError(
            f"{folder}: {what} needs about {size_text(needed)} and {size_text(free)} are free; "
            "make room there or choose another place"
        )


@contextmanager
def disk_errors(path):
    """Turn an OSError of the block into one line that names ``path`` and what to do next."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise UserError(
                f"{path}: the disk is full; make room and run the same command again"
            ) from error
        where = error.filename or path
        raise UserError(f"{where}: {error.strerror or error}") from error


@contextmanager
def parent_folder(path):
    """Make the folder that holds ``path``; afterwards remove what was made and stayed empty."""
    made = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield path.parent
    finally:
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


def lock(descriptor, path):
    """Hold ``path`` for this process until ``descriptor`` is closed or the process dies."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(f"{path}: another process is writing it; wait for its end") from error
    except OSError:
        pass  # a file system without locks (some network ones) is used without
