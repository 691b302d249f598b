"""Convert images of any kind to 8-bit RGB, as an image viewer shows them."""

import os
from io import BytesIO, TextIOBase

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from data_loader.images import IMAGE_ERRORS, read_image, to_8_bits, upright_rgb
from utils.errors import UserError, one_line, shown


def as_rgb(image):
    """Return one image as an RGB PIL image.

    An EXIF orientation is applied, 16 bits are reduced to 8, and transparent pixels are drawn over
    white. Raises ``UserError`` for anything else.

    image: a path; the bytes of an image file, or a file object in binary mode; a PIL image of any
    mode; an array (H, W) or (H, W, channels) of uint8 or uint16; or a tensor (channels, H, W) of
    uint8 or of floats in [0, 1]; with one (grey), three (RGB) or four channels (RGB and alpha).
    """
    if isinstance(image, (str, os.PathLike)):
        return read_image(image, as_seen=True)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _from_file(BytesIO(image), f"{len(image)} bytes")
    if is_file(image):
        return _from_file(image, shown(getattr(image, "name", type(image).__name__)))
    if isinstance(image, Image.Image):
        return _from_picture(image)
    if isinstance(image, torch.Tensor):
        return _from_array(_as_array(image))
    if isinstance(image, np.ndarray):
        return _from_array(image)
    raise UserError(
        f"an image of type {type(image).__name__}, expected a path, bytes, a file object, a PIL "
        "image, an array or a tensor"
    )


def is_file(image):
    """Return whether this is a file object."""
    return callable(getattr(image, "read", None))


def _from_file(file, name):
    if isinstance(file, TextIOBase):
        raise UserError(f"{name}: a file that was opened as text, expected mode 'rb'")
    try:
        with Image.open(file) as image:
            return upright_rgb(image)
    except UnidentifiedImageError as error:
        raise UserError(f"{name}: not the content of an image file") from error
    except IMAGE_ERRORS as error:
        raise UserError(f"{name}: cannot read this image ({one_line(error)})") from error


def _from_picture(image):
    try:
        return upright_rgb(image)
    except IMAGE_ERRORS as error:
        raise UserError(f"an image of mode {image.mode}: {error}") from error


def _as_array(image):
    """Return a tensor (channels, H, W) as an array (H, W, channels); floats become uint8."""
    image = image.detach().cpu()
    if image.ndim != 3:
        raise UserError(f"a tensor of shape {tuple(image.shape)}, expected (channels, H, W)")
    if image.is_floating_point():
        if image.numel() and not (image.min() >= 0 and image.max() <= 1):  # NaN fails too
            raise UserError("a tensor of floats that are not all in [0, 1], which an image's are")
        image = (image.float() * 255).round().to(torch.uint8)
    return image.permute(1, 2, 0).numpy()


def _from_array(array):
    if array.ndim not in (2, 3) or array.ndim == 3 and array.shape[2] not in (1, 3, 4):
        raise UserError(
            f"an image of shape {array.shape}, expected height, width, and 1, 3 or 4 channels "
            "(which come first in a tensor)"
        )
    if 0 in array.shape:
        raise UserError(f"an image of shape {array.shape}, expected at least one pixel")
    if array.dtype == np.uint16:
        array = to_8_bits(array)
    if array.dtype != np.uint8:
        raise UserError(
            f"an image of {array.dtype}, expected uint8 or uint16, or a tensor of uint8 or floats"
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    return _from_picture(Image.fromarray(np.ascontiguousarray(array)))
