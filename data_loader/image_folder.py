"""The images below a folder, and which of them are for training and for the test."""

import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from utils.errors import UserError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
UNREAD_SUFFIXES = (  # of pictures and films that are not read
    *(".heic", ".heif", ".avif", ".gif", ".jfif", ".jp2", ".j2k", ".jxl", ".jpe", ".svg", ".psd"),
    *(".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"),
    *(".pdf", ".eps", ".ai", ".xcf", ".exr", ".hdr", ".tga", ".ico", ".ppm", ".pgm", ".pnm"),
    *(".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".dcm", ".zip"),
)
SYSTEM_FOLDERS = (  # of thumbnails, deleted files and the like
    *("@eaDir", "#recycle", "@Recycle", "@Recently-Snapshot", "#snapshot", "@tmp", "__MACOSX"),
    *("$RECYCLE.BIN", "System Volume Information", "lost+found"),
)
TEST_SHARE = 0.1  # of the images whose split no one named
SPLIT_WORDS = {
    "train": ("train", "training", "trainset"),
    "val": ("val", "valid", "validation", "valset"),
    "test": ("test", "testing", "testset"),
}
SPLITS = {word: split for split, words in SPLIT_WORDS.items() for word in words}
ADDED_TO_SPLITS = {"", "data", "images", "imgs", "set", "split"}  # as in "train_images"


@dataclass
class Contents:
    """What lies below a folder, see ``look_below``.

    files: {name, relative to the folder with "/": number of the file on its disk; 0 of a link}, by
    name; faults: a text for each folder that cannot be read; passed_over: folders not looked into.
    """

    files: dict
    faults: list
    passed_over: list


def files_below(folder):
    """Return the files below a folder, see ``look_below``. A folder that cannot be read is an
    error.
    """
    contents = look_below(folder)
    if contents.faults:
        raise UserError(contents.faults[0])
    return list(contents.files)


def look_below(folder, seen=()):
    """Return the ``Contents`` of a folder.

    What begins with a dot, and folders that systems keep for themselves, are passed over. A folder
    is entered once, by a link only if it is not below the folder by its own name; links to the
    folder itself, to one around it, or to one of ``seen`` are not entered.
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
                is_pipe = not entry.is_file() and os.path.exists(entry.path)  # or a socket: no file
                if not entry.name.startswith(".") and not is_pipe:
                    files[name] = 0 if is_link else entry.inode()
            elif entry.name.startswith(".") or entry.name in SYSTEM_FOLDERS:
                passed_over.append(name)
            elif is_link:
                links.append((f"{name}/", os.path.realpath(entry.path)))
            else:
                folders.append((f"{name}/", os.path.join(place, entry.name)))
    return Contents(dict(sorted(files.items())), sorted(faults), sorted(passed_over))


def one_name_each(folder, files, names):
    """Return {further name of a file: the first of its names} of images that have several, as links
    or hard links; the first is no link, if one of them is none.

    files: {name: number on its disk}, as of ``Contents``; names: of the images to compare.
    """
    shared = Counter(files[name] for name in names)
    first, further = {}, {}
    for name in sorted(names, key=lambda name: (not files[name], name)):
        if files[name] and shared[files[name]] == 1 and not shared[0]:
            continue
        try:
            status = os.stat(folder / name)
        except OSError:
            continue  # told where it is read
        known = first.setdefault((status.st_dev, status.st_ino), name)
        if known != name and (not files[name] or status.st_nlink > 1):
            further[name] = known
    return further


def images_among(names, pattern=None):
    """Return the names of images that fit a glob, in which "*" stands for "/" too."""
    return [
        name
        for name in names
        if PurePath(name).suffix.lower() in IMAGE_SUFFIXES
        and (pattern is None or fnmatchcase(name, pattern))
    ]


def unread_among(names):
    """Return {suffix: how many} of the names of pictures of kinds that are not read."""
    suffixes = (PurePath(name).suffix.lower() for name in names)
    return Counter(suffix for suffix in suffixes if suffix in UNREAD_SUFFIXES)


def other_suffixes(names):
    """Return how many files have which suffix, for a folder in which no image was found."""
    counts = Counter(PurePath(name).suffix.lower() or "no suffix" for name in names)
    return ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common(5)) or "no files"


def split_named(text):
    """Return the split that a text names, "train", "val" or "test", in small letters or capitals;
    None if it names none, or several. "Training", "valid_images" and "test2017" name one,
    "test subjects" does not.
    """
    words = set(re.split(r"[^a-z]+", text.lower())) - ADDED_TO_SPLITS
    return SPLITS.get(words.pop()) if len(words) == 1 else None


def split_of_file(name):
    """Return the only split that a path below the root speaks of, the file's name first; None if
    it speaks of none.
    """
    for part in reversed(PurePath(name).parts):
        words = re.split(r"[^a-z]+", part.lower())
        splits = {SPLITS[word] for word in words if word in SPLITS}
        if len(splits) == 1:
            return splits.pop()
    return None


def folder_splits(names):
    """Return {name: split} of the images in folders that are named as splits: the outermost such
    folder counts. Empty unless one folder is for training and another for validation or the test.
    """
    splits = {}
    for name in names:
        named = [split for split in map(split_named, PurePath(name).parts[:-1]) if split]
        if named:
            splits[name] = named[0]
    found = set(splits.values())
    return splits if "train" in found and len(found) > 1 else {}


def assign_splits(names, named):
    """Return {name: split} of all images of a folder.

    named: {name: split or None}, what a list says. The others fall by a hash of their name, which
    no other image changes. Only of a handful of images, where no list names a split, so many are
    moved that each split has the two that are matched with each other, if it can.
    """
    splits = {
        name: named.get(name) or ("test" if _place(name) < TEST_SHARE else "train")
        for name in names
    }
    if not any(named.values()):
        ordered, least = sorted(names, key=_place), min(2, len(names) // 2)
        splits.update(dict.fromkeys(ordered[:least], "test"))
        splits.update(dict.fromkeys(ordered[len(names) - least :], "train"))
    return splits


def _place(name):
    """Return the place of a name in [0, 1), by its hash."""
    digest = hashlib.sha1(name.encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:4], "big") / (1 << 32)


def root_folder(root):
    """Return a data set's root as a path, a "~" at its beginning as shells understand it."""
    if not str(root).strip():
        raise UserError("dataset.args.root is empty, expected a folder")
    return Path(os.path.expanduser(root))


def images_folder(root):
    """Return where the images of a data set's root lie: in its folder "images", if it has one."""
    inner = Path(root) / "images"
    return inner if inner.is_dir() else Path(root)
