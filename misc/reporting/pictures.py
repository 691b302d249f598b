"""The pictures of a report, as data URIs."""

import base64
import io
from dataclasses import dataclass

from PIL import Image

JPEG = {"quality": 88, "subsampling": 0}
DPI = 160


@dataclass(frozen=True)
class Picture:
    """The data URI of an image, and its alternative text."""

    src: str
    alt: str
    caption: str = ""
    is_map: bool = False  # shown cell by cell


def photo(image, alt, caption=""):
    """Return the ``Picture`` of an image (3, H, W) uint8."""
    return Picture(_encoded(image, "jpeg", **JPEG), alt, caption)


def colour_map(colours, alt):
    """Return the ``Picture`` of colours (3, h, w) in [0, 1], exact to 8 bits."""
    return Picture(_encoded((255 * colours).round().byte(), "png"), alt, is_map=True)


def drawing(figure, alt, caption):
    """Return the ``Picture`` of a matplotlib figure."""
    file = io.BytesIO()
    figure.savefig(file, format="jpeg", dpi=DPI, pil_kwargs=JPEG)
    return Picture(_data_uri(file, "jpeg"), alt, caption)


def _encoded(image, kind, **options):
    file = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).save(file, kind, **options)
    return _data_uri(file, kind)


def _data_uri(file, kind):
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
