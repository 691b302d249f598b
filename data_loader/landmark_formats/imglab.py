"""Landmarks in dlib's XML, as its tool imglab writes it: images, their boxes, the boxes' parts.

Pixels, the centre of the top-left pixel is (0, 0). imglab shows a photograph as it is stored, not
turned upright by its EXIF orientation; see ``orientation``. Of several boxes with parts the largest
counts, those to be ignored never do; landmarks are ordered by the names of the parts. A part that
is absent, or at -1 -1, is not labelled.
"""

from xml.etree import ElementTree

import numpy as np

from data_loader.annotation_files import image_size, parse_number
from data_loader.landmark_formats.table import Entry
from utils.text import counted

MAY_BE_ONE = (b"<dataset", b"<image")


class _PlainTree(ElementTree.TreeBuilder):
    """Builds a tree of a file that defines nothing of its own, entities least of all."""

    def doctype(self, name, public, system):
        raise ValueError("it has a document type, which imglab does not write")


def read(path, annotations, split=None):
    """Read an XML file; its images are of the split given."""
    try:
        root = ElementTree.parse(path, ElementTree.XMLParser(target=_PlainTree())).getroot()
    except (OSError, ValueError, LookupError, ElementTree.ParseError) as error:
        annotations.fault(path, f"cannot read this XML ({error})")
        return
    images = root.findall("images/image")
    names = {part.get("name") for image in images for part in image.iterfind("box/part")}
    if not names or None in names:
        annotations.fault(path, "expected imglab's images with boxes, and parts with names in them")
        return
    if not annotations.take_names(sorted(names, key=_natural), path):
        return
    several = 0
    for number, image in enumerate(images, start=1):
        boxes = [box for box in image.iterfind("box") if box.get("ignore", "0") in ("0", "false")]
        boxes = [box for box in boxes if box.find("part") is not None]
        several += len(boxes) > 1
        _add_image(image, boxes, annotations, split, f"{path}, image {number}")
    if several:
        those = counted(several, "image")
        annotations.notes.append(f"{those} with several boxes: the largest is taken")


def _natural(name):
    """Order 2 before 10, and numbers before names."""
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


def _add_image(image, boxes, annotations, split, where):
    """Take an image of imglab's; boxes: those that have parts."""
    if not image.get("file"):
        annotations.fault(where, "expected a file name")
        return
    name = annotations.name_of(image.get("file"), annotations.sources[-1])
    row_of = {part: row for row, part in enumerate(annotations.names)}
    points = np.full((len(row_of), 2), np.nan)
    try:
        size = image_size(image.get("width"), image.get("height"))
        parts = list(max(boxes, key=_area).iterfind("part")) if boxes else []
        for part in parts:
            points[row_of[part.get("name")]] = _pair(part, "x", "y")
    except (TypeError, ValueError, AttributeError) as error:
        annotations.fault(where, f"expected boxes and parts with numbers ({error})")
        return
    if len({part.get("name") for part in parts}) < len(parts):
        annotations.fault(where, "a part is in its box twice")
    elif boxes:
        annotations.add_labelled(name, points, split, size, where)
    else:
        annotations.add(name, Entry(split, None, size), where)


def _area(box):
    width, height = _pair(box, "width", "height")
    return width * height


def _pair(element, *names):
    for name in names:
        if element.get(name) is None:
            raise ValueError(f"<{element.tag}> without {name}")
    return tuple(parse_number(element.get(name)) for name in names)
