"""The same landmarks, in every format that a folder of images may have them in."""

import json
from xml.etree import ElementTree

import numpy as np
from PIL import Image

SIZE = (40, 48)  # width and height of the images
POINTS = {
    "a.jpg": [[10, 12], [30, 36], [20.5, 3]],
    "deep/b.jpg": [[0, 0], [39, 47], [5, 7.25]],
    "deep/c.jpg": [[1, 2], [3, 4], [5, 6]],
}


def write_images(folder, names=POINTS, size=SIZE):
    """Write grey images below a folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, "grey").save(folder / name)


def write_csv(folder, points=POINTS, name="landmarks.csv"):
    """Write ``landmarks.csv``; returns its path, as all here do."""
    rows = ["file,x0,y0,x1,y1,x2,y2"]
    rows += [",".join([file, *(f"{v}" for v in np.ravel(of))]) for file, of in points.items()]
    (folder / name).write_text("\n".join(rows) + "\n")
    return folder / name


def coco(points=POINTS, **changes):
    """Return COCO's lists, an instance for each image; top-level keys changed."""
    names = list(points)
    return {
        "images": [{"id": 7 + n, "file_name": name, "width": SIZE[0], "height": SIZE[1]}
                   for n, name in enumerate(names)],
        "annotations": [instance(n, 7 + n, points[name]) for n, name in enumerate(names)],
        "categories": [{"id": 1, "name": "shoe", "keypoints": ["heel", "toe", "tip"]}],
        **changes,
    }


def instance(number, image, points, area=100, visibility=2):
    """Return an instance in an image, all of its points of one visibility."""
    values = [value for point in points for value in (*point, visibility)]
    return {"id": number, "image_id": image, "category_id": 1, "keypoints": values, "area": area,
            "iscrowd": 0, "num_keypoints": len(points)}


def write_coco(folder, points=POINTS, name="keypoints.json", **changes):
    (folder / name).write_text(json.dumps(coco(points, **changes)))
    return folder / name


def write_imglab(folder, points=POINTS, name="shoes.xml"):
    root = ElementTree.Element("dataset")
    images = ElementTree.SubElement(root, "images")
    for file, of in points.items():
        image = ElementTree.SubElement(images, "image", file=file)
        add_box(image, of)
    ElementTree.ElementTree(root).write(folder / name)
    return folder / name


def add_box(image, points, side=30, **attributes):
    """Add a box with its parts to an image of imglab's."""
    box = ElementTree.SubElement(
        image, "box", top="1", left="1", width=str(side), height=str(side), **attributes)
    for number, (x, y) in enumerate(points):
        ElementTree.SubElement(box, "part", name=f"{number:02d}", x=str(x), y=str(y))


def write_pts(folder, points=POINTS):
    for file, of in points.items():
        lines = [f"{x + 1} {y + 1}" for x, y in of]  # 1-based
        text = "\n".join(["version: 1", f"n_points: {len(of)}", "{", *lines, "}", ""])
        (folder / file).with_suffix(".pts").write_text(text)
    return folder / "*.pts"


WRITERS = {"csv": write_csv, "COCO": write_coco, "imglab": write_imglab, "pts": write_pts}
