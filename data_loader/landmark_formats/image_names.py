"""Which image of a folder an entry of a list means."""

import os
import re
from collections import defaultdict
from functools import cached_property, lru_cache
from pathlib import PurePosixPath
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

from data_loader.image_folder import IMAGE_SUFFIXES, UNREAD_SUFFIXES, split_named, split_of_file

OLD_ENCODINGS = ("latin-1", "cp437")  # of names that are not UTF-8: old systems', old zip files'
PICTURE_SUFFIXES = (*IMAGE_SUFFIXES, *UNREAD_SUFFIXES)


class ImageNames:
    """The images of a folder, found by what lists call them.

    folder: where they lie; images: their names relative to it; aliases: {further name of a file:
    the name that its image has}.
    """

    def __init__(self, folder, images=(), aliases=None):
        self.folder, self.images = folder, dict.fromkeys(images)
        self.aliases = aliases or {}

    def find(self, file, source):
        r"""Return the images that an entry of the list ``source`` may mean, and whether it names
        the one by its path.

        An entry names a file by its path, absolute or relative to the image folder or to the list,
        ``\\`` or ``/`` between the parts. Any other means the image whose name is nearest: the same
        but for its Unicode form or encoding, then but for capitals, then but for its suffix, with
        as many of the folders before it as agree; else one of the list's split, or near the list. A
        folder of the entry that the image folder has, too, is never passed over. No image is found,
        or several that are equally near.
        """
        for spelled in dict.fromkeys((file, file.replace("\\", "/"))):
            for place in (self.folder, source.parent):
                if os.path.isfile(place / spelled):
                    return [self._name(place / spelled, file, source)], True
        return self._nearest(file, source), False

    def _name(self, path, file, source):
        """Return the name of the image that an existing file is, relative to the folder.

        Of a file elsewhere that may be a copy of one in the folder, which the entry means as well
        and which is as long, it is that of the latter.
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
        """{(level, base name as it is known there): images}, see ``_keys``."""
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
        """Return those of some images whose folders agree with the most of those wanted, and then
        with those of the list.
        """
        home, split = _place(source, self.folder)
        ranked = defaultdict(list)
        for name in images:
            folders = _folder_parts(os.path.dirname(name))
            agreeing = _common_tail(wanted, folders)
            passed, other = wanted[: len(wanted) - agreeing], folders[: len(folders) - agreeing]
            if not passed or passed[-1] not in self._folders and not _split_apart(passed, other):
                near = _common_tail(folders, (*home, *wanted))
                near += _common_tail(folders[::-1], home[::-1])
                of_split = split and split_of_file(os.path.dirname(name)) == split
                ranked[agreeing, not (passed and other), bool(of_split), near].append(name)
        return ranked[max(ranked)] if ranked else []


def _identity(path):
    """Return what is one for all names of a file; None of a link that leads nowhere."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _spellings(file):
    r"""Yield what an entry may mean, with "/" for ``\\``: itself, or the path of a URL; without
    percent signs for characters; of a text whose UTF-8 was read as another encoding, what it is.
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
    """Return what a file's name may be as text; of one that is UTF-8, itself."""
    data = os.fsencode(name)
    try:
        return [data.decode("utf-8")]
    except UnicodeDecodeError:
        return [name, *(data.decode(encoding) for encoding in OLD_ENCODINGS)]


def _keys(base):
    """Return what a base name is compared by, in turn: the name in one Unicode form, in small
    letters, without the suffix of an image, without it in small letters, and as a number, for
    spreadsheets drop zeros at the front.
    """
    text = normalize("NFC", base).strip()
    stem, suffix = os.path.splitext(text)
    stem = stem if suffix.lower() in PICTURE_SUFFIXES else text
    number = str(int(stem)) if stem.isascii() and stem.isdigit() and len(stem) < 20 else ""
    return text, text.casefold(), stem, stem.casefold(), number or stem.casefold()


def _split_apart(first, second):
    """Whether the last of some folders are named as different splits."""
    splits = {split_named(folders[-1]) for folders in (first, second) if folders}
    return len(splits - {None}) > 1


def _folded(part):
    return normalize("NFC", part).casefold()


@lru_cache(maxsize=1 << 16)
def _folder_parts(folder):
    return tuple(_folded(part) for part in folder.split("/") if part not in ("", "."))


@lru_cache(maxsize=1 << 10)
def _place(source, folder):
    """Return the folders from the image folder to a list, and the split that its path speaks of."""
    path = os.path.relpath(source, folder)
    return _folder_parts(os.path.dirname(path)), split_of_file(path)


def _common_tail(first, second):
    """Return how many of their last parts two lists share."""
    shared = 0
    for a, b in zip(reversed(first), reversed(second)):
        if a != b:
            break
        shared += 1
    return shared
