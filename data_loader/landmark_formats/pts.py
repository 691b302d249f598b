"""Read landmarks from ``.pts`` files, as iBUG's 300-W has them: ``a.pts`` beside ``a.jpg``.

Their coordinates are 1-based, the centre of the top-left pixel is (1, 1); 1 is subtracted here.
A point at -1 -1, at 0 0, or NaN is not labelled.
"""

from pathlib import PurePath

from tqdm import tqdm

from data_loader.annotation_files import read_pts
from utils.text import some_of


def read(images, paths, annotations):
    """Read the ``.pts`` files that belong to images into ``annotations``.

    images: names relative to the image folder; paths: of the ``.pts`` files. An image's file is
    the one beside it, else the one whose name fits it.
    """
    beside = {path.with_suffix(""): path for path in paths}
    stems = {name: annotations.folder / PurePath(name).with_suffix("") for name in images}
    lists = {name: beside[stem] for name, stem in stems.items() if stem in beside}
    taken, left = set(lists.values()), []
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
        with annotations.reading(path, "cannot read these points"):
            points = read_pts(path) - 1
            annotations.names = annotations.names or [str(n) for n in range(1, len(points) + 1)]
            annotations.add(name, points, None, None, path)


def is_pts(name):
    """Return whether a file has this format, by its name."""
    return PurePath(name).suffix.lower() == ".pts"
