"""Write files atomically, check free space, lock files, and report disk errors in one line."""

import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

from utils.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT)
TEMPORARY = ".{name}.tmp-{process}"
LONGEST_NAME = 255  # bytes, on nearly every file system
MOST_OF_A_NAME = 50  # characters of a file's name in that of its temporary file


class WriteError(UserError):
    """A file that could not be written; its previous content is intact."""


def size_text(size):
    """Return a number of bytes in a readable unit, as in ``9.0 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.1f} {unit}" if unit != "B" else f"{size} B"
        size /= 1024


def require_space(folder, needed, what):
    """Raise ``UserError`` unless ``needed`` bytes are free where ``folder`` is or will be."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise UserError(
            f"{folder}: {what} needs about {size_text(needed)} and {size_text(free)} are free; "
            "make room there or choose another place"
        )


@contextmanager
def disk_errors(path):
    """Raise an ``OSError`` of the block as a ``WriteError`` that names the path."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise WriteError(
                f"{path}: the disk is full; make room and run the same command again"
            ) from error
        where = error.filename or path
        raise WriteError(f"{where}: {error.strerror or error}") from error


@contextmanager
def parent_folder(path):
    """Make the parent folder of ``path``; on exit, remove the folders made that are still empty."""
    made = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield path.parent
    finally:
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


def lock(descriptor, path):
    """Lock ``path`` for this process until ``descriptor`` is closed or the process ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(f"{path}: another process is writing it; wait for its end") from error
    except OSError:
        pass  # a file system without locks (some network ones) is used without


def fitting(path):
    """Return a path, its name cut and ended with a hash if it is too long for a file system."""
    name = os.fsencode(path.name)
    if len(name) <= LONGEST_NAME:
        return path
    suffix = os.fsencode(path.suffix)
    end = b"-" + hashlib.sha1(name, usedforsecurity=False).hexdigest()[:12].encode() + suffix
    short = name[: LONGEST_NAME - len(end)].decode(errors="ignore")
    return path.with_name(short + os.fsdecode(end))


def write_atomically(path, write):
    """Call ``write(file)`` on a temporary file, flush it to disk, and rename it to ``path``.

    Raises ``WriteError``.
    """
    path = Path(path)
    name = path.name[:MOST_OF_A_NAME]
    temporary = path.with_name(TEMPORARY.format(name=name, process=os.getpid()))
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        room = _room_needed(path.parent, write) if error.errno in FULL else ""
        raise WriteError(f"{path}: cannot write this file ({error.strerror}){room}") from error
    finally:
        with suppress(OSError):  # already renamed
            temporary.unlink()


def remove_leftovers(folder):
    """Remove temporary files of killed writers from a folder."""
    for path in Path(folder).glob(TEMPORARY.format(name="*", process="*")):
        with suppress(OSError):
            path.unlink()


def refusal(folder, size):
    """Return the ``OSError`` that writing ``size`` bytes in a folder would raise, None if it works.

    It finds a disk that is full, over quota, read-only or gone before a file is cut short.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        return error
    return None


def _flush_folder(folder):
    """Flush a folder to disk, so that files superseded by a renamed one may be removed."""
    with suppress(OSError):  # not every file system supports it
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _room_needed(folder, write):
    """Return how much ``write`` needs and how much is free, for a message; "" if it is unknown."""
    sink = _Sink()
    try:
        write(sink)
        free = shutil.disk_usage(folder).free
    except OSError:
        return ""
    return f"; it needs about {size_text(sink.size)} and {size_text(free)} are free"


class _Sink(io.RawIOBase):
    """A file that only counts the bytes written to it."""

    size = 0

    def writable(self):
        return True

    def write(self, data):
        self.size += memoryview(data).nbytes
        return memoryview(data).nbytes


def write_json(path, data):
    """Write plain data as JSON, atomically."""
    text = json.dumps(data, indent=4, allow_nan=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))
