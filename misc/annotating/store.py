"""The points of a folder's images: read from its list, written to landmarks.csv at each change."""

import csv
import io
import os
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

import numpy as np

from data_loader.folder_listing import FolderListing
from data_loader.images import size_as_seen
from data_loader.landmark_formats.csv_columns import axis_in, column_names, columns_of
from data_loader.landmark_formats.finding import PTS
from utils.disk import disk_errors, lock, write_atomically
from utils.errors import UserError
from utils.text import counted

LIST = "landmarks.csv"
SEPARATING = set(',;|\t"\r\n')  # characters of a csv, which the names of points are kept free of
NOT_VISIBLE = ("-1", "-1")  # empty cells say nothing: such an image is still to be annotated


class AnnotationStore:
    """The points of a folder's images.

    labels: the names of the K points.
    images: the names of the images, relative to ``folder``.
    points: {image: (K, 2)}, (x, y) in pixels of the image as a viewer shows it, NaN for what is not
        visible; images without an entry are to be annotated.
    annotated: the images that have an entry.
    tests: the images of the test split, a set.
    sources: the files of the list that was read.
    notes: what is not used, as texts.

    root: the folder.
    names: of the points; None: those of the list that is found in the folder.
    annotation: the list to read, relative to the root; None: what is found.
    """

    with_boxes, box_columns = False, ()

    def __init__(self, root, names=None, annotation=None):
        if not os.path.isdir(root):
            raise UserError(f"{root}: no such folder")
        self.path = Path(root) / LIST
        self._stamp = _stamp(self.path)
        listing = FolderListing(root, None, annotation, self.with_boxes, keep_boxless=True)
        annotations = listing.annotations
        if listing.faults:
            raise UserError(listing.faults[0])
        if self._stamp and annotations.sources not in ([], [self.path]):
            raise UserError(f"{self.path}: exists, and would be replaced; rename it first")
        self.folder, self._home = listing.folder, os.path.realpath(listing.folder)
        self.images = [name for name in listing.images if self._is_inside(name)]
        self.tests = {name for name in self.images if listing.splits[name] == "test"}
        left_out = len(listing.images) - len(self.images)
        links = f"{counted(left_out, 'image')} left out: links that lead out of {self.folder}"
        self.notes = [*annotations.notes, *annotations.warnings, *listing.unread]
        self.notes += [links] if left_out else []
        if not self.images:
            raise UserError(f"{self.folder}: {links}")
        self._entries, read = annotations.table, annotations.sources
        self.sources = [path for path in read if path.name != PTS] or [*annotations.places.values()]
        self._columns = _columns(names, annotations, self.box_columns, listing.unread)
        self.labels = [_label(x) for x, _ in self._columns]
        found = {name: self._read(entry) for name, entry in self._entries.items()}
        self._values = {name: value for name, value in found.items() if value is not None}
        self._sizes = {}
        self._is_ours = False  # whether the file is one that this object wrote

    def _read(self, entry):
        """Return what is kept of an ``Entry`` of the list, None for nothing."""
        return entry.points

    @property
    def points(self):
        return self._values

    @property
    def annotated(self):
        return [name for name in self.images if self.is_annotated(name)]

    def is_annotated(self, name):
        return name in self.points

    @contextmanager
    def reserved(self):
        """Reserve the folder for this process; raises ``UserError`` if another one annotates it."""
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            lock(descriptor, self.path)
            yield
        finally:
            os.close(descriptor)

    def _is_inside(self, name):
        place = os.path.realpath(self.folder / name)
        return place.startswith(os.path.join(self._home, ""))

    def path_of(self, name):
        """Return the path of an image; raises ``UserError`` if it has become a link to outside."""
        if not self._is_inside(name):
            raise UserError(f"{name}: leads out of the folder")
        return self.folder / name

    def size_of(self, name):
        """Return (width, height) of an image as a viewer shows it.

        Raises ``UserError`` if it cannot be read, or if its list was made for another size.
        """
        if name not in self._sizes:
            self._sizes[name] = size_as_seen(self.path_of(name))
        size, listed = self._sizes[name], self._listed_size(name)
        if listed and listed != size:
            raise UserError(
                f"{name}: is {size[0]} x {size[1]} pixels, but its points were made on "
                f"{listed[0]} x {listed[1]}"
            )
        return size

    def _listed_size(self, name):
        return self._entries[name].size if name in self._entries else None

    def confirm(self, name, points):
        """Take the points (K, 2) of an image, NaN for what is not visible, and write the list.

        They are rounded to tenths of a pixel. Raises ``UserError`` if a point is outside the image,
        or if the list cannot be written or was changed by another program; then nothing changes.
        """
        self._replace(name, self._checked(name, points))

    def _checked(self, name, points):
        """Return points (K, 2) in tenths of a pixel; raises ``UserError``."""
        width, height = self.size_of(name)
        points = np.round(np.asarray(points, np.float64), 1)
        if points.shape == (len(self.labels), 2):
            outside = (points < -0.5) | (points > (width - 0.5, height - 0.5)) | np.isinf(points)
            if not outside.any():
                return points
        raise UserError(f"{name}: expected {len(self.labels)} points in {width} x {height}")

    def _replace(self, name, value):
        """Write the list with another value of an image, or raise ``UserError`` and keep it."""
        if _stamp(self.path) != self._stamp:
            raise UserError(
                f"{self.path}: another program has changed it; end this one and start it again"
            )
        if not self._is_ours:
            self._keep_original()
        before = self._values.get(name)
        self._values[name] = value
        try:
            data = self._csv()
            write_atomically(self.path, lambda file: file.write(data))
        except UserError:
            if before is None:
                del self._values[name]
            else:
                self._values[name] = before
            raise
        self._stamp, self._is_ours = _stamp(self.path), True

    def _keep_original(self):
        """Copy a landmarks.csv that this program would write otherwise to landmarks.csv.orig."""
        with disk_errors(self.path):
            data = self.path.read_bytes() if self._stamp else None
        if data not in (None, self._csv()):
            numbered = (Path(f"{self.path}.orig{n or ''}") for n in count())
            copy = next(path for path in numbered if not path.exists())
            write_atomically(copy, lambda file: file.write(data))

    def _csv(self):
        """Return the list as the bytes of a csv."""
        has_splits = any(entry.split for entry in self._entries.values())
        splits = ["split"] if has_splits else []
        points = chain(*self._columns)
        rows = [["file", *splits, "width", "height", *self.box_columns, *points]]
        for name in dict.fromkeys([*self._entries, *self._values]):
            split = self._entries[name].split or "" if name in self._entries else ""
            head = [name, *([split] if has_splits else []), *self._size_cells(name)]
            rows += [[*head, *cells] for cells in self._rows_of(name)]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue().encode(errors="surrogateescape")  # names that are not UTF-8

    def _size_cells(self, name):
        """Return width and height, which tell a reader that points are those of upright images."""
        size = self._listed_size(name)
        with suppress(UserError):  # an image that is gone, or damaged
            size = size or self.size_of(name)
        return size or ("", "")

    def _rows_of(self, name):
        """Return the cells of an image that differ between its rows."""
        return [self._cells(self.points.get(name))]

    def _cells(self, points):
        if points is None:
            return [""] * (2 * len(self.labels))
        return chain(*(NOT_VISIBLE if np.isnan(p).any() else map(shown_number, p) for p in points))


def shown_number(value):
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _stamp(path):
    """Return what changes when a file is written, None if it is not there."""
    with disk_errors(path), suppress(FileNotFoundError):
        status = path.stat()
        return status.st_ino, status.st_mtime_ns, status.st_size


def _columns(names, annotations, box, unread):
    """Return the names of the columns x and y of each point; raises ``UserError``.

    box: columns of a box, with which there may be no points, or empty; unread: other files.
    """
    if names is None and annotations.names is None and not box:
        needed = "there is no list of points yet, expected the names of the points"
        raise UserError("; ".join([f"--names: {needed}", *unread]))
    columns = list(map(column_names, names or annotations.names or [], count()))
    if names is None:
        return columns
    listed = [_label(x) for x, _ in map(column_names, annotations.names or [], count())]
    if annotations.names and [_label(x) for x, _ in columns] != listed:
        raise UserError(
            f"--names: {','.join(names)}, but {annotations.source} has {','.join(listed)}"
        )
    header = ["file", *box, *chain(*columns)]
    try:
        read = [(header[x], header[y]) for x, y in columns_of(header, set(), bool(box)).points]
    except ValueError as error:
        raise UserError(f"--names: {error}") from error
    unclear = read != columns or len(set(columns)) < len(columns)
    if unclear or any(SEPARATING & set(name) for name in names):
        raise UserError(f"--names: {','.join(names)}, expected different names, of letters")
    return columns


def _label(column):
    """Return the name of a point, of its column of x without the axis: heel of heel_x."""
    match = axis_in(column)
    if not match:
        return column
    first, last = match.span("axis")
    return (column[:first] + column[last:]).strip(" _.-") or "point"
