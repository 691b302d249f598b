"""Find objects in the images to predict, by a list of boxes."""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from data_loader.boxes import box_window, outside_box_window
from data_loader.images import size_as_seen
from data_loader.landmark_formats import READERS, Annotations, ImageNames
from misc.predicting.photos import Source
from utils.errors import UserError
from utils.text import counted


def read_boxes(path, images):
    """Return {path of an image: its boxes} in a list of any format that holds boxes.

    images: {name: path}, as of ``find_images``.
    """
    path = Path(path)
    if path.suffix.lower() not in READERS:
        raise UserError(f"--boxes {path}: expected one of {' '.join(READERS)}")
    name, first = next(iter(images.items()))
    root = first.parents[name.count("/")]
    found = Annotations(root, ImageNames(root, images), with_boxes=True)
    found.sources.append(path)
    READERS[path.suffix.lower()].read(path, found)
    found.finish()
    if found.faults:
        more = f" ({len(found.faults) - 1} more)" if found.faults[1:] else ""
        raise UserError(f"{found.faults[0]}{more}")
    if not found.objects:
        raise UserError(f"{path}: holds no boxes")
    for warning in found.warnings:
        print(f"note: {warning}")
    listed = {images[name]: entry for name, entry in found.table.items() if name in images}
    for image, entry in listed.items():
        size = _size_of(image) if entry.size else None
        if size not in (None, entry.size):
            raise UserError(
                f"{image}: is {size[0]} x {size[1]} pixels, but its boxes were made on "
                f"{entry.size[0]} x {entry.size[1]}"
            )
    return {path: [one.box for one in entry.objects] for path, entry in listed.items()}


def _size_of(image):
    with suppress(UserError):  # it is reported where the image is opened
        return size_as_seen(image)
    return None


def boxed_sources(paths, boxes, where):
    """Return a ``Source`` for each box in images {name: path}; where: the list, for messages."""
    sources = [
        Source(name, path, box, number)
        for name, path in paths.items()
        for number, box in enumerate(boxes.get(path, ()), start=1)
    ]
    if not sources:
        raise UserError(f"--boxes {where}: none of its boxes is in {counted(len(paths), 'image')}")
    without = sum(not boxes.get(path) for path in paths.values())
    if without:
        print(f"left out: {counted(without, 'image')} without a box in {where}")
    return sources


def box_around(points, reference, boxes, margin):
    """Return the box of the reference image that shows all points (K, 2), the nearest of several.

    boxes: {path of an image: its boxes}; margin: around each.
    """
    points = points.numpy()
    here = boxes.get(Path(os.path.abspath(reference)), ())
    shown = [box for box in here if not outside_box_window(points, box_window(box, margin)).any()]
    if not shown:
        raise UserError(f"--reference {reference}: none of its boxes holds all --points")
    middles = np.reshape(shown, (-1, 2, 2)).mean(axis=1)
    return shown[np.linalg.norm(middles - points.mean(axis=0), axis=1).argmin()]
