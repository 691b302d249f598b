"""Drawings of fish, with their landmarks."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE, SCALE = 128, 4  # of an image, in pixels; drawn so many times larger
POINTS = ("mouth", "eye", "dorsal_front", "dorsal_back", "tail_top", "tail_bottom", "belly_fin")


class Fish:
    """A fish drawn from random numbers.

    Points of its body are (s, t): s along its axis, 0 at the mouth and 1 where the tail begins; t
    above the axis, in lengths of the body.
    """

    def __init__(self, rng):
        self.rng = rng
        self.height, self.thickest = rng.uniform(0.17, 0.3), rng.uniform(0.75, 1.1)
        self.length, self.bend = SIDE * rng.uniform(0.42, 0.54), rng.uniform(-0.25, 0.25)
        angle = math.radians(rng.normal(0, 8))
        self.turn = np.array([[math.cos(angle), -math.sin(angle)],
                              [math.sin(angle), math.cos(angle)]])
        # The tail is 0.24 long; its tips are nearly as far from the image's middle as the mouth.
        self.middle = SIDE / 2 + rng.normal(0, 3, 2) - (0.12 * self.length, 0)
        self.front, self.back = rng.uniform(0.28, 0.36), rng.uniform(0.62, 0.76)
        self.crest, self.fork = rng.uniform(0.08, 0.2), rng.uniform(0.16, 0.28)
        self.belly = rng.uniform(0.42, 0.52)

    def half(self, s):
        """Return half the height of the body at s."""
        return self.height * np.sin(np.pi * (0.03 + 0.89 * s) ** self.thickest) + 0.01

    def at(self, s, t):
        """Return pixels (N, 2) of points of the body, numbers or (N,) each."""
        s, t = np.broadcast_arrays(np.atleast_1d(np.asarray(s, float)), t)
        along, across = s - 0.5, -t + self.bend * ((s - 0.5) ** 2 - 0.08)
        return self.middle + self.length * np.stack([along, across], axis=1) @ self.turn.T

    def landmarks(self):
        """Return pixels (7, 2) of ``POINTS``, counted from the middle of the first pixel."""
        s = np.array([0, 0.14, self.front, self.back, 1.24, 1.24, self.belly])
        t = np.array([0, 0.35 * self.half(0.14), self.half(self.front), self.half(self.back),
                      self.fork, -self.fork, -self.half(self.belly)])
        return self.at(s, t) - 0.5

    def draw(self):
        """Return the image, RGB, with its background."""
        base = self._colour()
        image = self._background(base)
        fins = self._colour()
        s = np.linspace(0, 1, 60)
        body = self.at(np.r_[s, s[::-1]], np.r_[self.half(s), -self.half(s[::-1])])
        narrow = self.half(1.0)
        tail = self.at([0.97, 1.24, 1.12, 1.24, 0.97],
                       [narrow, self.fork, 0, -self.fork, -narrow])
        dorsal = self.at([self.front, self.front + 0.1, self.back + 0.03, self.back],
                         [self.half(self.front), self.half(self.front) + self.crest,
                          self.half(self.back) + 0.3 * self.crest, self.half(self.back)])
        below = -self.half(self.belly)
        belly = self.at([self.belly, self.belly + 0.16, self.belly + 0.12],
                        [below, below - 0.8 * self.crest, below + 0.01])
        pen = ImageDraw.Draw(image)
        for fin in (tail, dorsal, belly):
            pen.polygon(_large(fin), fill=fins, outline=_darker(fins), width=SCALE)
        mask = Image.new("L", image.size)
        ImageDraw.Draw(mask).polygon(_large(body), fill=255)
        image.paste(self._skin(image.size, base), mask=mask)
        side = self.at([0.36, 0.52, 0.5], [0, 0.03, -0.09])
        pen.polygon(_large(side), fill=fins, outline=_darker(fins), width=SCALE)
        pen.line(_large(self.at([0, 0.07], [0, -0.25 * self.half(0.07)])), (30, 20, 20), 3)
        (x, y), = self.at(0.14, 0.35 * self.half(0.14)) * SCALE
        for radius, colour in ((0.028, (235, 230, 210)), (0.016, (15, 15, 20))):
            size = radius * self.length * SCALE
            pen.ellipse((x - size, y - size, x + size, y + size), fill=colour)
        return self._photographed(image)

    def _colour(self):
        return tuple(int(level) for level in self.rng.integers(50, 230, 3))

    def _background(self, colour):
        """Return blurred blobs over a gradient."""
        rng, size = self.rng, SIDE * SCALE
        top, bottom = rng.integers(20, 200, 3), rng.integers(20, 200, 3)
        ramp = np.linspace(0, 1, size)[:, None, None]
        levels = (1 - ramp) * top + ramp * bottom + np.zeros((1, size, 1))
        image = Image.fromarray(levels.astype(np.uint8))
        pen = ImageDraw.Draw(image)
        for _ in range(rng.integers(5, 20)):
            x, y, radius = *rng.uniform(0, size, 2), rng.uniform(10, 90)
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=self._colour())
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(4, 20)))

    def _skin(self, size, base):
        """Return the colours of the body: lighter below, with stripes, spots or neither."""
        rng, image = self.rng, Image.new("RGB", size, base)
        pen, kind, mark = ImageDraw.Draw(image), rng.integers(3), self._colour()
        light = tuple(level + (255 - level) // 2 for level in base)
        s = np.linspace(0, 1, 30)
        belly = self.at(np.r_[s, s[::-1]], np.r_[-0.3 * self.half(s), -1.2 * self.half(s[::-1])])
        pen.polygon(_large(belly), fill=light)
        for _ in range(rng.integers(3, 8) if kind == 0 else 0):
            place, width = rng.uniform(0.2, 0.95), rng.uniform(0.02, 0.06)
            stripe = self.at([place, place + width, place + width, place], [0.4, 0.4, -0.4, -0.4])
            pen.polygon(_large(stripe), fill=mark)
        for _ in range(rng.integers(10, 40) if kind == 1 else 0):
            (x, y), = SCALE * self.at(rng.uniform(0.15, 1), rng.uniform(-0.25, 0.25))
            radius = rng.uniform(3, 10)
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=mark)
        pen.line(_large(self.at([0.24, 0.26, 0.24], [0.12, 0, -0.12])), _darker(base), 4)  # gills
        return image.filter(ImageFilter.GaussianBlur(2))

    def _photographed(self, image):
        """Return the image in its final size, with noise and light of its own."""
        image = image.resize((SIDE, SIDE), Image.Resampling.BOX)
        levels = np.asarray(image, float) * self.rng.uniform(0.7, 1.15)
        levels += self.rng.normal(0, 4, levels.shape)
        return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def _large(points):
    return [tuple(point) for point in SCALE * points]


def _darker(colour):
    return tuple(6 * level // 10 for level in colour)
