"""Large images of two objects, each a dot in a box, and lists of them in every format."""

import csv
import json
from xml.etree import ElementTree

import numpy as np

from tests.data_helpers.pictures import dot, save

SIZE = (600, 400)  # width and height of the images
DOTS = ((151, 120), (480, 353))  # pixels in the middle of the dots
BOXES = ((100, 60, 220, 190), (430, 300, 600, 400))  # left, top, right, bottom
NAMES = ("a.png", "deep/b.png")
SPLITS = ("train", "test")


def scene(dots=DOTS):
    """Return a black picture with a white dot at each place."""
    return np.max([dot(*SIZE, *place, radius=3) for place in dots], axis=0)


def write_scenes(folder, names=NAMES):
    for name in names:
        save(scene(), folder / name)


def write_csv(folder, boxes=BOXES, dots=DOTS, columns=("x0", "y0", "x1", "y1")):
    """Write a list with one landmark an object; returns its path, as all here do."""
    with open(folder / "landmarks.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "split", *columns, "dot_x", "dot_y"])
        for name, split in zip(NAMES, SPLITS):
            writer.writerows([name, split, *box, *at] for box, at in zip(boxes, dots))
    return folder / "landmarks.csv"


def write_coco(folder, boxes=BOXES, dots=DOTS):
    images = [{"id": n, "file_name": name, "width": SIZE[0], "height": SIZE[1]}
              for n, name in enumerate(NAMES)]
    found = [{"image_id": image["id"], "category_id": 1, "bbox": _corner_and_size(box),
              "keypoints": [*at, 2]} for image in images for box, at in zip(boxes, dots)]
    for number, instance in enumerate(found):
        instance["id"] = number
    categories = [{"id": 1, "name": "object", "keypoints": ["dot"]}]
    content = {"images": images, "annotations": found, "categories": categories}
    (folder / "boxes.json").write_text(json.dumps(content))
    return folder / "boxes.json"


def write_imglab(folder, boxes=BOXES, dots=DOTS):
    root = ElementTree.Element("dataset")
    images = ElementTree.SubElement(root, "images")
    for name in NAMES:
        image = ElementTree.SubElement(images, "image", file=name)
        for box, (x, y) in zip(boxes, dots):
            corner = dict(zip(("left", "top", "width", "height"), map(str, _corner_and_size(box))))
            found = ElementTree.SubElement(image, "box", **corner)
            ElementTree.SubElement(found, "part", name="dot", x=str(x), y=str(y))
    ElementTree.ElementTree(root).write(folder / "boxes.xml")
    return folder / "boxes.xml"


def _corner_and_size(box):
    left, top, right, bottom = box
    if any(isinstance(edge, str) for edge in box):
        return [left, top, right, bottom]  # a mistake to be found
    return [left, top, right - left, bottom - top]


WRITERS = {"csv": write_csv, "COCO": write_coco, "imglab": write_imglab}
