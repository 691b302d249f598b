"""Image files of all kinds, opened as RGB; what cannot be read is told in a line."""

import os
import struct
import warnings
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from utils.errors import UserError

IMAGE_ERRORS = (  # what a file leads to that is cut short, damaged, enormous or of another kind
    OSError,
    SyntaxError,  # Pillow's, of a broken PNG
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    EOFError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
ORIENTATIONS = {  # the EXIF flag -> what turns the stored picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SEVERAL_PICTURES = ("MPO",)  # JPEGs of cameras, whose further pictures are previews or depth


def read_image(path, as_seen=False):
    """Open an image file as RGB; raises ``UserError`` naming the file if it is none.

    as_seen: as a viewer shows it. Turned upright by its EXIF orientation, 16 bits reduced to 8,
    transparency over white. Otherwise these are what ``PIL.Image.convert`` makes of them, as in the
    published data sets.
    """
    with opened(path) as image:
        return upright_rgb(image) if as_seen else image.convert("RGB")


def size_as_seen(path):
    """Return (width, height) of an image file, upright; of most, its pixels are not decoded."""
    with opened(path) as image:
        if image.format == "TIFF" and _orientation(image) > 1:
            image.load()  # which turns a TIFF upright
        return image.size[:: -1 if _orientation(image) >= 5 else 1]


def stored_size(path):
    """Return (width, height) of an image file as it is stored, and its EXIF orientation, 1 to 8."""
    with opened(path) as image:
        return image.size, _orientation(image)


def turned_points(points, size, flag):
    """Return points (N, 2) of a picture stored with a size (width, height) and an EXIF orientation
    as those of the picture that is upright.
    """
    x, y = points.T
    right, bottom = size[0] - 1 - x, size[1] - 1 - y  # distances from the other two edges
    turned = {
        1: (x, y),
        2: (right, y),
        3: (right, bottom),
        4: (x, bottom),
        5: (y, x),
        6: (bottom, x),
        7: (bottom, right),
        8: (y, right),
    }
    return np.stack(turned[flag], axis=1)


def peculiarities(path):
    """Return what a user may want to know of an image that can be read, a list of texts."""
    with opened(path) as image:
        return [text for text, holds in _peculiarities(image, Path(path)).items() if holds]


@contextmanager
def opened(path):
    """Open an image file; an error of the block, too, becomes a ``UserError`` that names it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of files that are odd but can be read
            with Image.open(path) as image:
                yield image
    except IMAGE_ERRORS as error:
        raise UserError(f"{path}: cannot read this image ({_reason(error, path)})") from error


def _reason(error, path):
    """Say why an image file cannot be read; of an empty one Pillow only says that it is none."""
    with suppress(OSError):
        if os.path.isfile(path) and os.path.getsize(path) == 0:
            return "the file is empty"
    return str(error) or type(error).__name__


def upright_rgb(image):
    """Return a PIL image of any mode as RGB, as a viewer shows it; see ``read_image``.

    Raises ``ValueError`` for pixels of 32 bits, but for floating-point numbers from 0 to 1.
    """
    image.load()  # first: some formats have their orientation behind the pixels
    tags = dict(getattr(image, "tag_v2", {}))  # of a TIFF; what is made from it has none
    turn = ORIENTATIONS.get(_orientation(image))
    if turn is not None:
        image = image.transpose(turn)
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_grey(np.asarray(image), tags))
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    seen = Image.new("RGB", image.size, "white")
    seen.paste(image, mask=image)
    return seen


def _grey(values, tags):
    """Return greys of more than 8 bits as uint8; tags: a TIFF's."""
    if values.dtype.kind == "f":
        if not (values.min() >= 0 and values.max() <= 1):  # NaN fails too
            raise ValueError("its pixels are floating-point numbers outside of 0 to 1")
        grey = (values * 255).round().astype(np.uint8)
    else:
        grey = to_8_bits(values)
    white_is_zero = tags.get(ExifTags.Base.PhotometricInterpretation) == 0
    return 255 - grey if white_is_zero else grey


def _orientation(image):
    """Return the EXIF flag, 1 to 8; 1 where there is none, or none that means anything."""
    try:
        flag = image.getexif().get(ExifTags.Base.Orientation, 1)
    except IMAGE_ERRORS:  # damaged: the picture itself may be sound
        return 1
    return flag if flag in ORIENTATIONS else 1


def to_8_bits(values):
    """Reduce greys of 16 bits to uint8; Pillow's own conversion would clip them.

    Raises ``ValueError`` for more bits.
    """
    if values.min() < 0:
        raise ValueError("its pixels are numbers with a sign, some below 0, expected 8 or 16 bits")
    if values.max() >= 1 << 16:
        raise ValueError("its pixels have 32 bits, expected 8 or 16")
    return (values >> 8).astype(np.uint8)


def _uses_12_bits(image):
    return image.mode.startswith("I") and np.asarray(image).max() < 1 << 12


def _peculiarities(image, path):
    """Return {text: whether it holds}."""
    named = Image.registered_extensions().get(path.suffix.lower())
    frames = 1 if image.format in SEVERAL_PICTURES else getattr(image, "n_frames", 1)
    return {
        f"is a {image.format} by its content, and read as one": image.format != named
        and image.format not in SEVERAL_PICTURES,
        f"has {frames} pictures, of which the first is taken": frames > 1,
        "is turned upright, as its EXIF orientation says": _orientation(image) > 1,
        "has 16 bits a pixel, reduced to 8": image.mode.startswith("I"),
        "is dark: of its 16 bits a pixel it uses 12 or fewer": _uses_12_bits(image),
        "has floating-point pixels, 0 to 1, reduced to 8 bits": image.mode == "F",
        "is CMYK, converted without a colour profile": image.mode == "CMYK",
        "is transparent in places, which become white": image.has_transparency_data,
    }
