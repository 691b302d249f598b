"""Find out which image of a folder an entry of a list means."""

import os
import re
from collections import defaultdict
from functools import cached_property, lru_cache
from itertools import takewhile
from pathlib import PurePosixPath
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

from data_loader.find_images import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from data_loader.splits import split_named, split_of_file

OLD_ENCODINGS = ("latin-1", "cp437")  # of file names by old systems, and in old zip files
PICTURE_SUFFIXES = (*IMAGE_SUFFIXES, *UNREAD_SUFFIXES)


class ImageNames:
    """The images of a folder, searched by the names in lists.

    folder: the image folder.
    images: the names of its images, relative to it.
    aliases: {further name of an image file: its name}.
    """

    def __init__(self, folder, images=(), aliases=None):
        self.folder, self.images = folder, dict.fromkeys(images)
        self.aliases = aliases or {}

    def find(self, file, source):
        r"""Return the images that an entry of the list ``source`` may mean, and whether by path.

        A path goes first: absolute, or relative to the image folder or the list, with ``\\`` or
        ``/``. Else the images with the nearest base name: equal up to Unicode form and encoding,
        up to case, or up to the suffix. Of these, the ones with the most agreeing folders before
        the name, then of the list's split, then near the list; folders of the entry that exist in
        the image folder must agree. Several images are equally near, or none is found.
        """
        if file in self.images:  # quicker than to look on disk
            return [self.aliases.get(file, file)], True
        for spelled in dict.fromkeys((file, file.replace("\\", "/"))):
            for place in (self.folder, source.parent):
                if os.path.isfile(place / spelled):
                    return [self._name(place / spelled, file, source)], True
        return self._nearest(file, source), False

    def _name(self, path, file, source):
        """Return an existing file's image name, relative to the folder.

        For a file outside of the folder it is that of its copy inside: the image that the entry
        fits as well and that has the same size.
        """
        name = PurePosixPath(os.path.relpath(path, self.folder)).as_posix()
        if name not in self.images and name not in self.aliases:
            name = self._by_identity.get(_identity(path), name)
        if name.startswith("../"):
            copies, size = self._nearest(file, source), os.path.getsize(path)
            if len(copies) == 1 and os.path.getsize(self.folder / copies[0]) == size:
                return copies[0]
        return self.aliases.get(name, name)

    @cached_property
    def _by_identity(self):
        return {_identity(self.folder / name): name for name in self.images}

    @cached_property
    def _by_key(self):
        """{(level, key of the base name): images}, see ``_keys``."""
        found = defaultdict(list)
        for name in self.images:
            for spelled in _decoded(os.path.basename(name)):
                for key in enumerate(_keys(spelled)):
                    found[key].append(name)
        return found

    @cached_property
    def _folders(self):
        parents = {os.path.dirname(name) for name in self.images}
        return {part for parent in parents for part in _folder_parts(parent)}

    def _nearest(self, file, source):
        for spelled in _spellings(file):
            *folders, base = [part for part in spelled.split("/") if part] or [""]
            wanted = [_folded(part) for part in folders if part not in (".", "..")]
            for key in enumerate(_keys(base)):
                found = self._closest(self._by_key.get(key, ()), wanted, source)
                if found:
                    return list(dict.fromkeys(self.aliases.get(name, name) for name in found))
        return []

    def _closest(self, images, wanted, source):
        """Return the images whose folders agree best with those wanted, then with the list's."""
        home, split = _folders_and_split(source, self.folder)
        ranked = defaultdict(list)
        for name in images:
            parent = os.path.dirname(name)
            folders = _folder_parts(parent)
            agreeing = _common_tail(wanted, folders)
            passed, other = wanted[: len(wanted) - agreeing], folders[: len(folders) - agreeing]
            if passed and (passed[-1] in self._folders or _different_splits(passed, other)):
                continue
            near = _common_tail(folders, (*home, *wanted)) + _common_tail(folders[::-1], home[::-1])
            of_split = bool(split) and split_of_file(parent) == split
            ranked[agreeing, not (passed and other), of_split, near].append(name)
        return ranked[max(ranked)] if ranked else []


def _identity(path):
    """Return device and inode of a file, None for a broken link."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _spellings(file):
    r"""Yield what an entry may stand for, with "/" for ``\\``.

    Itself, or the path of a URL; without percent-encoding; with UTF-8 that was read in another
    encoding repaired.
    """
    file = file.replace("\\", "/")
    if "://" in file:
        file = re.sub(r"[?#].*", "", urlsplit(file).path or file)
    yield file
    if "%" in file:
        yield unquote(file)
    for encoding in ("latin-1", "cp1252"):
        try:
            repaired = file.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        if repaired != file:
            yield repaired


def _decoded(name):
    """Return the texts that a file name may be; one that is UTF-8 is itself only."""
    data = os.fsencode(name)
    try:
        return [data.decode("utf-8")]
    except UnicodeDecodeError:
        return [name, *(data.decode(encoding) for encoding in OLD_ENCODINGS)]


def _keys(base):
    """Return the keys to compare base names by, in turn.

    Exact, any case, no suffix, neither, and as a number: spreadsheets drop leading zeros.
    """
    text = normalize("NFC", base).strip()
    stem, suffix = os.path.splitext(text)
    stem = stem if suffix.lower() in PICTURE_SUFFIXES else text
    number = str(int(stem)) if stem.isascii() and stem.isdigit() and len(stem) < 20 else ""
    return text, text.casefold(), stem, stem.casefold(), number or stem.casefold()


def _different_splits(first, second):
    """Return whether the last folders of two paths name different splits."""
    splits = {split_named(folders[-1]) for folders in (first, second) if folders}
    return len(splits - {None}) > 1


def _folded(part):
    return normalize("NFC", part).casefold()


@lru_cache(maxsize=1 << 16)
def _folder_parts(folder):
    return tuple(_folded(part) for part in folder.split("/") if part not in ("", "."))


@lru_cache(maxsize=1 << 10)
def _folders_and_split(source, folder):
    """Return the folders between the image folder and a list, and the split in the list's path."""
    path = os.path.relpath(source, folder)
    return _folder_parts(os.path.dirname(path)), split_of_file(path)


def _common_tail(first, second):
    """Return the number of last parts that two paths share."""
    pairs = zip(reversed(first), reversed(second))
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
