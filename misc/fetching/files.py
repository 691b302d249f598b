"""Sizes and checksums of files."""

import hashlib
import os

from utils.progress import byte_bar

CHUNK = 1 << 20


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
