"""What every format of landmarks is read into."""

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from data_loader.landmark_formats.beside_images import compare_with_images
from data_loader.landmark_formats.image_names import ImageNames
from utils.text import counted, some_of


class Entry(NamedTuple):
    """What a list says of an image."""

    split: str | None = None  # "train", "val" or "test", where the list says which
    landmarks: np.ndarray | None = None  # (K, 2), (x, y) in pixels; None: one is not labelled
    size: tuple | None = None  # width and height of the image that was annotated, where told


class Annotations:
    """The landmarks of a folder's images; readers fill it.

    table: {image, relative to the folder: Entry}, in the order of the files; places: {image: file
    and line of its entry}; names: of the K landmarks; sources: the files read; faults: what is
    wrong with them, a text each that begins with file and line; a faulty entry is not in the table;
    notes: what was chosen, for the log; warnings: what is hardly meant.

    images: the ``ImageNames`` of the folder; without it, those that exist are found by their paths.
    """

    splits = ("train", "val", "test")

    def __init__(self, folder, images=None):
        self.folder = Path(folder)
        self.images = images or ImageNames(self.folder)
        self.table, self.places, self.faults, self.notes = {}, {}, [], []
        self.warnings = []
        self.names, self.sources = None, []
        self._labelled = Counter()  # number of a landmark -> images that have it
        self._called = {}  # images that are not named by their paths -> what the lists call them
        self._several = {}  # entries that may mean several images -> these

    @property
    def source(self):
        """The files read, for messages."""
        return ", ".join(str(source) for source in self.sources)

    @property
    def annotated(self):
        """The images that have all landmarks, in the order of the files."""
        return [name for name, entry in self.table.items() if entry.landmarks is not None]

    def fault(self, where, text):
        """Note what is wrong with a file, or a place in it, on one line whatever the file holds."""
        self.faults.append(" ".join(f"{where}: {text}".splitlines()))

    def take_names(self, names, where):
        """Note the names of the landmarks; returns whether they are those of the files before."""
        self.names = self.names or names
        if self.names != names:
            self.fault(where, f"landmarks {_listing(names)}, expected {_listing(self.names)}")
        return self.names == names

    def add(self, name, entry, where):
        """Take what a list says of an image, if it is one, and the first to be said of it."""
        if name in self._several:
            some = some_of(self._several[name])
            self.fault(where, f"{name} may be any of {some}: expected the path of one image")
        elif name in self.table:
            called = f", here as {self._called[name]}" if name in self._called else ""
            self.fault(where, f"{name} is listed twice{called}")
        else:
            self.table[name], self.places[name] = entry, where

    def add_labelled(self, name, points, split, size, where):
        """Take the landmarks of an image, (K, 2); NaN or -1 -1 for those that are not labelled.

        An image that lacks one is in the table without landmarks, and counted.
        """
        points = np.array(points, np.float64).reshape(-1, 2)
        absent = np.isnan(points).all(axis=1) | (points == -1).all(axis=1)
        if len(points) != len(self.names):
            self.fault(where, f"{len(points)} landmarks, expected {len(self.names)}")
        elif not np.isfinite(points[~absent]).all():
            self.fault(where, "expected finite coordinates, x and y of each landmark")
        else:
            self._labelled.update(np.flatnonzero(~absent).tolist())
            self.add(name, Entry(split, None if absent.any() else points, size), where)

    def name_of(self, file, source):
        """Return the name of a listed image, relative to the image folder: of the one that the list
        ``source`` means by ``file``, see ``ImageNames``; of none and of several, what it says.
        """
        file = file.strip()
        found, by_path = self.images.find(file, source)
        if len(found) != 1:
            name = file if "://" in file else PurePosixPath(file.replace("\\", "/")).as_posix()
            if found:
                self._several[name] = found
            return name
        if not by_path:
            self._called[found[0]] = file
        return found[0]

    def finish(self):
        """Note what only shows once all files are read; returns the annotations."""
        annotated, listed = len(self.annotated), len(self.table)
        if not self.faults and not listed:
            self.fault(self.source, "lists no images")
        elif not self.faults and not annotated:
            self.fault(self.source, f"no image has all landmarks: {self._scarcest()}")
        elif annotated < listed:
            self.notes.append(
                f"{listed - annotated} of {listed} listed images lack a landmark, and are left out "
                "where landmarks are used"
            )
        if self._called:
            name, file = next(iter(self._called.items()))
            those = counted(len(self._called), "image")
            whose = "its path" if len(self._called) == 1 else "their paths"
            self.notes.append(f"{those} not listed by {whose}, but found: '{file}' is {name}")
        compare_with_images(self)
        return self

    def _scarcest(self):
        k = min(range(len(self.names)), key=self._labelled.__getitem__)
        return f"'{self.names[k]}' is labelled in {self._labelled[k]} of {len(self.table)}"


def _listing(names):
    return f"{len(names)} ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''})"
