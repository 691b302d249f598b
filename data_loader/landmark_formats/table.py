"""Annotations: the table that landmark files of every format are read into."""

import csv
import os
from collections import Counter
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from data_loader.boxes import checked_box
from data_loader.landmark_formats.beside_images import compare_with_images
from data_loader.landmark_formats.image_names import ImageNames
from utils.errors import UserError
from utils.text import counted, some_of

READING_ERRORS = (OSError, ValueError, TypeError, AttributeError, LookupError, OverflowError)
READING_ERRORS += (RecursionError, SyntaxError, csv.Error)  # SyntaxError: of XML


class Fault(ValueError):
    """An error in a landmark file, fully worded."""


class ListedObject(NamedTuple):
    """An object in an image, as a list has it."""

    box: tuple  # see ``data_loader.boxes``
    landmarks: np.ndarray | None  # as of an ``Entry``
    place: str  # file and line
    points: np.ndarray | None = None  # as of an ``Entry``


class Entry(NamedTuple):
    """What a list says of an image; None for what it leaves out."""

    split: str | None = None  # "train", "val" or "test"
    landmarks: np.ndarray | None = None  # (K, 2), (x, y) in pixels; None if any is not labelled
    size: tuple | None = None  # (width, height) of the image that was annotated
    objects: tuple = ()  # of ``ListedObject``s, where boxes are read; then landmarks is None
    points: np.ndarray | None = None  # (K, 2), NaN where not labelled; None if it says of none


class Annotations:
    """The annotations of a folder's images, filled by the readers of landmark files.

    table: {image name relative to the folder: Entry}, in the order of the files, without faulty
        entries.
    places: {image name: file and line of its entry}.
    names: the names of the K landmarks.
    sources: the files read.
    faults: errors, as texts that begin with file and line.
    shortage: that no image has all landmarks, which only where they are used is an error; None if
        one has.
    notes: choices that were made, for the log.
    warnings: what is probably a mistake.

    images: the ``ImageNames`` of the folder; None: images are found by their paths alone.
    with_boxes: read boxes, with the landmarks in them, instead of one set of landmarks an image.
    """

    splits = ("train", "val", "test")

    def __init__(self, folder, images=None, with_boxes=False):
        self.folder, self.with_boxes = Path(folder), with_boxes
        self.images = images or ImageNames(self.folder)
        self.table, self.places = {}, {}
        self.faults, self.notes, self.warnings = [], [], []
        self.names, self.sources, self.shortage = None, [], None
        self._labelled = Counter()  # number of a landmark -> images that have it
        self._called = {}  # images that are not listed by their paths -> their names in the lists
        self._several = {}  # listed names that fit several images -> these

    @property
    def source(self):
        """The files read, for messages."""
        return ", ".join(str(source) for source in self.sources)

    @property
    def annotated(self):
        """The images that have all landmarks, or an object that has, in the order of the files."""
        return [
            name
            for name, entry in self.table.items()
            if entry.landmarks is not None or any(o.landmarks is not None for o in entry.objects)
        ]

    @property
    def objects(self):
        """The ``ListedObject``s of all images, in the order of the files."""
        return [found for entry in self.table.values() for found in entry.objects]

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

        points: (K, 2), NaN or -1 -1 where not labelled; None, or NaN throughout, says nothing. An
            image that lacks a landmark has points, but no landmarks in the table.
        """
        points = self._checked_points(points)
        self._require_one_image(name)
        if name in self.table:
            called = f", here as {self._called[name]}" if name in self._called else ""
            raise Fault(f"{name} is listed twice{called}")
        self.table[name] = Entry(split, _whole(points), size, points=points)
        self.places[name] = where

    def add_object(self, name, box, points, split, size, where):
        """Add an object to an image's entry; box: its edges, None if the image has no object.

        The other arguments are those of ``add``.
        """
        points = self._checked_points(points)
        landmarks = _whole(points)
        self._require_one_image(name)
        entry = self.table.get(name, Entry(split, None, size))
        if (entry.split, entry.size) != (split, size):
            raise Fault(f"{name} has another split or size than in {self.places[name]}")
        if box is not None:
            found = ListedObject(self._checked(box), landmarks, where, points)
            entry = entry._replace(objects=(*entry.objects, found))
        elif points is not None:
            raise Fault("landmarks without a box, where boxes are read (box_margin)")
        self.table[name] = entry
        self.places.setdefault(name, where)

    def _checked(self, box):
        try:
            return checked_box(box)
        except ValueError as error:
            raise Fault(str(error)) from error

    def _checked_points(self, points):
        """Return points as an array, NaN where not labelled, None for NaN throughout; count those
        that are labelled.
        """
        if points is None:
            return None
        points = np.array(points, np.float64).reshape(-1, 2)
        absent = np.isnan(points).all(axis=1) | (points == -1).all(axis=1)
        if len(points) != len(self.names):
            raise Fault(f"{len(points)} landmarks, expected {len(self.names)}")
        if not np.isfinite(points[~absent]).all():
            raise Fault("expected finite coordinates, x and y of each landmark")
        self._labelled.update(np.flatnonzero(~absent).tolist())
        if np.isnan(points).all():
            return None
        points[absent] = np.nan
        return points

    def _require_one_image(self, name):
        try:
            os.fsencode(name)
        except UnicodeEncodeError as error:
            raise Fault(f"{name!r} is no name of a file") from error
        if name in self._several:
            some = some_of(self._several[name])
            raise Fault(f"{name} may be any of {some}: expected the path of one image")

    def finish(self):
        """Check the annotations of all files together, and return them."""
        if self.with_boxes:
            self._check_boxes()
            self._note_lacking([found.landmarks for found in self.objects], "objects")
        elif not self.faults and not self.table:
            self.fault(self.source, "lists no images")
        elif not self.faults and not self.annotated:
            self.shortage = " ".join(f"{self.source}: {self._scarcest()}".splitlines())
        else:
            self._note_lacking([entry.landmarks for entry in self.table.values()], "listed images")
        if self._called:
            name, file = next(iter(self._called.items()))
            those = counted(len(self._called), "image")
            whose = "its path" if len(self._called) == 1 else "their paths"
            self.notes.append(f"{those} not listed by {whose}, but found: '{file}' is {name}")
        compare_with_images(self)
        return self

    def _check_boxes(self):
        boxes = [found.box for found in self.objects]
        if boxes and max(map(max, boxes)) <= 1:
            self.fault(self.source, "all boxes lie between 0 and 1: expected pixels, not fractions")

    def _note_lacking(self, landmarks, what):
        lacking = sum(points is None for points in landmarks)
        if lacking and self.names:
            lack = "lacks a landmark and is" if lacking == 1 else "lack a landmark and are"
            self.notes.append(
                f"{lacking} of {len(landmarks)} {what} {lack} left out where landmarks are used"
            )

    def _scarcest(self):
        k = min(range(len(self.names)), key=self._labelled.__getitem__)
        labelled = f"'{self.names[k]}' is labelled in {self._labelled[k]} of {len(self.table)}"
        return f"no image has all landmarks: {labelled}"


def _listing(names):
    return f"{len(names)} ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''})"


def _whole(points):
    """Return points, None if there are none or any is not labelled."""
    return None if points is None or not len(points) or np.isnan(points).any() else points
