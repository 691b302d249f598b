"""Read landmarks from the XML of dlib's imglab: images, boxes, and the boxes' parts.

Pixels, the centre of the top-left pixel is (0, 0). imglab shows images as they are stored, without
their EXIF orientation, see ``beside_images``. Of several boxes with parts the largest is taken;
ignored boxes are left out. Landmarks are ordered by the names of the parts. A part that is missing,
or at -1 -1, is not labelled.
"""

from xml.etree import ElementTree

import numpy as np

from data_loader.annotation_files import image_size, parse_number
from data_loader.landmark_formats.table import Fault
from utils.text import counted

NOT_IGNORED = (None, "0", "false")


class _PlainTree(ElementTree.TreeBuilder):
    """Builds a tree; refuses document types, in which a file may define entities."""

    def doctype(self, name, public, system):
        raise ValueError("it has a document type, which imglab does not write")


def read(path, annotations, split=None):
    """Read an XML file into ``annotations``; split: of its images."""
    with annotations.reading(path, "cannot read this XML"):
        root = ElementTree.parse(path, ElementTree.XMLParser(target=_PlainTree())).getroot()
        images = root.findall("images/image")
        names = {part.get("name") for image in images for part in image.iterfind("box/part")}
        if not names or None in names:
            raise Fault("expected imglab's images with boxes, and parts with names in them")
        annotations.take_names(sorted(names, key=_natural))
        several = 0
        for number, image in enumerate(images, start=1):
            boxes = [box for box in image.iterfind("box") if box.get("ignore") in NOT_IGNORED]
            boxes = [box for box in boxes if box.find("part") is not None]
            several += len(boxes) > 1
            where = f"{path}, image {number}"
            with annotations.reading(where, "expected boxes and parts with numbers"):
                _add_image(image, boxes, annotations, split, where)
        if several:
            those = counted(several, "image")
            annotations.notes.append(f"{those} with several boxes: the largest is taken")


def _natural(name):
    """Return a key that orders 2 before 10, and numbers before names."""
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


def _add_image(image, boxes, annotations, split, where):
    """Add an image; boxes: those of it that have parts."""
    if not image.get("file"):
        raise Fault("expected a file name")
    name = annotations.name_of(image.get("file"))
    size = image_size(image.get("width"), image.get("height"))
    points = {part: (np.nan, np.nan) for part in annotations.names}
    parts = max(boxes, key=_area).findall("part") if boxes else []
    points.update((part.get("name"), _pair(part, "x", "y")) for part in parts)
    if len({part.get("name") for part in parts}) < len(parts):
        raise Fault("a part is in its box twice")
    annotations.add(name, list(points.values()) if boxes else None, split, size, where)


def _area(box):
    width, height = _pair(box, "width", "height")
    return width * height


def _pair(element, *names):
    for name in names:
        if element.get(name) is None:
            raise ValueError(f"<{element.tag}> without {name}")
    return tuple(parse_number(element.get(name)) for name in names)
