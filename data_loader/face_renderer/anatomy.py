"""Eyes, brows, nose and mouth as curves on the head. What is drawn and what is annotated both
come from here, so that landmarks are exact.
"""

import numpy as np

from data_loader.face_renderer.geometry import Skull

LEFT, RIGHT = -1, 1  # side of the picture for a frontal face
NUM_LANDMARKS = (5, 68)


class Anatomy:
    """One person's face with one expression; every method returns head points (N, 3)."""

    def __init__(self, shape, photo):
        self.shape, self.photo = shape, photo
        self.drop = 0.55 * photo.mouth_open  # how far the jaw has gone down
        self.skull = Skull(shape.width, shape.top, shape.chin + 0.8 * self.drop, shape.depth,
                           shape.jaw_square, shape.jaw_taper)

    # Eyes. ``t`` runs from -1 at the outer corner to 1 at the inner one.

    def eye_point(self, side, t, up):
        shape = self.shape
        x = side * (shape.eye_x - shape.eye_width * t)
        return self.skull.lift(x, shape.eye_tilt * t - up, -0.10)

    def lid(self, side, t, upper):
        """The upper or lower edge of the eye's opening."""
        t = np.asarray(t, float)
        height = self.shape.eye_height * self.photo.eye_open
        if upper:
            bent = np.abs(t + 0.08 * (1 - t * t))  # highest towards the outer corner
            return self.eye_point(side, t, 1.12 * height * (1 - bent ** 2.2))
        smile = 1 - 0.25 * max(0.0, self.photo.smile)
        return self.eye_point(side, t, -0.80 * smile * height * (1 - np.abs(t) ** 2.4))

    def eye_opening(self, side, points=11):
        t = np.linspace(-1, 1, points)
        return np.concatenate([self.lid(side, t, True), self.lid(side, t[-2:0:-1], False)])

    def eye_centre(self, side):
        return self.eye_point(side, 0.0, 0.0)

    def iris(self, side, radius, points=16):
        angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
        offset = radius * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
        offset[:, :2] += self.photo.gaze
        return self.eye_centre(side) + offset

    def brow(self, side, t):
        """Middle line; ``t`` runs from 0 at the outer end to 1 at the inner one."""
        shape, t = self.shape, np.asarray(t, float)
        x = side * (shape.eye_x + 0.36 - 0.64 * t)
        arch = shape.brow_arch * (1 - ((t - 0.38) / 0.62) ** 2)
        y = shape.brow_y - self.photo.brow_raise - arch + shape.brow_tilt * (0.5 - t)
        return self.skull.lift(x, y, 0.04)

    # Nose.

    def ridge(self, t):
        """From between the eyes (0) to the tip (1)."""
        t, shape = np.asarray(t, float), self.shape
        out = 0.06 + (shape.nose_out - 0.06) * t ** 1.25
        return self.skull.lift(0 * t, -0.02 + (0.90 * shape.nose_length + 0.02) * t, out)

    def nose_base(self, t):
        """Under the nose, from wing (-1) to wing (1)."""
        t, shape = np.asarray(t, float), self.shape
        y = shape.nose_length * (1.04 - 0.05 * np.abs(t))
        return self.skull.lift(0.72 * shape.nose_width * t, y, 0.10 + 0.16 * (1 - t ** 2))

    def wing(self, side):
        """The round outer edge of one nostril, from above to below."""
        angle = np.linspace(-1.7, 1.5, 9)
        shape = self.shape
        x = side * shape.nose_width * (0.62 + 0.38 * np.cos(angle))
        return self.skull.lift(x, shape.nose_length * (0.88 + 0.17 * np.sin(angle)), 0.12)

    def nostril(self, side):
        angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        shape = self.shape
        x = side * shape.nose_width * (0.42 + 0.24 * np.cos(angle))
        y = shape.nose_length * (1.0 + 0.045 * np.sin(angle) - 0.02 * np.cos(angle))
        return self.skull.lift(x, y, 0.20)

    # Mouth. ``t`` runs from -1 at the left corner to 1 at the right one.

    def mouth_point(self, t, y):
        width = self.shape.mouth_width * (1 + 0.14 * self.photo.smile - 0.3 * self.photo.mouth_open)
        corner = self.shape.mouth_y + 0.15 * self.drop - 0.085 * self.photo.smile
        y = corner + (self.shape.mouth_y - corner) * (1 - t ** 2) + y
        return self.skull.lift(width * t, y, 0.10 * (1 - 0.5 * t ** 2))

    def inner_lip(self, t, upper):
        t = np.asarray(t, float)
        gap = -0.22 if upper else 0.95
        return self.mouth_point(0.88 * t, gap * self.photo.mouth_open * (1 - t ** 2) ** 0.8)

    def outer_lip(self, t, upper):
        t, shape = np.asarray(t, float), self.shape
        fullness = 1 - 0.2 * self.photo.smile
        if upper:
            bow = 1 - 0.30 * np.exp(-(t / 0.16) ** 2) - 0.25 * np.abs(t)
            y = -0.22 * self.photo.mouth_open * (1 - t ** 2) - shape.lip_upper * fullness * bow
            return self.mouth_point(t, np.where(np.abs(t) < 1, y * (1 - t ** 8), 0))
        y = 0.95 * self.photo.mouth_open * (1 - t ** 2) ** 0.8 + shape.lip_lower * fullness * (
            1 - np.abs(t) ** 2.5)
        return self.mouth_point(t, y)

    def lips(self, points=15):
        """Closed outlines of the upper lip, the lower lip and the opening between them."""
        t = np.linspace(-1, 1, points)
        rims = {(outer, upper): (self.outer_lip if outer else self.inner_lip)(t, upper)
                for outer in (True, False) for upper in (True, False)}
        return [np.concatenate([rims[a], rims[b][::-1]]) for a, b in (
            ((True, True), (False, True)), ((False, False), (True, False)),
            ((False, True), (False, False)))]

    # Landmarks.

    def five(self):
        """Left eye, right eye, tip of the nose, left and right corner of the mouth, (5, 3)."""
        corners = self.outer_lip(np.array([-1.0, 1.0]), True)
        return np.stack([self.eye_centre(LEFT), self.eye_centre(RIGHT), self.ridge(1.0), *corners])

    def sixty_eight(self, yaw):
        """The 68 points of the iBUG scheme, (68, 3); the jaw is the outline seen at this yaw."""
        jaw_y = self.skull.chin * np.sin(np.linspace(0, np.pi / 2, 9))
        jaw = [self.skull.side(jaw_y, yaw, right=False),
               self.skull.side(jaw_y[-2::-1], yaw, right=True)]
        brow = np.linspace(0, 1, 5)
        lid, base = np.array([-1, -0.36, 0.36, 1]), np.linspace(-1, 1, 5)
        upper, inner = np.array([-1, -0.62, -0.24, 0, 0.24, 0.62, 1]), np.array([-0.4, 0, 0.4])
        eyes = [self.lid(LEFT, lid, True), self.lid(LEFT, lid[2:0:-1], False),
                self.lid(RIGHT, lid[::-1], True), self.lid(RIGHT, lid[1:3], False)]
        mouth = [self.outer_lip(upper, True), self.outer_lip(upper[-2:0:-1], False),
                 self.inner_lip([-1], True), self.inner_lip(inner, True),
                 self.inner_lip([1], True), self.inner_lip(inner[::-1], False)]
        return np.concatenate([
            *jaw, self.brow(LEFT, brow), self.brow(RIGHT, brow[::-1]),
            self.ridge(np.arange(4) / 3), self.nose_base(base), *eyes, *mouth])

    def landmarks(self, count, yaw):
        """(count, 3) head points; ``count`` is one of NUM_LANDMARKS."""
        return self.five() if count == 5 else self.sixty_eight(yaw)
