"""Where a network looks at an image: the one place that relates the pixels of both.

An image is shown to the network as in training: its window (all of it, unless the data set cut a
part out) is resized to S x S, the aspect not kept, and ``crop`` pixels are cut from every side. Two
rules take a coordinate x of the window to x' of the S x S pixels; s is S / width of the window:

* What is seen there: x' + 1/2 = s (x + 1/2), for Pillow's resize keeps the edges of an image where
  they are. Points to match go this way, there and back: a dot comes back to where it was drawn.
* What training calls a landmark's place: x' = s x, as published annotations are scaled. So has a
  regressor learned to answer, and its landmarks go back by x = x' / s.

The rules differ by |1 - s| / 2 pixels of the S x S image: less than half of one, a quarter of a
cell, where the image is larger. A regressor's landmarks are exact for images of the size that it
was fitted on, and within that half pixel for others. Pixel centres are integers in both frames.
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from data_loader.base_dataset import check_frame


@dataclass(frozen=True)
class View:
    """How one image is seen. Points are float32 (..., 2), (x, y).

    image_size: (width, height); window: (left, top, right, bottom) in the image; S: the side it is
    resized to; crop: pixels cut from every side of that.
    """

    image_size: tuple
    window: tuple
    S: int
    crop: int

    @property
    def input_size(self):
        """(height, width) of what the network sees."""
        return (self.S - 2 * self.crop,) * 2

    def holds(self, points):
        """Which points (..., 2) lie in the image, to the edges of its outer pixels: bool (...)."""
        return within(points, self.image_size)

    def shows(self, points):
        """Which points (..., 2) of the image the network sees: bool (...)."""
        height, width = self.input_size
        return within(self.to_input(points), (width, height))

    def to_input(self, points):
        """Pixels of the image to pixels of the network's input, by what is seen there."""
        scale, corner = self._scale_and_corner(points)
        return (points - corner + 0.5) * scale - 0.5 - self.crop

    def to_image(self, points):
        """The way back of ``to_input``."""
        scale, corner = self._scale_and_corner(points)
        return (points + self.crop + 0.5) / scale - 0.5 + corner

    def landmarks_to_image(self, points):
        """Landmarks in pixels of the network's input to pixels of the image, as training scales
        them.
        """
        scale, corner = self._scale_and_corner(points)
        return (points + self.crop) / scale + corner

    def _scale_and_corner(self, points):
        left, top, right, bottom = self.window
        scale = points.new_tensor([self.S / (right - left), self.S / (bottom - top)])
        return scale, points.new_tensor([left, top])


def within(points, size):
    """Which points (..., 2) lie in ``size``, (width, height), to the edges of the outer pixels."""
    return ((points >= -0.5) & (points <= points.new_tensor(size) - 0.5)).all(dim=-1)


@dataclass(frozen=True)
class Seen:
    """What a network sees of an image, uint8 (3, H, W), and where in the image that is."""

    pixels: torch.Tensor
    view: View


class Viewer:
    """Shows images to a network as its training did.

    imwidth, crop: as in the config; window: callable, (width, height) of an image -> its window.
    """

    def __init__(self, imwidth, crop=0, window=lambda size: (0, 0, *size)):
        check_frame(imwidth, crop)
        self.imwidth, self.crop, self.window = imwidth, crop, window

    def __call__(self, image):
        """Return what is ``Seen`` of an RGB PIL image."""
        S, crop = self.imwidth, self.crop
        view = View(image.size, tuple(self.window(image.size)), S, crop)
        pixels = np.array(image.resize((S, S), Image.BILINEAR, box=view.window))
        inner = pixels[crop : S - crop, crop : S - crop]
        return Seen(torch.from_numpy(inner.transpose(2, 0, 1).copy()), view)
