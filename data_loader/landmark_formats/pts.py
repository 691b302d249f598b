"""Landmarks in ``.pts`` files beside the images, as iBUG's 300-W has them: ``a.pts`` for ``a.jpg``.

Their coordinates are 1-based, the centre of the top-left pixel is (1, 1); here 1 is taken off.
"""

from pathlib import PurePath

from tqdm import tqdm

from data_loader.annotations import read_pts
from data_loader.landmark_formats.annotations import Entry
from utils.errors import UserError


def read(images, files, annotations):
    """Read the ``.pts`` files of images; both are names relative to the image folder."""
    lists = {PurePath(name).with_suffix(""): name for name in files if is_pts(name)}
    listed = [name for name in images if PurePath(name).with_suffix("") in lists]
    for name in tqdm(listed, desc="landmarks", unit="file", leave=False, disable=None):
        path = annotations.folder / lists[PurePath(name).with_suffix("")]
        try:
            points = read_pts(path) - 1
        except UserError as error:
            annotations.faults.append(str(error))
            continue
        annotations.names = annotations.names or [str(n) for n in range(1, len(points) + 1)]
        annotations.add(name, Entry(None, points), path)


def is_pts(name):
    """Whether a file's name says that it holds landmarks in this format."""
    return PurePath(name).suffix.lower() == ".pts"
