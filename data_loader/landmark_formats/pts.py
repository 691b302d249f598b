"""Read landmarks from ``.pts`` files, as iBUG's 300-W has them: ``a.pts`` beside ``a.jpg``.

Their coordinates are 1-based, the centre of the top-left pixel is (1, 1); 1 is subtracted here.
A point at -1 -1, at 0 0, or NaN is not labelled.
"""

from collections import defaultdict
from pathlib import PurePath

from data_loader.annotation_files import read_pts
from utils.progress import with_progress
from utils.text import some_of


def read(images, paths, annotations):
    """Read the ``.pts`` files that belong to images into ``annotations``.

    images: names relative to the image folder; paths: of the ``.pts`` files. An image's file is
    the one beside it, else the one whose name fits it.
    """
    beside = {path.with_suffix(""): path for path in paths}
    named = defaultdict(list)
    for name in images:
        named[annotations.folder / PurePath(name).with_suffix("")].append(name)
    lists = {named[stem][0]: path for stem, path in beside.items() if len(named[stem]) == 1}
    known, left = set(images), []
    for stem, path in beside.items():
        if len(named[stem]) > 1:
            annotations.fault(
                path, f"is of any of {some_of(named[stem])}: expected one (dataset.args.pattern)"
            )
        if named[stem]:
            continue
        found, _ = annotations.images.find(stem.name, path)
        if len(found) != 1:
            left.append(str(path))
        elif found[0] in known and found[0] not in lists:
            lists[annotations.name_of(stem.name, path)] = path
    if left:
        annotations.notes.append(f".pts files of no image, or of any of several: {some_of(left)}")
    for name in with_progress(lists, "landmarks", "file"):
        path = lists[name]
        with annotations.reading(path, "cannot read these points"):
            points = read_pts(path) - 1
            annotations.names = annotations.names or [str(n) for n in range(1, len(points) + 1)]
            annotations.add(name, points, None, None, path)


def is_pts(name):
    """Return whether a file has this format, by its name."""
    return PurePath(name).suffix.lower() == ".pts"
