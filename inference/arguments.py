"""Arguments of a ``Model``'s methods: images, boxes and points."""

import os
from collections.abc import Iterable
from numbers import Integral

import numpy as np
import torch
from PIL import Image

from inference.images import as_rgb, is_file
from inference.view import Seen
from utils.errors import UserError, one_line

ONE_IMAGE = (str, bytes, bytearray, memoryview, os.PathLike)
ONE_IMAGE += (Image.Image, np.ndarray, torch.Tensor, Seen)


def is_one_image(images):
    """Return whether this is one image, or an object that stands for one, and not several."""
    if getattr(images, "ndim", 3) == 4:
        return False
    return isinstance(images, ONE_IMAGE) or is_file(images) or not isinstance(images, Iterable)


def parts_of(images, box=None):
    """Return (image, box) of each result, a list, and whether one result is meant.

    images, box: as of ``Model``.
    """
    is_one = is_one_image(images)
    listed = [images] if is_one else list(images)
    if box is None:
        return [(image, None) for image in listed], is_one
    boxes = _as_boxes(box)
    if any(isinstance(image, Seen) for image in listed):
        raise UserError("box: what see() returned shows a part already, expected images")
    if is_one:
        image = listed[0] if boxes.ndim == 1 else as_rgb(listed[0])  # decoded once
        return [(image, one) for one in boxes.reshape(-1, 4).tolist()], boxes.ndim == 1
    if boxes.shape != (len(listed), 4):
        raise UserError(f"box of shape {boxes.shape}, expected ({len(listed)}, 4): one an image")
    return list(zip(listed, boxes.tolist())), False


def _as_boxes(box):
    """Return boxes as an array (4,) or (B, 4); raises ``UserError`` for anything else."""
    try:
        boxes = np.asarray(box, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"box: expected numbers, (4,) or (B, 4) ({one_line(error)})") from error
    if boxes.ndim not in (1, 2) or boxes.shape[-1] != 4:
        raise UserError(f"box of shape {boxes.shape}, expected (4,) or (B, 4)")
    return boxes


def require_batch_size(batch_size):
    """Raise ``UserError`` unless this is a whole number of at least 1."""
    if not isinstance(batch_size, Integral) or batch_size < 1:
        raise UserError(f"batch_size = {batch_size!r}, expected a whole number of at least 1")


def as_points(points):
    """Return points as a float32 tensor (K, 2); raises ``UserError`` for anything else."""
    try:
        points = torch.as_tensor(points, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"points: expected numbers, (K, 2) ({one_line(error)})") from error
    if points.ndim != 2 or points.shape[1] != 2:
        raise UserError(f"points of shape {tuple(points.shape)}, expected (K, 2)")
    if not points.isfinite().all():
        raise UserError("points: expected finite numbers")
    return points


def require_inside(points, view):
    """Raise ``UserError`` for the first of points (K, 2) outside the image of a ``View``."""
    outside = points[~view.holds(points)].tolist()
    if outside:
        x, y = outside[0]
        width, height = view.image_size
        raise UserError(f"point {x:g},{y:g}: outside the image, which is {width}x{height} pixels")
