"""What shows only where landmarks are seen beside their images: whether they were made before or
after a photograph was turned by its EXIF orientation, and whether they are pixels at all.
"""

import json
import os

import numpy as np
import pytest
from PIL import Image

from data_loader.folder_listing import FolderListing
from data_loader.images import ORIENTATIONS, stored_size
from data_loader.landmark_folder import LandmarkFolder
from data_loader.landmark_formats import beside_images
from tests.data_helpers.pictures import centre_of_dot, dot

UPRIGHT = (60, 50)
PLACE = (12, 34)  # of a white dot in the upright picture
INVERSE = {**ORIENTATIONS, 6: ORIENTATIONS[8], 8: ORIENTATIONS[6]}


def write_photographs(root, flags, size=UPRIGHT, suffix="png"):
    """Write photographs named by their EXIF flags; returns {name: (stored size, place of the dot
    in the stored picture)}.
    """
    stored = {}
    for flag in flags:
        picture = Image.fromarray(dot(*size, *PLACE))
        picture = picture if flag == 1 else picture.transpose(INVERSE[flag])
        exif = Image.Exif()
        exif[0x0112] = flag
        picture.save(root / f"{flag}.{suffix}", exif=exif)
        rows, columns = np.nonzero(np.asarray(picture)[..., 0])
        stored[f"{flag}.{suffix}"] = picture.size, (columns.mean(), rows.mean())
    return stored


def write_coco(root, told):
    (root / "a.json").write_text(json.dumps({
        "images": [{"id": n, "file_name": name, **({"width": of[0][0], "height": of[0][1]}
                                                   if of[0] else {})}
                   for n, (name, of) in enumerate(told.items())],
        "annotations": [{"image_id": n, "category_id": 1, "keypoints": [*of[1], 2]}
                        for n, of in enumerate(told.values())],
        "categories": [{"id": 1, "keypoints": ["dot"]}]}))


def write_imglab(root, told):
    images = "".join(
        f'<image file="{name}"' + (f' width="{size[0]}" height="{size[1]}"' if size else "")
        + f'><box width="5" height="5"><part name="dot" x="{x}" y="{y}"/></box></image>'
        for name, (size, (x, y)) in told.items())
    (root / "a.xml").write_text(f"<dataset><images>{images}</images></dataset>")


def write_csv(root, told):
    rows = [f"{name},{size[0] if size else ''},{size[1] if size else ''},{x},{y}"
            for name, (size, (x, y)) in told.items()]
    (root / "landmarks.csv").write_text("\n".join(["file,width,height,x,y", *rows]))


def landmarks(root):
    return {name: tuple(entry.landmarks[0])
            for name, entry in FolderListing(root).annotations.table.items()}


def faults(root):
    return FolderListing(root).faults


def warnings(root):
    return FolderListing(root).annotations.warnings


@pytest.mark.parametrize("flag", range(1, 9))
@pytest.mark.parametrize("write", [write_coco, write_imglab, write_csv])
def test_landmarks_of_stored_pictures_are_turned_with_them(tmp_path, write, flag):
    stored = write_photographs(tmp_path, {1, flag, 8})  # 8 tells for those whose size does not
    write(tmp_path, stored)
    assert landmarks(tmp_path) == dict.fromkeys(stored, PLACE)
    assert warnings(tmp_path) == []
    assert "were made before the EXIF orientation" in FolderListing(tmp_path).annotations.notes[0]
    for split in ("train", "test"):
        for item in LandmarkFolder(str(tmp_path), split, 100, use_keypoints=True):
            np.testing.assert_allclose(item["keypts"][0], centre_of_dot(item), atol=0.7)


def test_stored_tiffs_are_told_from_upright_ones(tmp_path):
    stored = write_photographs(tmp_path, range(1, 9), suffix="tif")
    for told in (stored, dict.fromkeys(stored, (UPRIGHT, PLACE))):
        write_csv(tmp_path, told)
        assert landmarks(tmp_path) == dict.fromkeys(stored, PLACE) and not warnings(tmp_path)


def test_points_of_an_image_that_lacks_one_are_turned_too(tmp_path):
    (name, (size, (x, y))), = write_photographs(tmp_path, [6]).items()
    cells = f"{name},{size[0]},{size[1]},{x},{y},,\nabsent.png,60,50,1,1,2,2"
    (tmp_path / "landmarks.csv").write_text(f"file,width,height,x0,y0,x1,y1\n{cells}\n")
    entry = FolderListing(tmp_path).annotations.table[name]
    np.testing.assert_array_equal(entry.points, [PLACE, (np.nan, np.nan)])
    assert entry.landmarks is None and entry.size == UPRIGHT


@pytest.mark.parametrize("write", [write_coco, write_imglab, write_csv])
def test_landmarks_of_upright_pictures_stay(tmp_path, write):
    names = write_photographs(tmp_path, range(1, 9))
    write(tmp_path, dict.fromkeys(names, (UPRIGHT, PLACE)))
    assert landmarks(tmp_path) == dict.fromkeys(names, PLACE)
    assert FolderListing(tmp_path).annotations.notes == warnings(tmp_path) == []


@pytest.mark.parametrize("write", [write_coco, write_imglab, write_csv])
@pytest.mark.parametrize("side, told, flag", [(50, True, 6), (50, True, 3), (50, False, 6),
                                              (60, True, 3), (60, False, 5)])
def test_where_no_size_tells_a_warning_does(tmp_path, write, side, told, flag):
    names = write_photographs(tmp_path, {1, flag}, (side, 50))
    write(tmp_path, {name: (size if told else None, PLACE) for name, (size, _) in names.items()})
    assert landmarks(tmp_path) == dict.fromkeys(names, PLACE)
    (warning,) = warnings(tmp_path)
    assert f"1 annotated image turned upright by EXIF orientation, such as {flag}.png" in warning
    assert LandmarkFolder(str(tmp_path), "train", 20).warnings == (warning,)


def test_sizes_that_disagree_tell_nothing_of_others(tmp_path):
    stored = write_photographs(tmp_path, (3, 6, 8))
    write_coco(tmp_path, {**stored, "8.png": (UPRIGHT, PLACE)})
    assert landmarks(tmp_path) == {**dict.fromkeys(stored, PLACE), "3.png": (47, 15)}
    assert "such as 3.png" in warnings(tmp_path)[0]


def test_images_that_are_not_there_or_broken_do_not_matter(tmp_path):
    stored = write_photographs(tmp_path, (6, 8))
    write_coco(tmp_path, {**stored, "gone.png": (UPRIGHT, PLACE)})
    (tmp_path / "8.png").write_bytes(b"no image")
    assert landmarks(tmp_path) == {
        "6.png": PLACE, "8.png": stored["8.png"][1], "gone.png": PLACE}


def test_only_images_with_metadata_are_opened(tmp_path, monkeypatch):
    stored = write_photographs(tmp_path, (1, 6))
    for name in ("plain.jpg", "plain.png"):
        Image.fromarray(dot(*UPRIGHT, *PLACE)).save(tmp_path / name)
        stored[name] = UPRIGHT, PLACE
    write_coco(tmp_path, stored)
    opened = []
    monkeypatch.setattr(beside_images, "stored_size",
                        lambda path: opened.append(os.path.basename(path)) or stored_size(path))
    assert landmarks(tmp_path) == dict.fromkeys(stored, PLACE)
    assert opened == ["1.png", "6.png"]


# ---- fractions


def test_landmarks_that_are_fractions_of_the_image_are_told(tmp_path):
    names = write_photographs(tmp_path, {1})
    for point, is_told in (((0.2, 0.68), True), ((0, 0.5), True), ((0.2, 1.5), False),
                           ((-0.1, 1.5), False), ((0, 1), False)):
        write_csv(tmp_path, dict.fromkeys(names, (None, point)))
        assert faults(tmp_path) == [
            f"{tmp_path / 'landmarks.csv'}: all landmarks lie between 0 and 1, in images of "
            "60 x 50 pixels: expected pixels, not fractions"] * is_told


def test_fractions_are_told_beside_boxes_in_pixels_too(tmp_path):
    write_photographs(tmp_path, {1})
    (tmp_path / "landmarks.csv").write_text(
        "file,x0,y0,x1,y1,eye_x,eye_y\n1.png,5,5,30,40,0.2,0.68\n1.png,20,5,50,40,0.5,0.1\n")
    (fault,) = FolderListing(tmp_path, with_boxes=True).faults
    assert "all landmarks lie between 0 and 1, in images of 60 x 50 pixels" in fault


def test_fractions_are_told_in_pts_files_too(tmp_path):
    for name in write_photographs(tmp_path, {1}):
        (tmp_path / name).with_suffix(".pts").write_text("0.2 0.68\n0.4 0.1\n")
    (fault,) = faults(tmp_path)
    assert "all landmarks lie between -1 and 1, in images of 60 x 50 pixels" in fault


def test_sizes_of_one_area_are_told_apart(tmp_path):
    for number, size in enumerate([(60, 50), (50, 60)]):
        Image.new("RGB", size).save(tmp_path / f"{number}.png")
    assert "data: sizes 50 x 60 to 60 x 50 pixels" in "\n".join(
        LandmarkFolder(str(tmp_path), "train", 20).describe())
