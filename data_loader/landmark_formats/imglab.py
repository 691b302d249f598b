"""Read landmarks from the XML of dlib's imglab: images, boxes, and the boxes' parts.

Pixels, the centre of the top-left pixel is (0, 0). imglab shows images as they are stored, without
their EXIF orientation, see ``beside_images``. Of several boxes with parts the largest is taken;
ignored boxes are left out. Landmarks are ordered by the names of the parts. A part that is missing,
or at -1 -1, is not labelled.

Where boxes are read, each is an object, with or without parts: ``width`` pixels from the one with
number ``left``, which is counted from 0.
"""

from xml.etree import ElementTree

import numpy as np

from data_loader.annotation_files import image_size, parse_number
from data_loader.landmark_formats.table import Fault
from utils.text import counted

NOT_IGNORED = (None, "0", "false")
EXPECTED = "expected boxes and parts with numbers"


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
        if not (names or annotations.with_boxes) or None in names:
            raise Fault("expected imglab's images with boxes, and parts with names in them")
        annotations.take_names(sorted(names, key=_natural))
        several = 0
        for number, image in enumerate(images, start=1):
            boxes = [box for box in image.iterfind("box") if box.get("ignore") in NOT_IGNORED]
            where = f"{path}, image {number}"
            if annotations.with_boxes:
                _add_objects(image, boxes, annotations, split, where)
                continue
            boxes = [box for box in boxes if box.find("part") is not None]
            several += len(boxes) > 1
            with annotations.reading(where, EXPECTED):
                _add_image(image, boxes, annotations, split, where)
        if several:
            those = counted(several, "image")
            annotations.notes.append(f"{those} with several boxes: the largest is taken")


def _natural(name):
    """Return a key that orders 2 before 10, and numbers before names."""
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


def _add_image(image, boxes, annotations, split, where):
    """Add an image; boxes: those of it that have parts."""
    name, size = _name_and_size(image, annotations)
    points = _points(max(boxes, key=_area), annotations.names) if boxes else None
    annotations.add(name, points, split, size, where)


def _add_objects(image, boxes, annotations, split, where):
    """Add each box of an image with its parts."""
    with annotations.reading(where, EXPECTED):
        name, size = _name_and_size(image, annotations)
        if not boxes:
            annotations.add_object(name, None, None, split, size, where)
        for number, box in enumerate(boxes, start=1):
            place = f"{where}, box {number}"
            with annotations.reading(place, EXPECTED):
                left, top = _numbers(box, "left", "top")
                width, height = _numbers(box, "width", "height")
                edges = left, top, left + width, top + height
                points = _points(box, annotations.names)
                annotations.add_object(name, edges, points, split, size, place)


def _name_and_size(image, annotations):
    if not image.get("file"):
        raise Fault("expected a file name")
    size = image_size(image.get("width"), image.get("height"))
    return annotations.name_of(image.get("file")), size


def _points(box, names):
    """Return the points of a box's parts in the order of their names, NaN where one is missing."""
    points, parts = {name: (np.nan, np.nan) for name in names}, box.findall("part")
    points.update((part.get("name"), _numbers(part, "x", "y")) for part in parts)
    if len({part.get("name") for part in parts}) < len(parts):
        raise Fault("a part is in its box twice")
    return list(points.values())


def _area(box):
    width, height = _numbers(box, "width", "height")
    return width * height


def _numbers(element, *names):
    for name in names:
        if element.get(name) is None:
            raise ValueError(f"<{element.tag}> without {name}")
    return tuple(parse_number(element.get(name)) for name in names)
