"""Landmarks in dlib's XML, as its tool imglab writes it: images, their boxes, the boxes' parts.

Pixels, the centre of the top-left pixel is (0, 0). imglab shows a photograph as it is stored, not
turned upright by its EXIF orientation: such ones are to be turned before they are annotated. Of
several boxes in an image the largest counts, those to be ignored never do; landmarks are ordered
by the names of the parts.
"""

from xml.etree import ElementTree

from data_loader.landmark_formats.annotations import Entry
from utils.wording import counted

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
        several += len(boxes) > 1
        _add_image(image.get("file"), boxes, annotations, split, f"{path}, image {number}")
    if several:
        those = counted(several, "image")
        annotations.notes.append(f"{those} with several boxes: the largest is taken")


def _natural(name):
    """Order 2 before 10, and numbers before names."""
    return (0, int(name), name) if name.isdecimal() else (1, 0, name)


def _add_image(file, boxes, annotations, split, where):
    if not file:
        annotations.fault(where, "expected a file name")
        return
    name = annotations.name_of(file, annotations.sources[-1])
    if not boxes:
        annotations.add(name, Entry(split), where)
        return
    try:
        box = max(boxes, key=lambda box: float(box.get("width")) * float(box.get("height")))
        parts = {
            part.get("name"): (float(part.get("x")), float(part.get("y")))
            for part in box.iterfind("part")
        }
    except (TypeError, ValueError) as error:
        annotations.fault(where, f"expected boxes and parts with numbers ({error})")
        return
    annotations.add_labelled(name, parts, split, None, where)
