"""Landmarks in ``.pts`` files beside the images, as iBUG's 300-W has them: ``a.pts`` for ``a.jpg``.

Their coordinates are 1-based, the centre of the top-left pixel is (1, 1); here 1 is taken off.
A point that is -1 -1, 0 0 or NaN is not labelled.
"""

from pathlib import PurePath

from tqdm import tqdm

from data_loader.annotation_files import read_pts
from utils.errors import UserError
from utils.text import some_of


def read(images, paths, annotations):
    """Read those of some ``.pts`` files, by their paths, that belong to images, names relative to
    the image folder: the file beside an image, or else one that means it by its name.
    """
    beside = {path.with_suffix(""): path for path in paths}
    stems = {name: annotations.folder / PurePath(name).with_suffix("") for name in images}
    lists = {name: beside[stem] for name, stem in stems.items() if stem in beside}
    taken = set(lists.values())
    left = []
    for stem, path in beside.items():
        if path in taken:
            continue
        found, _ = annotations.images.find(stem.name, path)
        if len(found) != 1:
            left.append(str(path))
        elif found[0] in stems and found[0] not in lists:
            lists[annotations.name_of(stem.name, path)] = path
    if left:
        annotations.notes.append(f".pts files of no image, or of any of several: {some_of(left)}")
    for name in tqdm(lists, desc="landmarks", unit="file", leave=False, disable=None):
        path = lists[name]
        try:
            points = read_pts(path) - 1
        except UserError as error:
            annotations.faults.append(str(error))
            continue
        annotations.names = annotations.names or [str(n) for n in range(1, len(points) + 1)]
        annotations.add_labelled(name, points, None, None, path)


def is_pts(name):
    """Whether a file's name says that it holds landmarks in this format."""
    return PurePath(name).suffix.lower() == ".pts"
