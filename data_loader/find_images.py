"""Find image files below a folder."""

import os
from collections import Counter
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from utils.errors import UserError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
UNREAD_SUFFIXES = (  # of images and videos that are not read
    *(".heic", ".heif", ".avif", ".gif", ".jfif", ".jp2", ".j2k", ".jxl", ".jpe", ".svg", ".psd"),
    *(".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"),
    *(".pdf", ".eps", ".ai", ".xcf", ".exr", ".hdr", ".tga", ".ico", ".ppm", ".pgm", ".pnm"),
    *(".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".dcm", ".zip"),
)
SYSTEM_FOLDERS = (  # thumbnails, deleted files and the like
    *("@eaDir", "#recycle", "@Recycle", "@Recently-Snapshot", "#snapshot", "@tmp", "__MACOSX"),
    *("$RECYCLE.BIN", "System Volume Information", "lost+found"),
)


def files_below(folder):
    """Return the files below a folder; raises ``UserError`` if a folder cannot be read."""
    files, faults, _ = look_below(folder)
    if faults:
        raise UserError(faults[0])
    return list(files)


def look_below(folder, seen=()):
    """Return the files below a folder, faults of folders in it, and the folders passed over.

    Files are {path relative to the folder, with "/": inode, 0 for a link}, without hidden ones;
    faults are texts. Hidden and system folders are passed over. Each folder is entered once, and
    through a link only if it has no other path below ``folder``. Links to ``folder`` itself, to its
    parents, or to a folder of ``seen`` are not followed.
    """
    home = os.path.realpath(folder)
    entered = set(map(os.path.realpath, seen))
    files, faults, passed_over = {}, [], []
    folders, links = [("", home)], []
    while folders or links:
        below, place = (folders or links).pop()
        if place in entered or f"{home}/".startswith(f"{place.rstrip('/')}/") and below:
            continue
        entered.add(place)
        try:
            with os.scandir(Path(folder, below)) as entries:
                entries = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            faults.append(f"{error.filename}: cannot read this folder ({error.strerror})")
            continue
        for entry in entries:
            name, is_link = f"{below}{entry.name}", entry.is_symlink()
            if not (os.path.isdir(entry.path) if is_link else entry.is_dir()):
                is_pipe = not entry.is_file() and os.path.exists(entry.path)  # or a socket
                if not entry.name.startswith(".") and not is_pipe:
                    files[name] = 0 if is_link else entry.inode()
            elif entry.name.startswith(".") or entry.name in SYSTEM_FOLDERS:
                passed_over.append(name)
            elif is_link:
                links.append((f"{name}/", os.path.realpath(entry.path)))
            else:
                folders.append((f"{name}/", os.path.join(place, entry.name)))
    return dict(sorted(files.items())), sorted(faults), sorted(passed_over)


def duplicate_names(folder, files, names):
    """Return {further name: first name} of the images with several names: links and hard links.

    files: as of ``look_below``; names: the images to compare. A first name is a link only if all
    names are.
    """
    inodes = [files[name] for name in names]
    if 0 not in inodes and len(set(inodes)) == len(inodes):
        return {}
    first, further = {}, {}
    for name in sorted(names, key=lambda name: (not files[name], name)):
        with suppress(OSError):  # the image is reported where it is opened
            status = os.stat(folder / name)
            known = first.setdefault((status.st_dev, status.st_ino), name)
            if known != name and (not files[name] or status.st_nlink > 1):
                further[name] = known
    return further


def images_among(names, pattern=None):
    """Return the names of images that match a glob, in which "*" matches "/" too."""
    return [
        name
        for name in names
        if PurePath(name).suffix.lower() in IMAGE_SUFFIXES
        and (pattern is None or fnmatchcase(name, pattern))
    ]


def count_suffixes(names):
    """Return a ``Counter`` of the file name suffixes, in lower case."""
    return Counter(PurePath(name).suffix.lower() for name in names)


def root_folder(root):
    """Return a data set's root as a path, "~" expanded; an empty one is a ``UserError``."""
    if not str(root).strip():
        raise UserError("dataset.args.root is empty, expected a folder")
    return Path(os.path.expanduser(root))


def images_folder(root):
    """Return the folder of a root's images: ``root/images`` if that exists, else the root."""
    inner = Path(root) / "images"
    return inner if inner.is_dir() else Path(root)
