"""For each pixel of the picture: which part of the head it shows, and how that part faces."""

import numpy as np

from data_loader.face_renderer.canvas import enlarge
from data_loader.face_renderer.geometry import rotation_matrix


class Field:
    """Head coordinates and normals over the picture, on a raster of half its resolution (h, h).

    ``x``, ``y``, ``longitude``: (h, h) head coordinates; ``normal``: (3, h, h) in the camera's
    frame. They change slowly, hence the coarse raster; ``up`` brings one to the picture's size.
    Outside the head the values of its rim go on, which hair and soft edges need.
    """

    def __init__(self, skull, camera, size, rows=160):
        self.size = size
        across, down = pixel_grid(camera, size, (size + 1) // 2)
        table = slice_table(skull, camera, rows)
        index = np.clip((down - table["start"]) / table["step"], 0, rows - 1).astype(np.intp)
        turn = np.clip((across - table["middle"][index]) / table["half"][index], -1, 1)
        self.longitude = table["centre"][index] + np.arcsin(turn) * table["spread"][index]
        nod = table["nod"][index] * np.cos(self.longitude) + table["lean"][index]
        self.y = down * np.float32(1 / np.cos(camera.pitch)) - nod
        self.x = table["width"][index] * np.sin(self.longitude)
        level = table["tilt"][index]
        flat = np.sqrt(1 - level ** 2)
        self.normal = np.stack([flat * turn, level, flat * np.sqrt(1 - turn ** 2)])

    def blob(self, x, y, width, height):
        """A soft spot exp(-r^2 / 2) around one place of the face, (h, h)."""
        across, down = self.x * (1 / width) - x / width, self.y * (1 / height) - y / height
        return np.exp(-0.5 * (across * across + down * down))

    def up(self, values):
        """Interpolate (h, h) to the picture's size, (S, S)."""
        return enlarge(np.ascontiguousarray(values, np.float32), (self.size, self.size))


def pixel_grid(camera, size, cells):
    """Centres of the picture's ``cells`` x ``cells`` parts along the head's axes, in head units."""
    place = (np.arange(cells, dtype=np.float32) + 0.5) * (size / cells) - 0.5
    x = (place - camera.centre[0]) / camera.scale
    y = (place[:, None] - camera.centre[1]) / camera.scale
    cos, sin = np.cos(camera.roll), np.sin(camera.roll)
    across, down = x * cos + y * sin, y * cos - x * sin
    return across.astype(np.float32), down.astype(np.float32)


def slice_table(skull, camera, rows):
    """Per row of the unrolled picture: the slice it cuts, as float32 arrays of ``rows`` values."""
    heights = skull.heights
    left, right = skull.rim(heights, camera.yaw)
    view = rotation_matrix(camera.yaw, camera.pitch, 0.0)[:2].T
    ends = [skull.at(angle, heights) @ view for angle in (left, right)]
    down = np.maximum.accumulate((ends[0][:, 1] + ends[1][:, 1]) / 2)
    grid = np.linspace(down[0], down[-1], rows)
    edges = [np.interp(grid, down, end[:, 0]) for end in ends]
    angles = [np.interp(grid, down, angle) for angle in (left, right)]
    y = np.interp(grid, down, heights)
    level = np.interp(y, heights, skull.level)
    table = dict(
        middle=(edges[0] + edges[1]) / 2,
        half=np.maximum((edges[1] - edges[0]) / 2, 0.3),
        centre=(angles[0] + angles[1]) / 2,
        spread=(angles[1] - angles[0]) / np.pi,
        width=skull.half_width(y),
        lean=skull.centre(y) * np.tan(camera.pitch),
        nod=skull.front(y) * np.tan(camera.pitch),
        tilt=np.clip(level ** 3 + np.sin(camera.pitch), -0.9, 0.9))
    table = {name: values.astype(np.float32) for name, values in table.items()}
    return dict(table, start=np.float32(grid[0]), step=np.float32(grid[1] - grid[0]))
