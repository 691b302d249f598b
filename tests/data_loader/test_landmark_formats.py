"""Landmarks in csv, COCO's JSON, imglab's XML and .pts files: the same points from each, and
whatever is wrong with a file told.
"""

import json
import random
from xml.etree import ElementTree

import numpy as np
import pytest

from data_loader.landmark_folder import LandmarkFolder
from data_loader.landmark_formats import find_annotations, read_annotations
from data_loader.landmark_formats.finding import split_of_file
from tests.data_helpers.landmark_lists import (
    POINTS,
    WRITERS,
    add_box,
    coco,
    instance,
    write_coco,
    write_csv,
    write_images,
    write_imglab,
    write_pts,
)
from utils.errors import EmptySplit, UserError


@pytest.fixture
def root(tmp_path):
    write_images(tmp_path)
    return tmp_path


def read(root, *paths):
    """Return the annotations in some files, or in those that are found."""
    images = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jpg"))
    files = files_in(root)
    return read_annotations(paths or find_annotations(root, files).paths, root, files, images)


def files_in(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def landmarks(annotations):
    return {name: annotations.table[name].landmarks.tolist() for name in annotations.annotated}


def faults(root, *paths):
    """Return what is wrong with some files; a line each."""
    found = read(root, *paths).faults
    assert not any("\n" in text for text in found)
    return found


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_the_same_points(root, kind):
    path = WRITERS[kind](root)
    found = read(root)
    assert found.sources == [path] and not found.faults and not found.notes
    assert landmarks(found) == POINTS


@pytest.mark.parametrize("kind", WRITERS)
def test_a_data_set_has_them_in_the_pixels_of_its_items(root, kind):
    WRITERS[kind](root)
    dataset = LandmarkFolder(str(root), "train", 20, use_keypoints=True)
    for number, path in enumerate(dataset.paths):
        expected = np.array(POINTS[path.relative_to(root).as_posix()]) * [20 / 40, 20 / 48]
        np.testing.assert_allclose(dataset[number]["keypts"], expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["COCO", "imglab"])
def test_files_may_be_named_from_the_image_folder_or_from_the_list(tmp_path, kind):
    write_images(tmp_path / "images")
    for prefix, separator in (("", "/"), ("images/", "/"), ("images/", "\\")):
        renamed = {f"{prefix}{name}".replace("/", separator): of for name, of in POINTS.items()}
        path = WRITERS[kind](tmp_path, renamed)
        found = read_annotations([path], tmp_path, [], [])
        assert landmarks(found) == POINTS


# ---- which files count


def test_a_csv_in_the_root_goes_before_all_else(root):
    for write in WRITERS.values():
        write(root)
    found = find_annotations(root, files_in(root))
    assert found.paths == [root / "landmarks.csv"]
    takes = "dataset.args.annotation takes it"
    assert found.unread == dict.fromkeys(["keypoints.json", "shoes.xml", "*.pts"], takes)


def test_of_several_kinds_one_must_be_named(root):
    paths = {"keypoints.json": write_coco(root), "shoes.xml": write_imglab(root)}
    with pytest.raises(UserError, match="keypoints.json, shoes.xml; name one in dataset.args"):
        find_annotations(root, files_in(root))
    for name, path in paths.items():
        assert find_annotations(root, [], name).paths == [path]
    assert find_annotations(root, ["a.pts"], "*.pts").paths == [root / "*.pts"]
    assert find_annotations(root, ["a.pts"], "none").paths == []


@pytest.mark.parametrize("name, words", [
    ([], r"annotation = \[\], expected names of files, or 'none' for no list"),
    (["a.json", 3], r"annotation = \['a.json', 3\], expected names of files"),
    ("absent.json", "annotation = 'absent.json': no such file in"),
    ("a.jpg", "annotation = 'a.jpg': expected one of .csv .tsv .json .xml"),
])
def test_a_named_file_that_will_not_do(root, name, words):
    with pytest.raises(UserError, match=words):
        find_annotations(root, [], name)


def test_other_json_and_xml_files_are_passed_over(root):
    (root / "settings.json").write_text('{"colour": 3}')
    (root / "page.xml").write_text("<html/>")
    found = find_annotations(root, files_in(root))
    assert found.paths == [] and found.unread == {
        "page.xml": "holds no parts of imglab's boxes", "settings.json": "holds no COCO keypoints"}


@pytest.mark.parametrize("name, split", [
    ("person_keypoints_train2017.json", "train"), ("val.json", "val"), ("valid_1.xml", "val"),
    ("labels_ibug_300W_test.xml", "test"), ("testing.csv", "test"), ("contrast.json", None),
    ("train_and_test.json", None), ("training/labels.json", "train"), ("train/test.xml", "test"),
])
def test_which_split_a_file_is_of(name, split):
    assert split_of_file(name) == split


def test_several_files_say_which_split_is_whose(root):
    first, second = {k: POINTS[k] for k in list(POINTS)[:2]}, {k: POINTS[k] for k in ["deep/c.jpg"]}
    write_coco(root, first, "train2017.json")
    write_coco(root, second, "test2017.json")
    found = read(root)
    assert {name: entry.split for name, entry in found.table.items()} == {
        "a.jpg": "train", "deep/b.jpg": "train", "deep/c.jpg": "test"}
    single = read(root, root / "train2017.json")
    assert {entry.split for entry in single.table.values()} == {None}


def test_several_files_must_agree_on_the_landmarks(root):
    write_coco(root, {"a.jpg": POINTS["a.jpg"]}, "train.json")
    categories = [{"id": 1, "name": "shoe", "keypoints": ["toe", "heel", "tip"]}]
    write_coco(root, {"deep/b.jpg": POINTS["deep/b.jpg"]}, "test.json", categories=categories)
    assert faults(root) == [
        f"{root / 'train.json'}: landmarks 3 (heel, toe, tip), expected 3 (toe, heel, tip)"]


# ---- COCO


def test_an_image_that_lacks_a_point_is_kept_without_landmarks_and_counted(root):
    lists = coco()
    lists["annotations"][1]["keypoints"][2::3] = [2, 0, 1]
    (root / "keypoints.json").write_text(json.dumps(lists))
    found = read(root)
    assert found.annotated == ["a.jpg", "deep/c.jpg"] and list(found.table) == list(POINTS)
    assert found.notes == [
        "1 of 3 listed images lacks a landmark and is left out where landmarks are used"]


def test_occluded_points_are_labelled(root):
    points = {**POINTS, "deep/b.jpg": [[0, 1], [39, 47], [5, 7.25]]}  # (0, 0) would be none
    write_coco(root, annotations=[instance(n, 7 + n, of, visibility=1)
                                  for n, of in enumerate(points.values())])
    assert landmarks(read(root)) == points


@pytest.mark.parametrize("point", [[0, 0, 0], [0, 0, 1], [-1, -1, 2], [None, None, 2], [9, 9, 0],
                                   [float("nan"), float("nan"), 1], [9, 9, None]])
def test_what_is_not_labelled_in_coco_is_counted(root, point):
    lists = coco()
    lists["annotations"][0]["keypoints"][3:6] = point
    (root / "keypoints.json").write_text(json.dumps(lists))
    found = read(root)
    assert landmarks(found) == {name: POINTS[name] for name in ("deep/b.jpg", "deep/c.jpg")}
    assert found.notes == [
        "1 of 3 listed images lacks a landmark and is left out where landmarks are used"]


@pytest.mark.parametrize("kind", [str, float, lambda number: f"00{number}", lambda n: f" {n} "])
@pytest.mark.parametrize("place", ["images", "annotations"])
def test_ids_may_be_text_in_one_list_and_numbers_in_another(root, kind, place):
    lists, key = coco(), {"images": "id", "annotations": "image_id"}[place]
    for one in lists[place]:
        one[key] = kind(one[key])
    (root / "keypoints.json").write_text(json.dumps(lists))
    assert landmarks(read(root)) == POINTS


@pytest.mark.parametrize("categories", [[], [{"id": 1, "name": "shoe"}], [{"id": "1"}],
                                        [{"id": 1, "keypoints": []}, {"id": 2, "name": "hand"}]])
def test_keypoints_without_names_are_numbered(root, categories):
    write_coco(root, categories=categories)
    found = read(root)
    assert found.names == ["1", "2", "3"] and landmarks(found) == POINTS


def test_pairs_of_x_and_y_are_not_taken_for_x_y_and_visibility(root):
    points = [[10, 12], [30, 36], [20.5, 3]] * 2
    pairs = {**instance(1, 7, []), "keypoints": np.ravel(points).tolist()}  # 12, as of 4 keypoints
    write_coco(root, annotations=[pairs], categories=[])
    assert faults(root)[0] == (f"{root / 'keypoints.json'}, annotation 1: visibility 30, "
                               "expected 0, 1 or 2 after x and y of each keypoint")


@pytest.mark.parametrize("crowd, is_read", [(0, True), ("0", True), (False, True), (None, True),
                                            (1, False), ("1", False), (True, False)])
def test_crowds_may_be_named_by_text(root, crowd, is_read):
    write_coco(root, annotations=[{**one, "iscrowd": crowd} for one in coco()["annotations"]])
    assert landmarks(read(root)) == (POINTS if is_read else {})


def test_keypoints_of_one_name_stay_several(root):
    write_coco(root, categories=[{"id": 1, "name": "shoe", "keypoints": ["toe", "toe", "tip"]}])
    assert landmarks(read(root)) == POINTS


def test_annotations_of_images_that_are_not_listed_are_noted(root):
    write_coco(root, images=coco()["images"][:2])
    found = read(root)
    assert landmarks(found) == {name: POINTS[name] for name in ("a.jpg", "deep/b.jpg")}
    assert found.notes == [
        "keypoints.json annotates 1 image id that it does not list, such as 9"]


def test_a_file_in_utf_16(root):
    (root / "keypoints.json").write_bytes(json.dumps(coco()).encode("utf-16"))
    assert landmarks(read(root, root / "keypoints.json")) == POINTS


def test_the_largest_instance_counts_and_crowds_do_not(root):
    others = [instance(20, 7, [[9, 9]] * 3, area=50), instance(21, 8, [[9, 9]] * 3, area=900),
              {**instance(22, 9, [[9, 9]] * 3, area=900), "iscrowd": 1},
              instance(23, 9, [[9, 9]] * 3, area=900, visibility=0)]
    write_coco(root, annotations=coco()["annotations"] + others)
    found = read(root)
    assert landmarks(found) == {**POINTS, "deep/b.jpg": [[9, 9]] * 3}
    assert found.notes == ["2 images with several instances: the largest is taken"]


def test_without_an_area_the_box_and_then_the_points_say_what_is_larger(root):
    small, large = [[1, 1], [2, 2], [3, 3]], [[0, 0], [30, 30], [5, 5]]
    for first, second in (({"bbox": [0, 0, 3, 3]}, {"bbox": [0, 0, 30, 2]}), ({}, {})):
        both = [{**instance(1, 7, small), **first}, {**instance(2, 7, large), **second}]
        for one in both:
            del one["area"]
        write_coco(root, {"a.jpg": small}, annotations=both)
        assert landmarks(read(root)) == {"a.jpg": large}


def test_an_image_of_another_size_than_annotated_is_told(root):
    images = [{**image, "width": 80} for image in coco()["images"]]
    write_coco(root, images=images)
    dataset = LandmarkFolder(str(root), "train", 20, use_keypoints=True)
    with pytest.raises(UserError, match=f"{dataset.paths[0]}: is 40 x 48 pixels, but its land"):
        dataset[0]


def test_no_image_with_all_landmarks(root):
    write_coco(root, annotations=[
        {**one, "keypoints": [1, 1, 2, 0, 0, 0, *one["keypoints"][6:]]}
        for one in coco()["annotations"]])
    assert faults(root) == []
    shortage = f"{root / 'keypoints.json'}: no image has all landmarks: 'toe' is labelled in 0 of 3"
    dataset = LandmarkFolder(str(root), "train", 20)
    assert f"data: no landmarks ({shortage})" in dataset.describe()
    with pytest.raises(EmptySplit) as error:
        LandmarkFolder(str(root), "train", 20, use_keypoints=True)
    assert str(error.value) == shortage


@pytest.mark.parametrize("lists, words", [
    ("", "cannot read this COCO file (Expecting value"),
    ('{"images": [', "cannot read this COCO file"),
    ("[" * 100000, "cannot read this COCO file"),
    ('{"images": []}', "cannot read this COCO file (no 'annotations')"),
    ("[1]", "expected an object with 'images' and 'annotations', found a list"),
    (coco(images=[]), "lists no images"),
    (coco(images=[{"id": 7}]), "image 7: expected file name, size and keypoints (no 'file_name')"),
    (coco(images=[{"id": 7, "file_name": 7}]), "image 7: file_name 7, expected text"),
    (coco({"\ud800.jpg": [[1, 2]] * 3}), "image 7: '\\ud800.jpg' is no name of a file"),
    (coco(images={"7": {"id": 7}}), "'images': expected a list of objects, found {"),
    (coco(annotations=None), "'annotations': expected a list of objects, found null"),
    (coco(annotations=[instance(0, 7, [[1, 2]] * 3), 5]), "a list of objects, found 5"),
    (coco(annotations=[{**instance(3, 7, [[1, 2]] * 3), "area": "big"}]),
     "annotation 3: expected image_id, keypoints, and numbers in area and bbox ('big' is no num"),
    (coco(annotations=[{"id": 3, "category_id": 1, "keypoints": [1, 2, 2] * 3}]),
     "annotation 3: expected image_id, keypoints, and numbers in area and bbox (no 'image_id')"),
    (coco(annotations=[{**instance(3, 7, []), "keypoints": [10, 20, 30, 12, 36, 3, 2, 2, 2]}]),
     "annotation 3: visibility 30, expected 0, 1 or 2 after x and y of each keypoint"),
    (coco(annotations=[]), "expected one category with keypoints, found []"),
    (coco(annotations=[{**instance(n, 7 + n, [[1, 2]] * 3), "category_id": 1 + n}
                       for n in range(2)]), "one category with keypoints, found ['shoe', '2']"),
    (coco(images=[{"id": 7, "file_name": n} for n in "abcd"]),
     "image id 7 is that of 4 images: a, b, c and 1 more"),
    (coco(images=[{"id": "a", "file_name": "a.jpg"}]),
     "annotations are of image_id 7, 8, 9, but the images have id a"),
    (coco(annotations=[instance(3, 7, [[1, 2]])]), "annotation 3: 3 values, expected 9"),
    (coco({"a.jpg": [[1, 2], [float("nan"), 3], [5, 6]]}), "image 7: expected finite coordinates"),
    (coco({"a.jpg": [["x", 2], [3, 3], [5, 6]]}),
     "annotation 0: expected numbers, 'x' is no number"),
    (coco({"a.jpg": [["4_0", 2], [3, 3], [5, 6]]}), "expected numbers, '4_0' is no number"),
    (coco(images=[{"id": n, "file_name": "a.jpg"} for n in (7, 8)]), "image 8: a.jpg is listed tw"),
])
def test_a_faulty_coco_file(root, lists, words):
    path = root / "keypoints.json"
    path.write_text(lists if isinstance(lists, str) else json.dumps(lists))
    first, *_ = faults(root, path)
    assert first.startswith(str(path)) and words in first


# ---- imglab


def test_the_largest_box_counts_and_ignored_ones_do_not(root):
    path = write_imglab(root)
    tree = ElementTree.parse(path)
    first, second, third = tree.findall("images/image")
    add_box(first, [[9, 9]] * 3, side=9)
    add_box(second, [[9, 9]] * 3, side=90)
    add_box(third, [[9, 9]] * 3, side=90, ignore="1")
    tree.write(path)
    found = read(root)
    assert landmarks(found) == {**POINTS, "deep/b.jpg": [[9, 9]] * 3}
    assert found.notes == ["2 images with several boxes: the largest is taken"]


def test_a_box_with_parts_goes_before_larger_ones_without(root):
    path = write_imglab(root)
    tree = ElementTree.parse(path)
    for image in tree.findall("images/image"):
        for place in (0, 2):
            image.insert(place, ElementTree.Element("box", width="99", height="99"))
    tree.write(path)
    found = read(root)
    assert landmarks(found) == POINTS and not found.notes


@pytest.mark.parametrize("point", [None, ("-1", "-1"), ("nan", "nan"), ("", "")])
def test_what_is_not_labelled_in_imglab_is_counted(root, point):
    path = write_imglab(root)
    tree = ElementTree.parse(path)
    box = tree.find("images/image/box")
    if point is None:
        box.remove(box.find("part"))
    else:
        box.find("part").attrib.update(x=point[0], y=point[1])
    tree.write(path)
    found = read(root)
    assert landmarks(found) == {name: POINTS[name] for name in ("deep/b.jpg", "deep/c.jpg")}
    assert found.notes == [
        "1 of 3 listed images lacks a landmark and is left out where landmarks are used"]


def test_an_image_of_another_size_than_imglab_says_is_told(root):
    path = write_imglab(root)
    path.write_text(path.read_text().replace("<image ", '<image width="80" height="96" '))
    dataset = LandmarkFolder(str(root), "train", 20, use_keypoints=True)
    with pytest.raises(UserError, match="is 40 x 48 pixels, but its landmarks were made on 80 x 9"):
        dataset[0]


def test_parts_are_ordered_by_name_numbers_as_numbers(root):
    names = ["10", "9", "tip"]
    text = "".join(f'<part name="{name}" x="{n}" y="0"/>' for n, name in enumerate(names))
    (root / "a.xml").write_text('<dataset><images><image file="a.jpg"><box width="1" height="1">'
                                f"{text}</box></image></images></dataset>")
    found = read(root)
    assert found.names == ["9", "10", "tip"]
    assert landmarks(found) == {"a.jpg": [[1, 0], [0, 0], [2, 0]]}


def test_a_file_with_entities_is_refused_before_they_grow(root):
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    path = root / "a.xml"
    path.write_text(f'<!DOCTYPE lolz [<!ENTITY l0 "lol">{entities}]><dataset>&l9;</dataset>')
    assert faults(root, path) == [
        f"{path}: cannot read this XML (it has a document type, which imglab does not write)"]


@pytest.mark.parametrize("old, new, words", [
    ("</images>", "", "cannot read this XML (mismatched tag"),
    ("<images>", "<pictures>", "cannot read this XML"),
    ('file="a.jpg"', "", "image 1: expected a file name"),
    ('x="10"', 'x="ten"', "image 1: expected boxes and parts with numbers"),
    ('x="10"', 'x="inf"', "image 1: expected boxes and parts with numbers ('inf' is no number)"),
    ('x="10"', 'x="1_0"', "image 1: expected boxes and parts with numbers ('1_0' is no number)"),
    ('x="10"', 'x="nan"', "image 1: expected finite coordinates"),
    ('name="01"', 'name="00"', "image 1: a part is in its box twice"),
    ('file="a.jpg"', 'file="a.jpg" width="ten"', "image 1: expected boxes and parts with numbers"),
    ('x="10"', "", "image 1: expected boxes and parts with numbers (<part> without x)"),
    ('width="30"', "", "image 1: expected boxes and parts with numbers (<box> without width)"),
    ('name="00"', "", "expected imglab's images with boxes, and parts with names"),
    ('"deep/b.jpg"', '"a.jpg"', "image 2: a.jpg is listed twice"),
    ("part", "point", "expected imglab's images with boxes, and parts"),
])
def test_a_faulty_xml_file(root, old, new, words):
    path = write_imglab(root)
    count = -1 if old == "part" else 1
    path.write_text(path.read_text().replace(old, new, count))
    first, *_ = faults(root, path)
    assert first.startswith(str(path)) and words in first


# ---- .pts


def test_images_without_a_file_of_points_are_not_listed(root):
    write_pts(root, {"a.jpg": POINTS["a.jpg"]})
    assert landmarks(read(root)) == {"a.jpg": POINTS["a.jpg"]}


@pytest.mark.parametrize("text", [
    "11 13\n31 37\n21.5 4\n", "version: 1\nn_points: 3\n11 13\n31 37\n21.5 4",
    "{\n11 13 31 37 21.5 4\n}", "n_points: 3\n{\n11 13 31 37\n21.5 4\n}",
    "n_points:3 {11 13\n\n31 37\n 21.5 4}",
    "VERSION: 1\r\nN_POINTS : 003\r\n{\r\n11 13\r\n31 37\r\n21.5 4\r\n}\r\n",
])
def test_points_with_braces_and_without(root, text):
    write_pts(root)
    (root / "a.pts").write_bytes(text.encode())
    assert landmarks(read(root)) == POINTS


@pytest.mark.parametrize("point", ["-1 -1", "-1.000 -1.000", "0 0", "nan NaN"])
def test_what_is_not_labelled_in_pts_is_counted(root, point):
    write_pts(root)
    text = (root / "a.pts").read_text().replace("31 37", point)
    (root / "a.pts").write_text(text)
    found = read(root)
    assert landmarks(found) == {name: POINTS[name] for name in ("deep/b.jpg", "deep/c.jpg")}
    assert found.notes == [
        "1 of 3 listed images lacks a landmark and is left out where landmarks are used"]


@pytest.mark.parametrize("text, words", [
    ("", "0 numbers, expected finite x and y of each point"),
    ("{\n1 2\n3\n}", "3 numbers, 2 in a line, expected x and y of the points"),
    ("{\n1 2\n3 nan\n}", "4 numbers, expected finite x and y of each point"),
    ("{\n1 two\n}", "expected numbers, x and y of each point ('two' is no number)"),
    ("{\n1 2_0\n}", "expected numbers, x and y of each point ('2_0' is no number)"),
    ("{\n1 inf\n}", "expected numbers, x and y of each point ('inf' is no number)"),
    ("{\n1 2\n3 4\n5 6", "expected '}' after the points"),
    ("{\n1 2 3\n4 5 6\n7 8 9\n3 4 5\n}", "12 numbers, 3 in a line, expected x and y"),
    ("{\n1 2 0 1\n4 5 0 1\n7 8 0 1\n}", "12 numbers, 4 in a line, expected x and y of the points"),
    ("n_points: 4\n{\n1 2 3\n4 5 6\n7 8 9\n3 4 5\n}", "12 numbers, but n_points is 4"),
    ("version=1\nn_points = 68\n{\n1 2\n4 5\n7 8\n}", "6 numbers, but n_points is 68"),
    ("version: 1 n_points: 68 {\n1 2\n4 5\n7 8\n}", "6 numbers, but n_points is 68"),
    ("n_points:68\n{\n1 2\n4 5\n7 8\n}", "6 numbers, but n_points is 68"),
    ("{\n1 2\n}", "1 landmarks, expected 3"),
    (b"\xff\xfe{", "expected text in UTF-8"),
])
def test_a_faulty_pts_file(root, text, words):
    write_pts(root)
    path = root / "deep" / "b.pts"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (fault,) = faults(root)
    assert fault.startswith(str(path)) and words in fault


# ---- csv


def test_names_may_come_from_windows_and_rows_may_be_blank(root):
    (root / "landmarks.csv").write_bytes(b"file,x,y\r\ndeep\\b.jpg,1,2\r\n,,\r\n")
    assert landmarks(read(root)) == {"deep/b.jpg": [[1, 2]]}


def test_all_faults_of_a_list_are_collected_and_the_first_one_told(root):
    rows = ["a.jpg,1,2", "a.jpg,1,2", "deep/b.jpg,nan,2", "deep/c.jpg,1", "d.jpg,1,two"]
    (root / "landmarks.csv").write_text("\n".join(["file,x,y", *rows]))
    found = faults(root)
    assert [text.partition(": ")[0].rpartition(" ")[2] for text in found] == list("3456")
    with pytest.raises(UserError) as error:
        LandmarkFolder(str(root), "train", 20)
    assert str(error.value) == f"{found[0]} (3 more: python misc/check_data.py lists all)"


# ---- which images are for the test


def test_a_split_that_no_annotated_image_is_of_says_what_to_annotate(tmp_path):
    write_images(tmp_path, [f"{n}.jpg" for n in range(30)])
    test = [path.name for path in LandmarkFolder(str(tmp_path), "test", 20).paths]
    write_csv(tmp_path, {f"{n}.jpg": [[1, 2]] * 3 for n in range(30) if f"{n}.jpg" not in test})
    with pytest.raises(EmptySplit, match=f"split 'test'; annotate one .* such as {test[0]}"):
        LandmarkFolder(str(tmp_path), "test", 20, use_keypoints=True)


# ---- mutated files: an error, or something sound, and never anything else


def mutated(data, seed):
    """Return bytes with some of them changed, cut out or put in."""
    chance, data = random.Random(seed), bytearray(data)
    for _ in range(chance.choice([1, 2, 8])):
        place = chance.randrange(len(data) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            data[place:place + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del data[place:place + chance.randrange(1, 9)]
        elif kind == 2:
            data[place:place] = chance.choice([b"1e999", b"-", b'"', b"<", b"\0", b"nan", b"{}"])
        else:
            del data[place:]
    return bytes(data)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("part", range(5))
def test_a_mutated_file_is_read_or_told(root, kind, part):
    path = WRITERS[kind](root)
    file = root / "a.pts" if kind == "pts" else path
    whole = file.read_bytes()
    for seed in range(40 * part, 40 * part + 40):
        file.write_bytes(mutated(whole, seed))
        found = read(root, path)
        assert all(text.startswith(str(root)) and "\n" not in text for text in found.faults), seed
        for name in found.annotated:
            entry = found.table[name]
            assert entry.landmarks.shape == (len(found.names), 2) and len(found.names), seed
            assert np.isfinite(entry.landmarks).all(), seed
