"""Find the landmark files of a folder of images, and read them."""

import mmap
import os
import re
from contextlib import suppress
from pathlib import Path, PurePath
from typing import NamedTuple

from data_loader.find_images import images_among, images_folder
from data_loader.landmark_formats import coco, imglab, landmark_csv, pts
from data_loader.landmark_formats.csv_columns import (
    axis_in,
    ends_in_axis,
    may_name_images,
)
from data_loader.landmark_formats.image_names import ImageNames
from data_loader.landmark_formats.table import Annotations
from data_loader.splits import split_of_file
from utils.errors import UserError

CSV = "landmarks.csv"  # in the root it goes before all other files
PTS = "*.pts"  # stands for those of the images
NONE = "none"
HEAD = 1 << 16  # bytes of a csv, enough for its header
READERS = {".csv": landmark_csv, ".tsv": landmark_csv, ".json": coco, ".xml": imglab}
OTHERS = (".xlsx", ".xls", ".ods", ".mat", ".npy", ".npz", ".h5", ".pkl", ".parquet", ".gz", ".txt")
NUMBERS = re.compile(rb"(?:[-+.\d]+[\s,;]+){3}")  # in a .txt that may be a list
SIGNS = {  # patterns that a readable landmark file contains, all of them
    ".json": (rb'"images"\s*:', rb'"keypoints"\s*:\s*\[\s*[-\d]'),
    ".xml": (rb"<image\b", rb"<part\b"),
}
BOX_SIGNS = {
    ".json": (rb'"images"\s*:', rb'"bbox"\s*:\s*\[\s*[-\d]'),
    ".xml": (rb"<image\b", rb"<box\b"),
}
TAKES = "dataset.args.annotation takes it"
NO_AXES = "its header names no x and y of landmarks"
LACKING_BOXES = {".json": "holds no COCO boxes", ".xml": "holds no boxes of imglab"}
LACKING = {".json": "holds no COCO keypoints", ".xml": "holds no parts of imglab's boxes"}


class Lists(NamedTuple):
    """Landmark files: the paths to read, and {path relative to the root: why not} of others."""

    paths: list
    unread: dict


def find_annotations(root, files, named=None, elsewhere=(), images=None, with_boxes=False):
    """Return the ``Lists`` of a root.

    files: the names of all files in the image folder.
    named: ``dataset.args.annotation``: one or several files relative to the root, ``*.pts``, or
        ``none``; None: choose among the files found.
    elsewhere: the files of the root outside of the image folder, relative to the root.
    images: the ``ImageNames`` of the folder.
    with_boxes: find lists of boxes, with or without landmarks.
    """
    images = images or ImageNames(images_folder(root), images_among(files))
    if named is None:
        found, unread = _candidates(root, files, elsewhere, images, with_boxes)
        if not found:
            return Lists([], unread | _above(root, images, with_boxes))
        return _choose(root, found, unread)
    named = [named] if isinstance(named, str) else named
    if named == [NONE]:
        return Lists([], {})
    if not named or not all(isinstance(name, str) for name in named):
        raise UserError(
            f"dataset.args.annotation = {named!r}, expected names of files, or '{NONE}' for no list"
        )
    for name in named:
        if name == PTS and with_boxes:
            raise UserError(f"dataset.args.annotation = {name!r}: .pts files hold no boxes")
        if name != PTS and not (root / name).is_file():
            raise UserError(f"dataset.args.annotation = {name!r}: no such file in {root}")
        if name != PTS and Path(name).suffix.lower() not in READERS:
            kinds = " ".join([*READERS, PTS, NONE])
            raise UserError(f"dataset.args.annotation = {name!r}: expected one of {kinds}")
    return Lists([root / name for name in named], {})


def _candidates(root, files, elsewhere, images, with_boxes):
    """Return {name: rank} of the landmark files below a root, and {name: why not} of others.

    The lowest rank is read; names are relative to the root.
    """
    inner = PurePath(os.path.relpath(images.folder, root))
    found, unread = {}, {}
    for name in sorted([*((inner / name).as_posix() for name in files), *elsewhere]):
        place, suffix = PurePath(name), PurePath(name).suffix.lower()
        if suffix not in READERS:
            if suffix in OTHERS and (suffix != ".txt" or _holds_numbers(root / name)):
                unread[name] = f"{suffix} is not read: expected {' '.join([*READERS, PTS])}"
            continue
        is_the_csv = place.name == CSV and place.parent in (PurePath(), inner)
        reason = None if is_the_csv else _why_not(root / name, images, with_boxes)
        if reason:
            unread[name] = reason
        elif len(place.parts) == 1:
            found[name] = 0 if is_the_csv else 3 if READERS[suffix] is landmark_csv else 1
        else:
            found[name] = 2 if is_the_csv else 2 + len(place.parts)
    for folder, names, rank in ((images.folder, files, 1), (root, elsewhere, 4)):
        points = [folder / name for name in names if pts.is_pts(name)]
        fitting = any(images.find(path.stem, path)[0] for path in points)
        if fitting and not with_boxes:
            found.setdefault(PTS, rank)
        elif points:
            name = os.path.relpath(points[0], root)
            why = "belongs to no image, nor do other .pts files"
            unread[name] = "holds no boxes, nor do other .pts files" if fitting else why
    return found, unread


def _above(root, images, with_boxes):
    """Return {path relative to the root: hint} of the landmark files beside the root."""
    try:
        paths = [Path("..", name) for name in sorted(os.listdir(root / ".."))]
    except OSError:
        return {}
    paths = [path for path in paths if path.suffix.lower() in READERS]
    readable = [path for path in paths if not _why_not(root / path, images, with_boxes)]
    return {path.as_posix(): TAKES for path in readable}


def _choose(root, found, unread):
    """Return the ``Lists`` to read: all files of the lowest rank, if they belong together."""
    rank = min(found.values())
    chosen = [name for name in found if found[name] == rank]
    one_kind = len({PurePath(name).suffix.lower() for name in chosen}) == 1
    alike = len({PurePath(name).name for name in chosen}) == 1
    if not (one_kind and (alike or all(map(split_of_file, chosen)))):
        if rank <= 1:
            raise UserError(
                f"{root}: holds landmarks in {', '.join(chosen)}; name one in "
                "dataset.args.annotation, or several with train, val or test in their names"
            )
        chosen = []
    unread.update({name: TAKES for name in found if name not in chosen})
    return Lists([root / name for name in chosen], unread)


def _why_not(path, images, with_boxes):
    """Return why a file cannot be read as landmarks or boxes, None if it can."""
    suffix = path.suffix.lower()
    signs, lacking = (BOX_SIGNS, LACKING_BOXES) if with_boxes else (SIGNS, LACKING)
    try:
        if READERS[suffix] is landmark_csv:
            return _why_no_csv(path, images, with_boxes)
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            text = data if b"\0" not in data[:4] else data[:].replace(b"\0", b"")  # of UTF-16
            return None if all(re.search(sign, text) for sign in signs[suffix]) else lacking[suffix]
    except ValueError:
        return "is empty"
    except OSError:
        return None  # it is reported where the file is read


def _holds_numbers(path):
    with suppress(OSError), open(path, "rb") as file:
        return bool(NUMBERS.search(file.read(4096)))
    return False


def _why_no_csv(path, images, with_boxes):
    """Return why a csv, not named landmarks.csv, is not read as landmarks or boxes, None if it is.

    Its header must name x and y, and most of its rows must be sound and name images of the folder.
    """
    with open(path, "rb") as file:
        head = file.read(HEAD).decode("latin-1").replace("\0", "").lower()
    header = next((line for line in head.splitlines() if re.search(r"[,;\t|]", line)), "")
    columns = [column.strip(' "') for column in re.split(r"[,;\t|]", header)]
    has_axes = with_boxes or len(list(filter(axis_in, columns[1:]))) >= 2
    if not has_axes and not any(map(may_name_images, columns)):
        return NO_AXES
    trial = Annotations(images.folder, images, with_boxes)
    trial.sources.append(path)
    landmark_csv.read(path, trial)
    listed = trial.table.keys() & images.images.keys()
    if has_axes and trial.faults and len(listed) <= len(trial.faults):
        return trial.faults[0].removeprefix(f"{path}").lstrip(":, ")
    if trial.faults and not has_axes:
        return NO_AXES
    if not listed:
        return "names no image of this folder"
    return None if has_axes or all(map(ends_in_axis, trial.names)) else f"{NO_AXES}; {TAKES}"


def read_annotations(paths, root, files, found, elsewhere=(), images=None, with_boxes=False):
    """Return the ``Annotations`` in landmark files.

    files, found: the names of all files of the image folder, and of its images; elsewhere, images,
    with_boxes: as of ``find_annotations``.
    """
    folder = images_folder(root)
    annotations = Annotations(folder, images or ImageNames(folder, found), with_boxes)
    for path in paths:
        annotations.sources.append(path)
        if path.name == PTS:
            points = [*(folder / name for name in files), *(root / name for name in elsewhere)]
            pts.read(found, filter(pts.is_pts, points), annotations)
        else:
            split = split_of_file(os.path.relpath(path, root)) if len(paths) > 1 else None
            READERS[path.suffix.lower()].read(path, annotations, split)
    return annotations.finish() if paths else annotations
