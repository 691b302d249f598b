"""Which landmark files a folder of images has."""

import os
import re
from pathlib import Path, PurePath

from data_loader.image_folder import images_folder
from data_loader.landmark_formats import coco, imglab, landmark_csv, pts
from data_loader.landmark_formats.annotations import Annotations
from utils.errors import UserError

CSV = "landmarks.csv"  # where it lies in the root, other files do not count
PTS = "*.pts"  # stands for those beside the images
NONE = "none"
HEAD = 1 << 20  # bytes of a file in which to look for what it is
READERS = {".csv": landmark_csv, ".json": coco, ".xml": imglab}
SPLIT_WORDS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
SPLIT_WORDS |= {"training": "train", "testing": "test"}


def find_annotations(root, files, named=None):
    """Return the landmark files of a root, a list of paths; empty where there are none.

    files: the names of all files in the image folder; named: what ``dataset.args.annotation`` says,
    one or several files relative to the root, ``*.pts``, ``none``; None: see what lies there.
    """
    if named is None:
        return _in_root(root, files)
    named = [named] if isinstance(named, str) else named
    if named == [NONE]:
        return []
    for name in named:
        if name != PTS and not (root / name).is_file():
            raise UserError(f"dataset.args.annotation = {name!r}: no such file in {root}")
        if name != PTS and Path(name).suffix.lower() not in READERS:
            kinds = " ".join([*READERS, PTS, NONE])
            raise UserError(f"dataset.args.annotation = {name!r}: expected one of {kinds}")
    return [root / name for name in named]


def _in_root(root, files):
    if (root / CSV).is_file():
        return [root / CSV]
    try:
        found = [root / name for name in sorted(os.listdir(root)) if _holds_landmarks(root / name)]
    except OSError as error:
        raise UserError(f"{root}: cannot read this folder ({error.strerror})") from error
    kinds = {path.suffix for path in found}
    if any(pts.is_pts(name) for name in files):
        found, kinds = [*found, root / PTS], kinds | {PTS}
    if len(kinds) > 1 or len(found) > 1 and not all(split_of_file(p.name) for p in found):
        raise UserError(
            f"{root}: holds landmarks in {', '.join(path.name for path in found)}; name one in "
            "dataset.args.annotation, or several with train, val or test in their names"
        )
    return found


def _holds_landmarks(path):
    """Whether a file looks like COCO's or imglab's; a JSON file may be anything."""
    reader = {".json": coco, ".xml": imglab}.get(path.suffix.lower())
    if reader is None or path.name.startswith(".") or not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError:
        return True  # told when it is read
    return any(word in head for word in reader.MAY_BE_ONE)


def split_of_file(name):
    """Return the only split that a path below the root speaks of, the file's name first; None if
    it speaks of none.
    """
    for part in reversed(PurePath(name).parts):
        words = re.split(r"[^a-z]+", part.lower())
        splits = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
        if len(splits) == 1:
            return splits.pop()
    return None


def read_annotations(paths, root, files, images):
    """Return the ``Annotations`` in landmark files; of no files, empty ones.

    files, images: names of all files of the image folder, and of those that are images.
    """
    annotations = Annotations(images_folder(root))
    for path in paths:
        annotations.sources.append(path)
        if path.name == PTS:
            pts.read(images, files, annotations)
        else:
            split = split_of_file(os.path.relpath(path, root)) if len(paths) > 1 else None
            READERS[path.suffix.lower()].read(path, annotations, split)
    return annotations.finish() if paths else annotations
