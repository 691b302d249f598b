"""Relate pixels of an image to pixels of the network's input.

An image is prepared as in training: its window (all of it, unless the data set takes a part, or the
square around an object's box) is resized to S x S, the aspect not kept, and ``crop`` pixels are cut
from every side. Two rules map a coordinate x of the window to x' of the S x S pixels; s is S /
width of the window:

* By content: x' + 1/2 = s (x + 1/2), since Pillow's resize keeps the edges of an image in place.
  Points to match are mapped by this rule and its inverse, and return to where they were.
* By annotation: x' = s x, as published annotations are scaled. A regressor has learned these
  coordinates, so its landmarks are mapped back by x = x' / s.

The rules differ by |1 - s| / 2 pixels of the S x S image: less than half a pixel, a quarter of a
cell, if the image is larger. A regressor's landmarks are exact for images of the size that it was
fitted on, and within that half pixel for others. Pixel centres are integers in both frames.

Objects that are cut out by boxes are of any size, so their landmarks are mapped by content, in
training (``data_loader.boxes``) and here.
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from data_loader.base_dataset import check_frame
from data_loader.boxes import box_window, check_cutting, checked_box, cut_out, require_inside


@dataclass(frozen=True)
class View:
    """Maps points, float32 (..., 2), (x, y), between an image and the network's input.

    image_size: (width, height).
    window: (left, top, right, bottom) in the image.
    S: the side that the window is resized to.
    crop: pixels cut from every side afterwards.
    by_content: map landmarks by content, too.
    """

    image_size: tuple
    window: tuple
    S: int
    crop: int
    by_content: bool = False

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
        """Map landmarks in pixels of the network's input to pixels of the image, by annotation
        unless the view is ``by_content``.
        """
        if self.by_content:
            return self.to_image(points)
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
    box_margin, box_outside: as of ``LandmarkFolder``, for objects in boxes.
    by_content: of the ``View``s of whole images.
    """

    def __init__(
        self,
        imwidth,
        crop=0,
        window=lambda size: (0, 0, *size),
        box_margin=0,
        box_outside="edge",
        by_content=False,
    ):
        check_frame(imwidth, crop)
        check_cutting(box_margin, box_outside)
        self.imwidth, self.crop, self.window = imwidth, crop, window
        self.box_margin, self.box_outside = box_margin, box_outside
        self.by_content = by_content

    def __call__(self, image, box=None):
        """Return an RGB PIL image as ``Seen``, or the object in a box of it.

        Raises ``ValueError`` for a box that is empty or not finite, or that lies more than half
        outside of the image.
        """
        S, crop = self.imwidth, self.crop
        if box is None:
            window = tuple(self.window(image.size))
            view = View(image.size, window, S, crop, self.by_content)
            pixels = np.array(image.resize((S, S), Image.BILINEAR, box=window))
        else:
            box = checked_box(box)
            require_inside(box, image.size)
            window = box_window(box, self.box_margin)
            view = View(image.size, window, S, crop, by_content=True)
            pixels = np.array(cut_out(image, window, S, self.box_outside))
        inner = pixels[crop : S - crop, crop : S - crop]
        return Seen(torch.from_numpy(inner.transpose(2, 0, 1).copy()), view)
