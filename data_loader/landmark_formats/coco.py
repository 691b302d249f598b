"""Landmarks in COCO's JSON of keypoints: lists "images", "annotations" and "categories".

Pixels, the centre of the top-left pixel is (0, 0); a keypoint is x, y and visibility, of which 0
means not labelled. Of several instances in an image the largest counts, crowds never do.
"""

import json

from data_loader.landmark_formats.annotations import Entry
from utils.wording import counted

MAY_BE_ONE = (b'"annotations"', b'"images"')  # bytes in such a file


def read(path, annotations, split=None):
    """Read a JSON file; its images are of the split given."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        images = {image["id"]: image for image in content["images"]}
        instances, categories = content["annotations"], content["categories"]
        names = _keypoint_names(instances, categories)
        largest, crowded = _largest_instances(instances, len(names))
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


def _keypoint_names(instances, categories):
    """Return the names of the keypoints of the only category that has any."""
    used = {instance["category_id"] for instance in instances if instance.get("keypoints")}
    found = [category for category in categories if category["id"] in used]
    if len(found) != 1 or not isinstance(found[0]["keypoints"], list):
        names = [category["name"] for category in found]
        raise ValueError(f"expected one category with keypoints, found {names}")
    return [str(name) for name in found[0]["keypoints"]]


def _largest_instances(instances, num_keypoints):
    """Return {image id: its largest instance}, and how many images show several."""
    largest, several = {}, set()
    for instance in instances:
        values = instance.get("keypoints")
        if not values or instance.get("iscrowd") or not any(values[2::3]):
            continue
        if len(values) != 3 * num_keypoints:
            raise ValueError(
                f"annotation {instance.get('id')} has {len(values)} values, "
                f"expected {3 * num_keypoints}: x, y and visibility of each keypoint"
            )
        number = instance["image_id"]
        if number in largest:
            several.add(number)
        if number not in largest or _area(instance) > _area(largest[number]):
            largest[number] = instance
    return largest, len(several)


def _area(instance):
    """Return the area of an instance in square pixels: its mask's, its box's, its points'."""
    if instance.get("area"):
        return float(instance["area"])
    if instance.get("bbox"):
        return float(instance["bbox"][2]) * float(instance["bbox"][3])
    values = instance["keypoints"]
    points = [(x, y) for x, y, v in zip(values[::3], values[1::3], values[2::3]) if v]
    width, height = (max(axis) - min(axis) for axis in zip(*points))
    return float(width * height)


def _add_image(image, instance, annotations, split, where):
    try:
        name = annotations.name_of(image["file_name"], annotations.sources[-1])
        size = (int(image["width"]), int(image["height"])) if image.get("width") else None
        values = instance["keypoints"] if instance else []
        labelled = {
            key: (float(x), float(y))
            for key, x, y, v in zip(annotations.names, values[::3], values[1::3], values[2::3])
            if v
        }
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        annotations.fault(where, f"expected file name, size and keypoints ({error})")
        return
    if instance is None:
        annotations.add(name, Entry(split, None, size), where)
    else:
        annotations.add_labelled(name, labelled, split, size, where)
