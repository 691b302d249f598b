"""Read landmarks from COCO's JSON of keypoints: "images", "annotations" and "categories".

Pixels, the centre of the top-left pixel is (0, 0); a keypoint is x, y and visibility. A keypoint
with visibility 0, at -1 -1, or at 0 0 without being visible (2) is not labelled. Of several
instances in an image the largest is taken; crowds are ignored. Ids may be numbers or text.

Where boxes are read, each instance of the category is an object, with or without keypoints. Its
"bbox" is x, y, width and height, with 0 at the corner of the top-left pixel.
"""

import json

import numpy as np

from data_loader.annotation_files import image_size, parse_number
from data_loader.landmark_formats.table import Fault
from utils.errors import shown
from utils.text import counted, some_of

SHOWN = 3  # ids or names in a message
EXPECTED = "expected image_id, and bbox: x, y, width and height"
EXPECTED_POINTS = "expected image_id, keypoints, and numbers in area and bbox"
NO_CROWD = (None, False, 0, "0", "false", "False")


def read(path, annotations, split=None):
    """Read a JSON file into ``annotations``; split: of its images."""
    with annotations.reading(path, "cannot read this COCO file"):
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("expected an object with 'images' and 'annotations', found a list")
        images = _by_id(_dictionaries(content, "images", ["id"]))
        names, instances = _instances(content, annotations)
        read_instances = _objects if annotations.with_boxes else _largest_instances
        found = read_instances(instances, len(names), path, annotations)
        if found and images and not found.keys() & images.keys():
            raise Fault(
                f"annotations are of image_id {some_of(found, SHOWN)}, "
                f"but the images have id {some_of(images, SHOWN)}"
            )
        annotations.take_names(names)
        for number, image in images.items():
            where = f"{path}, image {number}"
            with annotations.reading(where, "expected file name, size and keypoints"):
                if not isinstance(image["file_name"], str):
                    raise Fault(f"file_name {shown(image['file_name'])}, expected text")
                name = annotations.name_of(image["file_name"])
                size = image_size(image.get("width"), image.get("height"))
                if not annotations.with_boxes:
                    annotations.add(name, found.get(number), split, size, where)
                    continue
                for box, points, place in found.get(number, [(None, None, where)]):
                    with annotations.reading(place, EXPECTED):
                        annotations.add_object(name, box, points, split, size, place)
        strays = [number for number in found if number not in images]
        if strays:
            those = counted(len(strays), "image id")
            annotations.notes.append(
                f"{path.name} annotates {those} that it does not list, such as {strays[0]}"
            )


def _dictionaries(content, key, needed=()):
    """Return ``content[key]``; raises ``Fault`` unless it is a list of dictionaries that have the
    keys ``needed``.
    """
    found = content[key]
    is_list = isinstance(found, list)
    for one in found if is_list else [found]:
        if not is_list or not isinstance(one, dict):
            raise Fault(f"'{key}': expected a list of objects, found {shown(one, json.dumps)}")
        for name in needed:
            if name not in one:
                raise Fault(f"'{key}': expected '{name}' in each, found {shown(one, json.dumps)}")
    return found


def _key(number):
    """Return an id as a text that is the same for 7, 7.0, "7" and "007"."""
    if isinstance(number, float) and number.is_integer():
        return str(int(number))
    text = str(number).strip()
    return str(int(text)) if text.isascii() and text.isdigit() else text


def _by_id(images):
    """Return {id: image}; raises ``Fault`` if different images share an id."""
    groups = {}
    for image in images:
        group = groups.setdefault(_key(image["id"]), [image])
        if image != group[0]:
            group.append(image)
    shared = [number for number, group in groups.items() if len(group) > 1]
    if shared:
        group = groups[shared[0]]
        files = some_of((image.get("file_name") for image in group), SHOWN)
        also = f"; also shared: {some_of(shared[1:], SHOWN)}" if len(shared) > 1 else ""
        raise Fault(f"image id {shared[0]} is that of {len(group)} images: {files}{also}")
    return {number: group[0] for number, group in groups.items()}


def _instances(content, annotations):
    """Return the names of keypoints, 1, 2, 3 if they have none, and the instances to read: those
    with keypoints, or where boxes are read all of the category, crowds excepted.
    """
    annotated = _dictionaries(content, "annotations")
    instances = [one for one in annotated if one.get("keypoints")]
    if not annotations.with_boxes:
        category = _only_category(instances, content, "keypoints")
        return _keypoint_names(instances, category), instances
    boxed = [one for one in annotated if one.get("iscrowd") in NO_CROWD]
    category = _only_category(instances or boxed, content, "boxes")
    kept = [one for one in boxed if _key(one.get("category_id")) == _key(category["id"])]
    if len(kept) < len(boxed):
        others = counted(len(boxed) - len(kept), "instance")
        annotations.notes.append(f"left out: {others} of categories without keypoints")
    return _keypoint_names(instances, category) if instances else [], kept


def _only_category(instances, content, what):
    """Return the only category of instances; raises ``Fault`` if there are others."""
    used = {_key(instance.get("category_id")) for instance in instances}
    categories = _dictionaries(content, "categories", ["id"]) if content.get("categories") else []
    named = {_key(category["id"]): category for category in categories}
    if len(used) != 1:
        found = [named.get(number, {}).get("name", number) for number in sorted(used)]
        raise Fault(f"expected one category with {what}, found {found}")
    return named.get(*used, {"id": instances[0].get("category_id")})


def _keypoint_names(instances, category):
    names = category.get("keypoints") or []
    if not isinstance(names, list):
        raise Fault(f"names of keypoints: expected a list, found {names!r}")
    count = len(instances[0]["keypoints"]) // 3
    return [str(name) for name in names or range(1, count + 1)]


def _objects(instances, num_keypoints, path, annotations):
    """Return {image id: [(edges of the box, points or None, place)]}; points are (K, 2)."""
    found = {}
    for instance in instances:
        place = f"{path}, annotation {instance.get('id')}"
        with annotations.reading(place, EXPECTED):
            left, top, width, height = map(_number, instance["bbox"])
            points = None
            if instance.get("keypoints"):
                points = _keypoints(instance["keypoints"], num_keypoints)
            edges = left, top, left + width, top + height
            found.setdefault(_key(instance["image_id"]), []).append((edges, points, place))
    return found


def _largest_instances(instances, num_keypoints, path, annotations):
    """Return {image id: points of its largest instance}: (K, 2), NaN where not labelled."""
    largest, several = {}, set()
    for instance in instances:
        with annotations.reading(f"{path}, annotation {instance.get('id')}", EXPECTED_POINTS):
            points = _keypoints(instance["keypoints"], num_keypoints)
            if instance.get("iscrowd") not in NO_CROWD or np.isnan(points).all():
                continue
            number, area = _key(instance["image_id"]), _area(instance, points)
            if number in largest:
                several.add(number)
            if number not in largest or area > largest[number][0]:
                largest[number] = (area, points)
    if several:
        those = counted(len(several), "image")
        annotations.notes.append(f"{those} with several instances: the largest is taken")
    return {number: points for number, (_, points) in largest.items()}


def _keypoints(values, num_keypoints):
    """Return the points in x, y, visibility, ..., (K, 2), NaN where not labelled."""
    if len(values) != 3 * num_keypoints:
        raise Fault(
            f"{len(values)} values, "
            f"expected {3 * num_keypoints}: x, y and visibility of each keypoint"
        )
    try:
        table = np.array([_number(value) for value in values]).reshape(-1, 3)
    except ValueError as error:
        raise Fault(f"expected numbers, {error}") from error
    points, visibility = table[:, :2], table[:, 2]
    absent = (points == -1).all(axis=1) | (points == 0).all(axis=1) & (visibility < 2)
    absent |= (visibility == 0) | np.isnan(visibility)
    odd = visibility[~absent & ((visibility < 0) | (visibility > 2))]
    if odd.size:
        raise Fault(f"visibility {odd[0]:g}, expected 0, 1 or 2 after x and y of each keypoint")
    points[absent] = np.nan
    return points


def _number(value):
    return float(value) if type(value) in (int, float) else parse_number(str(value))


def _area(instance, points):
    """Return the area of an instance in square pixels: its mask's, else its box's or points'."""
    if instance.get("area"):
        return _number(instance["area"])
    if instance.get("bbox"):
        return _number(instance["bbox"][2]) * _number(instance["bbox"][3])
    width, height = np.nanmax(points, axis=0) - np.nanmin(points, axis=0)
    return width * height
