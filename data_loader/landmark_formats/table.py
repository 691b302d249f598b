"""Annotations: the table that landmark files of every format are read into."""

import csv
from collections import Counter
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from data_loader.landmark_formats.beside_images import compare_with_images
from data_loader.landmark_formats.image_names import ImageNames
from utils.errors import UserError
from utils.text import counted, some_of

READING_ERRORS = (OSError, ValueError, TypeError, AttributeError, LookupError, OverflowError)
READING_ERRORS += (RecursionError, SyntaxError, csv.Error)  # SyntaxError: of XML


class Fault(ValueError):
    """An error in a landmark file, fully worded."""


class Entry(NamedTuple):
    """What a list says of an image; None for what it leaves out."""

    split: str | None = None  # "train", "val" or "test"
    landmarks: np.ndarray | None = None  # (K, 2), (x, y) in pixels; None if any is not labelled
    size: tuple | None = None  # (width, height) of the image that was annotated


class Annotations:
    """The annotations of a folder's images, filled by the readers of landmark files.

    table: {image name relative to the folder: Entry}, in the order of the files, without faulty
        entries.
    places: {image name: file and line of its entry}.
    names: the names of the K landmarks.
    sources: the files read.
    faults: errors, as texts that begin with file and line.
    notes: choices that were made, for the log.
    warnings: what is probably a mistake.

    images: the ``ImageNames`` of the folder; None: images are found by their paths alone.
    """

    splits = ("train", "val", "test")

    def __init__(self, folder, images=None):
        self.folder = Path(folder)
        self.images = images or ImageNames(self.folder)
        self.table, self.places = {}, {}
        self.faults, self.notes, self.warnings = [], [], []
        self.names, self.sources = None, []
        self._labelled = Counter()  # number of a landmark -> images that have it
        self._called = {}  # images that are not listed by their paths -> their names in the lists
        self._several = {}  # listed names that fit several images -> these

    @property
    def source(self):
        """The files read, for messages."""
        return ", ".join(str(source) for source in self.sources)

    @property
    def annotated(self):
        """The images that have all landmarks, in the order of the files."""
        return [name for name, entry in self.table.items() if entry.landmarks is not None]

    def fault(self, where, text):
        """Add an error in a file, or at a place in it, as one line."""
        self.faults.append(" ".join(f"{where}: {text}".splitlines()))

    @contextmanager
    def reading(self, where, expected):
        """Add an error of the block as a fault; ``expected`` precedes all but a ``Fault``."""
        try:
            yield
        except UserError as error:  # begins with its file
            self.faults.append(str(error))
        except Fault as error:
            self.fault(where, error)
        except READING_ERRORS as error:
            found = f"no {error}" if isinstance(error, KeyError) else error
            self.fault(where, f"{expected} ({found})")

    def take_names(self, names):
        """Set the names of the landmarks, which must be those of earlier files."""
        self.names = self.names or names
        if self.names != names:
            raise Fault(f"landmarks {_listing(names)}, expected {_listing(self.names)}")

    def name_of(self, file, source=None):
        """Return the name, relative to the image folder, of the image that a list calls ``file``.

        If no image fits, or several do, the listed name itself. source: the list, by default the
        latest.
        """
        file = file.strip()
        found, by_path = self.images.find(file, source or self.sources[-1])
        if len(found) != 1:
            name = file if "://" in file else PurePosixPath(file.replace("\\", "/")).as_posix()
            if found:
                self._several[name] = found
            return name
        if not by_path:
            self._called[found[0]] = file
        return found[0]

    def add(self, name, points, split, size, where):
        """Add an image's entry.

        points: (K, 2), NaN or -1 -1 where not labelled; None if none is. An image that lacks a
            landmark has no landmarks in the table.
        """
        landmarks, labelled = None, []
        if points is not None:
            landmarks = np.array(points, np.float64).reshape(-1, 2)
            absent = np.isnan(landmarks).all(axis=1) | (landmarks == -1).all(axis=1)
            if len(landmarks) != len(self.names):
                raise Fault(f"{len(landmarks)} landmarks, expected {len(self.names)}")
            if not np.isfinite(landmarks[~absent]).all():
                raise Fault("expected finite coordinates, x and y of each landmark")
            labelled = np.flatnonzero(~absent).tolist()
        self._labelled.update(labelled)
        if name in self._several:
            some = some_of(self._several[name])
            raise Fault(f"{name} may be any of {some}: expected the path of one image")
        if name in self.table:
            called = f", here as {self._called[name]}" if name in self._called else ""
            raise Fault(f"{name} is listed twice{called}")
        is_whole = len(labelled) == len(self.names)
        self.table[name] = Entry(split, landmarks if is_whole else None, size)
        self.places[name] = where

    def finish(self):
        """Check the annotations of all files together, and return them."""
        listed = len(self.table)
        lacking = listed - len(self.annotated)
        if not self.faults and lacking == listed:
            self.fault(self.source, self._scarcest() if listed else "lists no images")
        elif lacking:
            lack = "lacks a landmark and is" if lacking == 1 else "lack a landmark and are"
            self.notes.append(
                f"{lacking} of {listed} listed images {lack} left out where landmarks are used"
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
        labelled = f"'{self.names[k]}' is labelled in {self._labelled[k]} of {len(self.table)}"
        return f"no image has all landmarks: {labelled}"


def _listing(names):
    return f"{len(names)} ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''})"
