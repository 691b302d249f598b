"""Images of any kind as 8-bit RGB, the way a viewer shows them."""

import os

import numpy as np
import torch
from PIL import Image, ImageOps

from utils.errors import UserError, one_line

MAX_16_BIT = (1 << 16) - 1


def as_rgb(image):
    """Return one image as an RGB PIL image.

    image: a path; a PIL image of any mode; an array (H, W) or (H, W, channels) of uint8 or uint16;
    a tensor (channels, H, W) of uint8, or of floats in [0, 1]. There are one (grey), three (RGB)
    or four channels (RGB and alpha).

    An EXIF orientation is applied, 16 bits are reduced to 8, and transparency is over white.
    Raises ``UserError`` for what is no image.
    """
    if isinstance(image, (str, os.PathLike)):
        return _read(image)
    if isinstance(image, Image.Image):
        return upright_rgb(image)
    if isinstance(image, torch.Tensor):
        return _from_array(_as_array(image))
    if isinstance(image, np.ndarray):
        return _from_array(image)
    raise UserError(
        f"an image of type {type(image).__name__}, expected a path, a PIL image, an array or a "
        "tensor"
    )


def upright_rgb(image):
    """Return a PIL image of any mode as RGB, turned as its EXIF orientation says, over white."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        image = Image.fromarray(_to_8_bits(np.asarray(image)))
    if image.mode == "F":
        raise UserError("its pixels are floating-point numbers, expected 8 or 16 bits")
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _read(path):
    try:
        with Image.open(path) as image:
            return upright_rgb(image)
    except Exception as error:  # a damaged file may trip up any decoder, in any way
        raise UserError(f"{os.fspath(path)}: cannot read this image ({one_line(error)})") from error


def _to_8_bits(values):
    """Reduce 16-bit greys to uint8; Pillow's own conversion would cut them off at 255."""
    if values.min() < 0 or values.max() > MAX_16_BIT:
        raise UserError("its pixels have 32 bits, expected 8 or 16")
    return (values >> 8).astype(np.uint8)


def _as_array(image):
    """Return a tensor (channels, H, W) as an array (H, W, channels) of its integers."""
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
        array = _to_8_bits(array)
    if array.dtype != np.uint8:
        raise UserError(
            f"an image of {array.dtype}, expected uint8 or uint16, or a tensor of uint8 or floats"
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    return upright_rgb(Image.fromarray(np.ascontiguousarray(array)))
