"""Images on disk: which, under which names, and read many at a time."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from data_loader.batches import MAX_WORKERS
from data_loader.find_images import IMAGE_SUFFIXES, files_below, images_among
from inference.images import as_rgb
from inference.view import Seen
from utils.errors import UserError, one_line

PICTURE_SIDE = 1000  # pixels: larger images are drawn smaller


@dataclass(frozen=True)
class Photo:
    """An image as the network sees it, and as it is drawn.

    picture: uint8 (3, h, w), None where nothing is drawn; scale: (2,), its size in that of the
    image.
    """

    name: str
    seen: Seen
    picture: torch.Tensor | None = None
    scale: torch.Tensor | None = None

    def in_picture(self, points):
        """Take points (..., 2) in pixels of the image to pixels of the picture."""
        return (points + 0.5) * self.scale - 0.5


def find_images(arguments, output):
    """Return {name: path} of image files, and of those in folders, nested ones too.

    Names are relative to the folder that all of them share. What lies below ``output`` is left out:
    an earlier run wrote it.
    """
    places = [Path(os.path.abspath(argument)) for argument in arguments]
    output = Path(os.path.abspath(output))
    paths = dict.fromkeys(path for place in places for path in _files(place, output))
    if not paths:
        raise UserError(
            f"{', '.join(map(str, arguments))}: no images (suffixes {' '.join(IMAGE_SUFFIXES)})"
        )
    root = os.path.commonpath([place if place.is_dir() else place.parent for place in places])
    return {path.relative_to(root).as_posix(): path for path in paths}


def _files(place, output):
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise UserError(f"{place}: no such file or folder")
    found = [place / name for name in images_among(files_below(place))]
    return [path for path in found if output not in path.parents]


class PhotoReader:
    """Reads images for a model, in threads.

    skip: whether a broken image is left out, and told once; else it is an error, which names the
    program's option.
    """

    def __init__(self, model, drawn, skip):
        self.read = partial(read_photo, model=model, drawn=drawn)
        self.skip, self.skipped = skip, set()

    def batches(self, paths, batch_size):
        """Yield lists of photos of {name: path}, at most ``batch_size`` at a time."""
        names = list(paths)
        with ThreadPoolExecutor(min(MAX_WORKERS, os.cpu_count())) as pool:
            for first in range(0, len(names), batch_size):
                part = names[first : first + batch_size]
                found = pool.map(self._try, [paths[name] for name in part], part)
                yield [photo for photo in found if photo is not None]

    def _try(self, path, name):
        try:
            return self.read(path, name)
        except UserError as error:
            if not self.skip:
                raise UserError(
                    f"{one_line(error)} (--skip_broken leaves such images out)"
                ) from error
            if path not in self.skipped:
                self.skipped.add(path)
                tqdm.write(f"skipped: {one_line(error)}")
            return None


def read_photo(path, name, model, drawn):
    """Return an image file as a ``Photo``, with its picture if it is to be drawn."""
    image = as_rgb(path)
    seen = model.see(image)
    if not drawn:
        return Photo(name, seen)
    size = image.size
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    picture = torch.from_numpy(np.array(image).transpose(2, 0, 1).copy())
    return Photo(name, seen, picture, torch.tensor(image.size) / torch.tensor(size))
