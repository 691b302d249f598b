"""What the page asks for: the images in their order, the points of one, and their confirmation."""

import io
import math
import sys
import threading

import numpy as np

from data_loader.images import read_image
from utils.errors import UserError

LARGEST = 4096  # pixels of a side: larger images are shown smaller, their points are exact still
LOSSLESS = 1 << 19  # pixels of an image that is sent as a PNG


class Session:
    """The annotation of a folder; images are numbered in the order in which they come.

    store: ``AnnotationStore``.
    images: the names of the images in the order of the page.
    proposer: ``Proposer`` that has learned what is confirmed, or None: points are placed by hand
        alone.
    wanted: how many images are to be annotated; None: all.
    takes: {what the page may post of an image: the key of its list}.
    """

    takes = {"confirm": "points"}

    def __init__(self, store, images, proposer=None, wanted=None):
        self.store, self.images, self.proposer = store, images, proposer
        self.wanted = min(wanted or len(images), len(images))
        self.lock = threading.Lock()
        self.proposed = {}  # {number: points (K, 2) that were shown} of images not yet confirmed
        self.offered = self.kept = 0  # points that were proposed, and of these confirmed unmoved

    def __len__(self):
        return len(self.images)

    def state(self):
        """Return what the page needs once."""
        with self.lock:
            return {
                "folder": str(self.store.folder),
                "list": str(self.store.path),
                "labels": self.store.labels,
                "names": self.images,
                "boxes": self.store.with_boxes,
                "proposes": self.proposer is not None,
                **self._progress(),
                "next": self._next(-1),
            }

    def _progress(self):
        is_annotated = self.store.is_annotated
        return {
            "wanted": self.wanted,
            "confirmed": [n for n, name in enumerate(self.images) if is_annotated(name)],
            "offered": self.offered,
            "kept": self.kept,
        }

    def _next(self, number):
        """Return the number of the first image after this one, from the first on after the last,
        that is not confirmed; None if all are.
        """
        count = len(self.images)
        following = (n % count for n in range(number + 1, number + 1 + count))
        return next((n for n in following if not self.store.is_annotated(self.images[n])), None)

    def item(self, number):
        """Return the points of an image, those confirmed or else those proposed."""
        name = self.images[number]
        size = self.store.size_of(name)
        with self.lock:
            found, certainty = self.store.points.get(name), None
            if found is None and self.proposer and (proposal := self.proposer.propose(name)):
                found, certainty = proposal
                self.proposed[number] = found = within(found, size)
            return {
                "name": name,
                "size": size,
                "confirmed": name in self.store.points,
                "points": None if found is None else list(map(pair_of, found)),
                "certainty": None if certainty is None else list(map(share_of, certainty)),
            }

    def confirm(self, number, points):
        """Write the points of an image, [x, y] of each or None; return progress and what is next.

        Raises ``UserError``.
        """
        name = self.images[number]
        points = np.array(list(map(point_of, points))).reshape(-1, 2)
        with self.lock:
            self.store.confirm(name, points)
            points = self.store.points[name]
            self._count_kept(self.proposed.pop(number, None), points)
            if self.proposer:
                self.proposer.learn(name, points)
            return {**self._progress(), "next": self._next(number)}

    def _count_kept(self, proposed, points):
        """Count the points that were proposed, None if none were, and those confirmed unmoved."""
        if proposed is not None:
            self.offered += int((~np.isnan(proposed).any(axis=1)).sum())
            self.kept += int((proposed == points).all(axis=1).sum())

    def picture(self, number):
        """Return an image as a browser can show it: its bytes, and their type."""
        image = read_image(self.store.path_of(self.images[number]), as_seen=True)
        image.thumbnail((LARGEST, LARGEST))
        file, is_small = io.BytesIO(), math.prod(image.size) <= LOSSLESS
        if is_small:
            image.save(file, "PNG", compress_level=1)
        else:
            image.save(file, "JPEG", quality=92, subsampling=0)
        return file.getvalue(), "image/png" if is_small else "image/jpeg"


def within(points, size):
    """Return points in tenths of a pixel, those outside of an image of a size at its border."""
    return np.round(np.clip(points, -0.5, np.subtract(size, 0.5)), 1)


def pair_of(point):
    """Return a point for the page, None for NaN."""
    return None if np.isnan(point).any() else [float(value) for value in point]


def share_of(value):
    """Return a certainty for the page, None for NaN."""
    return None if math.isnan(value) else round(float(value), 3)


def point_of(point):
    """Return a point that the page sent; NaN for None, which is not visible."""
    if point is None:
        return math.nan, math.nan
    if not isinstance(point, list) or len(point) != 2 or not all(map(is_number, point)):
        raise UserError("expected two numbers for each point, or null")
    return tuple(point)


def is_number(value):
    """Return whether a value that the page sent is a finite number."""
    is_real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_real and abs(value) <= sys.float_info.max
