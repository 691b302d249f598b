"""The objects of a folder's images, each in a box, with its points: a row of landmarks.csv each."""

from typing import NamedTuple

import numpy as np

from data_loader.boxes import checked_box, require_inside
from data_loader.landmark_formats.csv_columns import WRITTEN_BOX
from misc.annotating.store import AnnotationStore, shown_number
from utils.errors import UserError, config_errors


class Framed(NamedTuple):
    """An object in an image."""

    box: tuple  # see ``data_loader.boxes``
    points: np.ndarray | None  # (K, 2), NaN where not visible; None if they are to be placed


class BoxStore(AnnotationStore):
    """The objects of a folder's images, read by the boxes that a training reads.

    objects: {image: ``Framed``s, a tuple}; images without an entry are to be annotated.
    labels: as of ``AnnotationStore``; empty if the objects have boxes alone.
    """

    with_boxes, box_columns = True, WRITTEN_BOX

    def _read(self, entry):
        none = None if self.labels else np.empty((0, 2))  # there is nothing to place
        objects = (Framed(o.box, none if o.points is None else o.points) for o in entry.objects)
        return tuple(objects) or None

    @property
    def objects(self):
        return self._values

    def is_annotated(self, name):
        objects = self.objects.get(name, ())
        return bool(objects) and all(found.points is not None for found in objects)

    def confirm(self, name, objects):
        """Take the objects of an image, (box, points (K, 2)) of each, as ``AnnotationStore``.

        A box is clipped to its image and rounded to tenths of a pixel, unless it was there before.
        None at all are taken in place of some; the image is to be annotated then.
        """
        if not objects and not self.objects.get(name):
            raise UserError(f"{name}: expected an object, in a box")
        self._replace(name, tuple(
            Framed(self.checked_box(name, box), self._checked(name, points))
            for box, points in objects
        ))

    def checked_box(self, name, box):
        """Return a box of an image as it is written; raises ``UserError`` for one that is empty or
        lies outside.
        """
        size = self.size_of(name)
        with config_errors(name):
            if tuple(box) not in [found.box for found in self.objects.get(name, ())]:
                box = np.round(np.clip(box, 0, size * 2), 1).tolist()
            box = checked_box(box)
            require_inside(box, size)
        return box

    def _rows_of(self, name):
        objects = self.objects.get(name, ())
        cells = [[*map(shown_number, box), *self._cells(points)] for box, points in objects]
        return cells or [[""] * len(self.box_columns) + self._cells(None)]
