"""The images below a folder, and which of them are for training and for the test."""

import hashlib
import os
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from utils.errors import UserError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
TEST_SHARE = 0.1  # of the images whose split no one named


def files_below(folder):
    """Return the files below a folder, relative to it with "/", by name.

    What begins with a dot is left out, and folders that are links are not entered. A folder that
    cannot be read is an error.
    """
    names, faults = readable_below(folder)
    if faults:
        raise UserError(faults[0])
    return names


def readable_below(folder):
    """Return what ``files_below`` does, and a text for each folder that cannot be read."""
    names, errors = [], []
    for place, folders, files in os.walk(folder, onerror=errors.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = PurePath(place).relative_to(folder)
        names += [(below / name).as_posix() for name in files if not name.startswith(".")]
    faults = sorted(f"{e.filename}: cannot read this folder ({e.strerror})" for e in errors)
    return sorted(names), faults


def images_among(names, pattern=None):
    """Return the names of images that fit a glob, in which "*" stands for "/" too."""
    return [
        name
        for name in names
        if PurePath(name).suffix.lower() in IMAGE_SUFFIXES
        and (pattern is None or fnmatchcase(name, pattern))
    ]


def other_suffixes(names):
    """Return how many files have which suffix, for a folder in which no image was found."""
    counts = Counter(PurePath(name).suffix.lower() or "no suffix" for name in names)
    return ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common(5)) or "no files"


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
    return Path(os.path.expanduser(root))


def images_folder(root):
    """Return where the images of a data set's root lie: in its folder "images", if it has one."""
    inner = Path(root) / "images"
    return inner if inner.is_dir() else Path(root)
