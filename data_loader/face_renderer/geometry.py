"""The head in three dimensions, and the camera that looks at it.

Head coordinates: x to the image's right, y down, z towards the camera of a frontal picture; the
origin lies between the eyes, on the head's vertical axis. One unit is the mean eye distance.
A head is a stack of horizontal slices: a half ellipse in front and another behind the axis.
"""

from dataclasses import dataclass

import numpy as np

EQUATOR = 0.05  # height of the widest slice


class Skull:
    """The outer surface, tabulated: half axes of the slices from top to chin.

    width, depth: half axes of the widest slice. square: how late the jaw narrows; taper: how
    pointed the chin is. Fronts and backs are depths measured from the slices' centres.
    """

    def __init__(self, width, top, chin, depth, square, taper, slices=32):
        self.size = (width, top, chin, depth, square, taper)
        self.top, self.chin = top, chin
        angle = np.linspace(0, np.pi / 2, slices)  # dense at both ends, where the outline bends
        up, down = np.sin(angle[::-1]), np.sin(angle[1:])
        dome = np.sqrt(1 - up ** 2.8)
        jaw = (1 - down ** square) ** taper
        self.heights = np.concatenate([EQUATOR + (top - EQUATOR) * up,
                                       EQUATOR + (chin - EQUATOR) * down])
        self.widths = width * np.concatenate([dome, jaw])
        profile, shrink = depth * (1 - 0.12 * down ** 2), 1 - 0.97 * down ** 4
        self.fronts = np.concatenate([depth * np.sqrt(1 - up ** 3), profile * shrink])
        # Towards the chin the slices shrink and move to the front, as the jaw does.
        self.centres = np.concatenate([0 * up, profile * (1 - shrink)])
        nape = 1.16 * np.maximum(1 - 1.6 * down, 0.12) * shrink
        self.backs = depth * np.concatenate([1.16 * np.sqrt(1 - up ** 3), nape])
        self.level = np.concatenate([-up, down])

    def grown(self, sideways, upwards):
        """A larger skull around this one."""
        width, top, chin, depth, square, taper = self.size
        return Skull(width + sideways, top - upwards, chin, depth + 0.5 * sideways, square, taper)

    def half_width(self, y):
        return np.interp(y, self.heights, self.widths)

    def front(self, y):
        return np.interp(y, self.heights, self.fronts)

    def centre(self, y):
        return np.interp(y, self.heights, self.centres)

    def back(self, y):
        return np.interp(y, self.heights, self.backs)

    def lift(self, x, y, out=0.0):
        """Points (N, 3) on the front surface, moved ``out`` towards the front."""
        slope = np.asarray(x) / np.maximum(self.half_width(y), 1e-3)
        z = self.front(y) * np.sqrt(np.maximum(1 - slope * slope, 0)) + self.centre(y) + out
        points = np.empty((*z.shape, 3))
        points[..., 0], points[..., 1], points[..., 2] = x, y, z
        return points

    def at(self, longitude, y):
        """Points (N, 3) at a longitude in radians: 0 the middle of the face, +-pi/2 the ears."""
        cos = np.cos(longitude)
        points = np.empty((*cos.shape, 3))
        points[..., 0] = self.half_width(y) * np.sin(longitude)
        points[..., 1] = y
        points[..., 2] = np.where(cos > 0, self.front(y), self.back(y)) * cos + self.centre(y)
        return points

    def rim(self, y, yaw):
        """Longitudes (left, right) at which the slices ``y`` turn away from the camera."""
        width = np.maximum(self.half_width(y), 1e-3) * np.cos(yaw)
        front, back, sine = self.front(y), self.back(y), np.sin(yaw)
        near, far = (front, back) if sine > 0 else (back, front)
        return -np.arctan2(width, -far * sine), np.arctan2(width, near * sine)

    def side(self, y, yaw, right):
        """Points (N, 3) of the visible outline at the heights ``y``."""
        return self.at(self.rim(y, yaw)[int(right)], y)

    def outline(self, y, yaw):
        """The visible outline (2N, 3): down the left side, up the right one."""
        left, right = self.rim(y, yaw)
        return np.concatenate([self.at(left, y), self.at(right[::-1], y[::-1])])


@dataclass(frozen=True)
class Camera:
    """Weak perspective: rotate, drop z, scale, shift."""

    rotation: np.ndarray  # (3, 3), head to camera
    yaw: float
    pitch: float
    roll: float
    scale: float  # pixels per unit
    centre: np.ndarray  # pixel of the head's origin

    def project(self, points):
        """Pixels (N, 2) of head points (N, 3)."""
        return self.centre + self.scale * (points @ self.rotation[:2].T)


def rotation_matrix(yaw, pitch, roll):
    """Yaw, then pitch, then roll; radians (see ``Photo`` for the signs)."""
    cos, sin = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    turn = np.array([[cos[0], 0, sin[0]], [0, 1, 0], [-sin[0], 0, cos[0]]])
    nod = np.array([[1, 0, 0], [0, cos[1], sin[1]], [0, -sin[1], cos[1]]])
    tilt = np.array([[cos[2], -sin[2], 0], [sin[2], cos[2], 0], [0, 0, 1]])
    return tilt @ nod @ turn


def aim_camera(photo, size, anchor):
    """Frame the head as aligned face sets do: the mean of ``anchor`` (N, 3) at a fixed place."""
    angles = np.deg2rad([photo.yaw, photo.pitch, photo.roll])
    rotation = rotation_matrix(*angles)
    scale = 0.224 * size * photo.zoom
    target = (np.array([0.5, 0.56]) + photo.shift) * size - 0.5
    centre = target - scale * (rotation[:2] @ anchor.mean(axis=0))
    return Camera(rotation, *angles, scale, centre)
