"""What shows only where landmarks are seen beside their images: turned ones, other units."""

from contextlib import suppress

import numpy as np
from tqdm import tqdm

from data_loader.images import stored_size, turned_points
from utils.errors import UserError
from utils.text import counted


def compare_with_images(annotations):
    """Turn landmarks that were made on stored pictures upright with these, and warn of what is
    hardly meant.

    A photograph with an EXIF orientation is seen upright. Where the size that a list tells is that
    of the stored picture, so are its landmarks. Images whose size is the same either way, or not
    told, go by the others of the lists, if these agree.
    """
    found = {}
    for name in tqdm(annotations.annotated, desc="sizes", unit="image", leave=False, disable=None):
        with suppress(UserError):  # of an image that is told where it is read
            found[name] = stored_size(annotations.folder / name)
    _turn(annotations, {name: of for name, of in found.items() if of[1] > 1})
    _warn_of_fractions(annotations, {name: size for name, (size, _) in found.items()})


def _turn(annotations, pictures):
    """pictures: {name: (stored size, EXIF orientation)} of those that are to be turned."""
    sizes = {name: annotations.table[name].size for name in pictures}
    told = {name: _made_on_stored(sizes[name], *of) for name, of in pictures.items()}
    unclear = [name for name, stored in told.items() if stored is None]
    agreed = set(told.values()) - {None}
    if len(agreed) == 1:
        told |= dict.fromkeys(unclear, *agreed)
    stored = [name for name, is_stored in told.items() if is_stored]
    for name in stored:
        entry, (size, flag) = annotations.table[name], pictures[name]
        landmarks = turned_points(entry.landmarks, size, flag)
        told_size = entry.size and entry.size[:: -1 if flag >= 5 else 1]
        annotations.table[name] = entry._replace(landmarks=landmarks, size=told_size)
    if stored:
        annotations.notes.append(
            f"landmarks of {counted(len(stored), 'image')} are turned upright with the images: by "
            "the sizes in the list they were made before the EXIF orientation was applied"
        )
    if unclear and len(agreed) != 1:
        annotations.warnings.append(
            f"{annotations.source}: {counted(len(unclear), 'annotated image')} turned upright by "
            f"EXIF orientation, such as {unclear[0]}; no size in the list tells whether landmarks "
            "were made on upright images, which is assumed, or on stored ones, as imglab shows them"
        )


def _made_on_stored(told, size, flag):
    """Whether the size that a list tells is that of the stored picture; None: it may be both."""
    if told is None or flag < 5 or size[0] == size[1] or sorted(told) != sorted(size):
        return None
    return tuple(told) == size


def _warn_of_fractions(annotations, sizes):
    """Warn where all landmarks of all images lie between -1 and 1, as fractions of 0 to 1 do in
    ``.pts`` files, of which 1 is taken off.
    """
    table = annotations.table
    larger = [name for name, size in sizes.items() if max(size) > 2]
    if larger and all(np.abs(table[name].landmarks).max() <= 1 for name in larger):
        lowest = 0 if all(table[name].landmarks.min() >= 0 for name in larger) else -1
        annotations.warnings.append(
            f"{annotations.source}: all landmarks lie between {lowest} and 1, in images of "
            f"{' x '.join(map(str, sizes[larger[0]]))} pixels: expected pixels, not fractions"
        )
