"""Find the images to predict, and read many at a time, in threads."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from data_loader.boxes import cut_out
from data_loader.find_images import IMAGE_SUFFIXES, files_below, images_among
from inference.images import as_rgb
from inference.view import Seen
from utils.cores import read_ahead
from utils.errors import UserError, config_errors, one_line

PICTURE_SIDE = 1000  # pixels: larger images are drawn smaller


@dataclass(frozen=True)
class Source:
    """An image file, or an object in it: its box, and its number among the image's, from 1."""

    name: str
    path: Path
    box: tuple | None = None
    number: int | None = None

    @property
    def label(self):
        """The name, for captions."""
        return self.name if self.number is None else f"{self.name}, box {self.number}"


@dataclass(frozen=True)
class Photo:
    """An image, or an object in it, as the network sees it, and as it is drawn.

    picture: uint8 (3, h, w), None if nothing is drawn
    scale: (2,), the picture's width and height divided by those of what it shows
    corner: (2,), (left, top) of what it shows
    """

    source: Source
    seen: Seen
    picture: torch.Tensor | None = None
    scale: torch.Tensor | None = None
    corner: torch.Tensor | None = None

    def in_picture(self, points):
        """Return points (..., 2) in pixels of the picture, given in pixels of the image."""
        return (points + 0.5 - self.corner) * self.scale - 0.5


def find_images(arguments, output):
    """Return {name: path} of image files, and of those in folders and their subfolders.

    Names are relative to the folder that all of them share. Files below ``output`` are left out: an
    earlier run wrote them.
    """
    places = [Path(os.path.abspath(argument)) for argument in arguments]
    output = Path(os.path.abspath(output))
    paths = {}
    for place in places:
        if not place.is_file() and not place.is_dir():
            raise UserError(f"{place}: no such file or folder")
        if place.is_file():
            paths[place] = None
        else:
            found = [place / name for name in images_among(files_below(place))]
            paths.update(dict.fromkeys(path for path in found if output not in path.parents))
            if found and output in (place, *place.parents):
                raise UserError(f"--output {output}: holds the images of {place}, choose another")
    if not paths:
        raise UserError(
            f"{', '.join(map(str, arguments))}: no images (suffixes {' '.join(IMAGE_SUFFIXES)})"
        )
    root = os.path.commonpath([place if place.is_dir() else place.parent for place in places])
    return {path.relative_to(root).as_posix(): path for path in paths}


class PhotoReader:
    """Reads images for a model.

    drawn: whether pictures are needed
    skip: whether a broken image is left out, with one message; else it raises ``UserError``
    """

    def __init__(self, model, drawn, skip):
        self.model, self.drawn, self.skip = model, drawn, skip
        self.skipped = set()  # sources

    def batches(self, sources, batch_size):
        """Yield lists of photos of ``Source``s, at most ``batch_size`` at a time."""
        for found in read_ahead(self._try, sources, batch_size):
            yield [photo for photo in found if photo is not None]

    def _try(self, source):
        try:
            return read_photo(source, self.model, self.drawn)
        except UserError as error:
            if not self.skip:
                raise UserError(
                    f"{one_line(error)} (--skip_broken leaves such images out)"
                ) from error
            if source not in self.skipped:
                self.skipped.add(source)
                tqdm.write(f"skipped: {one_line(error)}")
            return None


def read_photo(source, model, drawn):
    """Return a ``Source`` as a ``Photo``, with its picture if it is to be drawn."""
    image = as_rgb(source.path)
    with config_errors(source.path):
        seen = model.viewer(image, source.box)
    if not drawn:
        return Photo(source, seen)
    if source.box is None:
        size, corner = image.size, (0, 0)
        image.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    else:
        left, top, right, bottom = window = seen.view.window
        size, corner = (right - left, bottom - top), (left, top)
        side = min(PICTURE_SIDE, math.ceil(right - left))
        image = cut_out(image, window, side, model.viewer.box_outside)
    picture = torch.from_numpy(np.array(image).transpose(2, 0, 1).copy())
    scale = torch.tensor(image.size) / torch.tensor(size)
    return Photo(source, seen, picture, scale, torch.tensor(corner))
