"""Compare landmarks with their images: turn them with EXIF orientations, refuse fractions."""

import os
from contextlib import suppress

import numpy as np

from data_loader.images import may_be_rotated, stored_size, turned_points
from utils.errors import UserError
from utils.progress import with_progress
from utils.text import counted


def compare_with_images(annotations):
    """Turn landmarks that were annotated on stored images upright, and add faults and warnings.

    Images with an EXIF orientation are used upright. If the size in a list is that of the stored
    image, the landmarks were annotated on it. Images whose size is missing or the same either way
    follow the others, if these agree.
    """
    rotated, names = {}, []
    table = annotations.table
    located = [name for name, e in table.items() if e.points is not None or e.objects]
    for name in with_progress(located, "orientations"):
        path = os.path.join(annotations.folder, name)
        if not os.path.isfile(path):
            continue
        names.append(name)
        with suppress(UserError):  # it is reported where the image is opened
            if may_be_rotated(path) and (found := stored_size(path))[1] > 1:
                rotated[name] = found
    _turn(annotations, rotated)
    _refuse_fractions(annotations, names)


def _turn(annotations, rotated):
    """Turn landmarks upright; rotated: {name: (stored size, EXIF orientation, 2 to 8)}."""
    table = annotations.table
    on_stored = {name: _made_on_stored(table[name].size, *of) for name, of in rotated.items()}
    unclear = [name for name, answer in on_stored.items() if answer is None]
    agreed = set(on_stored.values()) - {None}
    if len(agreed) == 1:
        on_stored |= dict.fromkeys(unclear, *agreed)
    elif unclear:
        annotations.warnings.append(
            f"{annotations.source}: {counted(len(unclear), 'annotated image')} turned upright by "
            f"EXIF orientation, such as {unclear[0]}; no size in the list tells whether landmarks "
            "were made on upright images, which is assumed, or on stored ones, as imglab shows them"
        )
    turned = [name for name, answer in on_stored.items() if answer]
    for name in turned:
        entry, turn = table[name], rotated[name]
        objects = tuple(
            found._replace(
                box=turned_box(found.box, *turn),
                landmarks=_turned(found.landmarks, *turn),
                points=_turned(found.points, *turn),
            )
            for found in entry.objects
        )
        upright_size = entry.size and entry.size[:: -1 if turn[1] >= 5 else 1]
        points = _turned(entry.points, *turn)
        landmarks = None if entry.landmarks is None else points
        table[name] = entry._replace(
            landmarks=landmarks, size=upright_size, objects=objects, points=points
        )
    what = "boxes and landmarks" if annotations.with_boxes else "landmarks"
    if turned:
        annotations.notes.append(
            f"{what} of {counted(len(turned), 'image')} are turned upright with the images: by "
            "the sizes in the list they were made before the EXIF orientation was applied"
        )


def _turned(landmarks, size, flag):
    return None if landmarks is None else turned_points(landmarks, size, flag)


def turned_box(box, size, flag):
    """Return a box of a stored image as that of the upright image, as ``turned_points`` does."""
    corners = turned_points(np.reshape(box, (2, 2)) - 0.5, size, flag) + 0.5
    return (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())


def _made_on_stored(listed, size, flag):
    """Return whether a listed size is that of the stored image; None if that cannot be said."""
    if listed is None or flag < 5 or size[0] == size[1] or sorted(listed) != sorted(size):
        return None
    return tuple(listed) == size


def _refuse_fractions(annotations, names):
    """Add a fault if all landmarks of all images lie from -1 to 1, though an image is larger.

    Fractions of 0 to 1 in ``.pts`` files have lost 1.
    """
    entries = [annotations.table[name] for name in names]
    found = [of.landmarks for entry in entries for of in (entry, *entry.objects)]
    landmarks = [points for points in found if points is not None]
    if not all(np.abs(points).max() <= 1 for points in landmarks):
        return
    if all((points % 1 == 0).all() for points in landmarks):  # none at all, or in corner pixels
        return
    lowest = 0 if all(points.min() >= 0 for points in landmarks) else -1
    for name in names:
        with suppress(UserError):
            size, _ = stored_size(annotations.folder / name)
            if max(size) > 2:
                annotations.fault(
                    annotations.source,
                    f"all landmarks lie between {lowest} and 1, in images of "
                    f"{size[0]} x {size[1]} pixels: expected pixels, not fractions",
                )
                return
