"""Relate pixels of an image to pixels of the network's input.

An image is prepared as in training: its window (all of it, unless the data set takes a part) is
resized to S x S, the aspect not kept, and ``crop`` pixels are cut from every side. Two rules map a
coordinate x of the window to x' of the S x S pixels; s is S / width of the window:

* By content: x' + 1/2 = s (x + 1/2), since Pillow's resize keeps the edges of an image in place.
  Points to match are mapped by this rule and its inverse, and return to where they were.
* By annotation: x' = s x, as published annotations are scaled. A regressor has learned these
  coordinates, so its landmarks are mapped back by x = x' / s.

The rules differ by |1 - s| / 2 pixels of the S x S image: less than half a pixel, a quarter of a
cell, if the image is larger. A regressor's landmarks are exact for images of the size that it was
fitted on, and within that half pixel for others. Pixel centres are integers in both frames.
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from data_loader.base_dataset import check_frame


@dataclass(frozen=True)
class View:
    """Maps points, float32 (..., 2), (x, y), between an image and the network's input.

    image_size: (width, height).
    window: (left, top, right, bottom) in the image.
    S: the side that the window is resized to.
    crop: pixels cut from every side afterwards.
    """

    image_size: tuple
    window: tuple
    S: int
    crop: int

    @property
    def input_size(self):
        """(height, width) of the network's input."""
        return (self.S - 2 * self.crop,) * 2

    def holds(self, points):
        """Return which points (..., 2) lie in the image, edges included: bool (...)."""
        return within(points, self.image_size)

    def shows(self, points):
        """Return which points (..., 2) of the image lie in the network's input: bool (...)."""
        height, width = self.input_size
        return within(self.to_input(points), (width, height))

    def to_input(self, points):
        """Map pixels of the image to pixels of the network's input, by content."""
        scale, corner = self._scale_and_corner(points)
        return (points - corner + 0.5) * scale - 0.5 - self.crop

    def to_image(self, points):
        """Map pixels of the network's input to pixels of the image, by content."""
        scale, corner = self._scale_and_corner(points)
        return (points + self.crop + 0.5) / scale - 0.5 + corner

    def landmarks_to_image(self, points):
        """Map landmarks in pixels of the network's input to pixels of the image, by annotation."""
        scale, corner = self._scale_and_corner(points)
        return (points + self.crop) / scale + corner

    def _scale_and_corner(self, points):
        left, top, right, bottom = self.window
        scale = points.new_tensor([self.S / (right - left), self.S / (bottom - top)])
        return scale, points.new_tensor([left, top])


def within(points, size):
    """Return which points (..., 2) lie in a frame (width, height), edges included: bool (...)."""
    return ((points >= -0.5) & (points <= points.new_tensor(size) - 0.5)).all(dim=-1)


@dataclass(frozen=True)
class Seen:
    """The network's input of an image, uint8 (3, H, W), and the ``View`` that maps points."""

    pixels: torch.Tensor
    view: View


class Viewer:
    """Prepares images for a network as in its training.

    imwidth, crop: as in the config.
    window: callable, (width, height) of an image -> (left, top, right, bottom).
    """

    def __init__(self, imwidth, crop=0, window=lambda size: (0, 0, *size)):
        check_frame(imwidth, crop)
        self.imwidth, self.crop, self.window = imwidth, crop, window

    def __call__(self, image):
        """Return an RGB PIL image as ``Seen``."""
        S, crop = self.imwidth, self.crop
        view = View(image.size, tuple(self.window(image.size)), S, crop)
        pixels = np.array(image.resize((S, S), Image.BILINEAR, box=view.window))
        inner = pixels[crop : S - crop, crop : S - crop]
        return Seen(torch.from_numpy(inner.transpose(2, 0, 1).copy()), view)
