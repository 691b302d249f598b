"""Open image files of any kind as RGB; a file that cannot be read is a ``UserError``."""

import os
import struct
import warnings
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from utils.errors import UserError

# What Pillow raises for files that are cut short, damaged, enormous or no image.
IMAGE_ERRORS = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError)
IMAGE_ERRORS += (MemoryError, struct.error, zlib.error, Image.DecompressionBombError)
ORIENTATIONS = {  # EXIF orientation -> the transposition that turns the stored image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SEVERAL_PICTURES = ("MPO",)  # JPEGs of cameras, whose further pictures are previews or depth
PNG_METADATA = (b"eXIf", b"iTXt", b"tEXt", b"zTXt")  # chunks that may hold an orientation


def read_image(path, as_seen=False):
    """Return an image file as a PIL image, RGB; raises ``UserError`` naming the file.

    as_seen: as viewers show it: EXIF orientation applied, 16 bits reduced to 8, transparency over
        white. Otherwise the result of ``PIL.Image.convert``, as in the published data sets.
    """
    with opened(path) as image:
        return upright_rgb(image) if as_seen else image.convert("RGB")


def size_as_seen(path):
    """Return (width, height) of an image file, upright; most files are not decoded for it."""
    with opened(path) as image:
        if image.format == "TIFF" and _orientation(image) > 1:
            image.load()  # which turns a TIFF upright
        return image.size[:: -1 if _orientation(image) >= 5 else 1]


def stored_size(path):
    """Return (width, height) of an image file as stored, and its EXIF orientation, 1 to 8."""
    with opened(path) as image:
        size = image.size
        if image.format == "TIFF":  # Pillow gives the size of the upright image
            size = image.tag_v2[ExifTags.Base.ImageWidth], image.tag_v2[ExifTags.Base.ImageLength]
        return size, _orientation(image)


def may_be_rotated(path):
    """Return False for a JPEG or PNG without EXIF and XMP, which is quick to see; else True."""
    with suppress(OSError, ValueError), open(path, "rb", buffering=0) as file:
        signature = file.read(2)
        if signature == b"\xff\xd8":  # JPEG: segments up to the pixels, 0xE1 is EXIF or XMP
            while (head := file.read(4))[:1] == b"\xff" and head[1:2] not in b"\xda\xe1\xff":
                file.seek(int.from_bytes(head[2:], "big") - 2, os.SEEK_CUR)
            return head[:2] != b"\xff\xda"
        if signature == b"\x89P":  # PNG: all chunks
            file.seek(8)
            while (head := file.read(8))[4:] not in PNG_METADATA + (b"IEND", b""):
                file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
            return head[4:] != b"IEND"
    return True


def turned_points(points, size, flag):
    """Return points (N, 2) of a stored image as those of the upright image, (x, y) in pixels.

    size: (width, height) as stored; flag: the EXIF orientation, 1 to 8.
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
    """Return notes on how a readable image differs from a plain 8-bit RGB file, as texts."""
    with opened(path) as image:
        named = Image.registered_extensions().get(Path(path).suffix.lower())
        is_plain = image.format not in SEVERAL_PICTURES
        frames = getattr(image, "n_frames", 1) if is_plain else 1
        stored, greys = str(image.tile), image.mode.startswith("I")  # Pillow reduces colours itself
        wide = ";16" in stored or greys and ";32" not in stored
        brightest = np.asarray(image if greys else image.convert("RGB")).max() if wide else 0
        notes = {
            f"is a {image.format} by its content, and read as one": is_plain
            and image.format != named,
            f"has {frames} pictures, of which the first is taken": frames > 1,
            "is turned upright, as its EXIF orientation says": _orientation(image) > 1,
            "has 16 bits a pixel, reduced to 8": wide,
            "is dark: of its 16 bits a pixel it uses 12 or fewer": wide
            and brightest < 1 << (12 if greys else 4),
            "has floating-point pixels, 0 to 1, reduced to 8 bits": image.mode == "F",
            "is CMYK, converted without a colour profile": image.mode == "CMYK",
            "is transparent in places, which become white": image.has_transparency_data,
        }
        return [text for text, holds in notes.items() if holds]


@contextmanager
def opened(path):
    """Open an image file; errors, those of the ``with`` block too, become a ``UserError``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of files that are odd but can be read
            with Image.open(path) as image:
                yield image
    except IMAGE_ERRORS as error:
        reason = str(error) or type(error).__name__
        with suppress(OSError):
            if os.path.isfile(path) and os.path.getsize(path) == 0:
                reason = "the file is empty"  # Pillow only says that it is no image
        raise UserError(f"{path}: cannot read this image ({reason})") from error


def upright_rgb(image):
    """Return a PIL image of any mode as RGB, as viewers show it, see ``read_image``.

    Raises ``ValueError`` for 32-bit pixels, except floating-point numbers from 0 to 1.
    """
    image.load()  # first: some formats have their orientation behind the pixels
    tags = dict(getattr(image, "tag_v2", {}))  # of a TIFF; transposed images have none
    turn = ORIENTATIONS.get(_orientation(image))
    if turn is not None:
        image = image.transpose(turn)
    if image.mode.startswith(("I", "F")):
        grey = to_8_bits(np.asarray(image))
        white_is_zero = tags.get(ExifTags.Base.PhotometricInterpretation) == 0
        image = Image.fromarray(255 - grey if white_is_zero else grey)
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    seen = Image.new("RGB", image.size, "white")
    seen.paste(image, mask=image)
    return seen


def _orientation(image):
    """Return the EXIF orientation, 1 to 8; 1 if it is missing or invalid."""
    try:
        flag = image.getexif().get(ExifTags.Base.Orientation, 1)
    except IMAGE_ERRORS:  # damaged: the picture itself may be sound
        return 1
    return flag if flag in ORIENTATIONS else 1


def to_8_bits(values):
    """Return greys of 16 bits, or floating-point ones from 0 to 1, as uint8 (Pillow would clip).

    Raises ``ValueError`` for all other values.
    """
    if values.dtype.kind == "f":
        if not (values.min() >= 0 and values.max() <= 1):  # NaN fails too
            raise ValueError("its pixels are floating-point numbers outside of 0 to 1")
        return (values * 255).round().astype(np.uint8)
    if values.min() < 0:
        raise ValueError("its pixels are numbers with a sign, some below 0, expected 8 or 16 bits")
    if values.max() >= 1 << 16:
        raise ValueError("its pixels have 32 bits, expected 8 or 16")
    return (values >> 8).astype(np.uint8)
