"""Landmarks in COCO's JSON of keypoints: lists "images", "annotations" and "categories".

Pixels, the centre of the top-left pixel is (0, 0); a keypoint is x, y and visibility. Not labelled
is what has visibility 0, is at -1 -1, or at 0 0 without being visible (2). Of several instances in
an image the largest counts, crowds never do. Ids may be numbers in one list and text in another.
"""

import json
from collections import defaultdict

import numpy as np

from data_loader.annotation_files import image_size, parse_number
from data_loader.landmark_formats.table import Entry
from utils.text import counted, some_of

MAY_BE_ONE = (b'"annotations"', b'"images"')  # bytes in such a file
SHOWN = 3  # ids or names in a message


def read(path, annotations, split=None):
    """Read a JSON file; its images are of the split given."""
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("expected an object with 'images' and 'annotations', found a list")
        images = _by_id(content["images"])
        instances = [one for one in content["annotations"] if one.get("keypoints")]
        names = _keypoint_names(instances, content.get("categories", []))
        largest, crowded = _largest_instances(instances, len(names))
        _require_owners(largest, images)
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        annotations.fault(path, f"cannot read this COCO file ({error})")
        return
    except (KeyError, TypeError, AttributeError) as error:
        annotations.fault(path, f"expected COCO's keypoints ({type(error).__name__}: {error})")
        return
    if not annotations.take_names(names, path):
        return
    for number, image in images.items():
        _add_image(image, largest.get(number), annotations, split, f"{path}, image {number}")
    if crowded:
        those = counted(crowded, "image")
        annotations.notes.append(f"{those} with several instances: the largest is taken")
    strays = [number for number in largest if number not in images]
    if strays:
        those = counted(len(strays), "image id")
        annotations.notes.append(
            f"{those} of annotations, such as {strays[0]}, are of no image in {path.name}"
        )


def _key(number):
    """Return an id as what it is looked up by: 7, 7.0, "7" and "007" are one."""
    if isinstance(number, float) and number.is_integer():
        return str(int(number))
    text = str(number).strip()
    return str(int(text)) if text.isascii() and text.isdigit() else text


def _by_id(images):
    """Return {id: image}; of two images with one id, ``ValueError``."""
    groups = defaultdict(list)
    for image in images:
        group = groups[_key(image["id"])]
        if not group or image != group[0]:
            group.append(image)
    shared = {number: of for number, of in groups.items() if len(of) > 1}
    if shared:
        number, of = next(iter(shared.items()))
        files = some_of((image.get("file_name") for image in of), SHOWN)
        also = f"; also shared: {some_of([*shared][1:], SHOWN)}" if len(shared) > 1 else ""
        raise ValueError(f"image id {number} is that of {len(of)} images: {files}{also}")
    return {number: of[0] for number, of in groups.items()}


def _require_owners(largest, images):
    """Raise ``ValueError`` if annotations are of other images than those that are listed."""
    if largest and images and not largest.keys() & images.keys():
        raise ValueError(
            f"annotations are of image_id {some_of(largest, SHOWN)}, "
            f"but the images have id {some_of(images, SHOWN)}"
        )


def _keypoint_names(instances, categories):
    """Return the names of the keypoints of the only category that has any; 1, 2, 3 if it names
    none.
    """
    used = {_key(instance.get("category_id")) for instance in instances}
    named = {_key(category["id"]): category for category in categories}
    if len(used) != 1:
        found = [named.get(number, {}).get("name", number) for number in sorted(used)]
        raise ValueError(f"expected one category with keypoints, found {found}")
    names = named.get(*used, {}).get("keypoints") or []
    if not isinstance(names, list):
        raise ValueError(f"names of keypoints: expected a list, found {names!r}")
    count = len(instances[0]["keypoints"]) // 3
    return [str(name) for name in names or range(1, count + 1)]


def _largest_instances(instances, num_keypoints):
    """Return {image id: the points of its largest instance, (K, 2), NaN for what is not labelled},
    and how many images show several.
    """
    largest, several = {}, set()
    for instance in instances:
        values = instance["keypoints"]
        if len(values) != 3 * num_keypoints:
            raise ValueError(
                f"annotation {instance.get('id')} has {len(values)} values, "
                f"expected {3 * num_keypoints}: x, y and visibility of each keypoint"
            )
        points = _labelled(values, f"annotation {instance.get('id')}")
        if instance.get("iscrowd") or np.isnan(points).all():
            continue
        number, area = _key(instance["image_id"]), _area(instance, points)
        if number in largest:
            several.add(number)
        if number not in largest or area > largest[number][0]:
            largest[number] = (area, points)
    return {number: points for number, (_, points) in largest.items()}, len(several)


def _labelled(values, where):
    """Return keypoints, (K, 2), NaN for those that are not labelled."""
    try:
        table = np.array([_number(value) for value in values]).reshape(-1, 3)
    except ValueError as error:
        raise ValueError(f"{where}: expected numbers, {error}") from error
    points, visibility = table[:, :2], table[:, 2]
    absent = (points == -1).all(axis=1) | (points == 0).all(axis=1) & (visibility < 2)
    points[absent | (visibility == 0) | np.isnan(visibility)] = np.nan
    return points


def _number(value):
    """Return a number of a JSON file as a float: NaN for null, and text as it reads."""
    if type(value) in (int, float):
        return float(value)
    return parse_number("" if value is None else str(value))


def _area(instance, points):
    """Return the area of an instance in square pixels: its mask's, its box's, its points'."""
    if instance.get("area"):
        return _number(instance["area"])
    if instance.get("bbox"):
        return _number(instance["bbox"][2]) * _number(instance["bbox"][3])
    width, height = np.nanmax(points, axis=0) - np.nanmin(points, axis=0)
    return width * height


def _add_image(image, points, annotations, split, where):
    try:
        name = annotations.name_of(image["file_name"], annotations.sources[-1])
        size = image_size(image.get("width"), image.get("height"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        annotations.fault(where, f"expected file name, size and keypoints ({error})")
        return
    if points is None:
        annotations.add(name, Entry(split, None, size), where)
    else:
        annotations.add_labelled(name, points, split, size, where)
