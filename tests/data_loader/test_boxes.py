"""Objects in boxes: what an item shows of an image, by plain sums and by dots that are found."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from data_loader import LandmarkFolder
from data_loader.boxes import box_window, checked_box, cut_out, points_into, require_inside
from data_loader.cache import CacheFolder, ItemCache, fingerprint, in_memory
from data_loader.folder_listing import FolderListing
from misc import check_data
from tests.data_helpers.boxed_dots import (
    BOXES,
    DOTS,
    NAMES,
    SIZE,
    WRITERS,
    scene,
    write_csv,
    write_scenes,
)
from tests.data_helpers.pictures import centre_of_dot, content, noise, resized, save
from tests.data_helpers.tiny_runs import EMBEDDING, write_tiny_config
from utils.cli import run_program
from utils.errors import UserError

S, MARGIN = 96, 0.25


@pytest.fixture
def root(tmp_path):
    write_scenes(tmp_path)
    return tmp_path


def objects(root, split="train", **args):
    args = {"imwidth": S, "use_keypoints": True, "box_margin": MARGIN, **args}
    return LandmarkFolder(str(root), split, **args)


# What is cut out

@pytest.mark.parametrize("outside, mode", [("edge", "edge"), ("zero", "constant")])
@pytest.mark.parametrize("window", [
    (8.5, 3, 40.5, 35), (-7, -3.5, 53, 56.5), (30.2, 20, 72.2, 62), (-20, 10, 20, 50)])
def test_a_window_is_cut_as_from_a_larger_image(window, outside, mode):
    picture, wide = noise(60, 50), 40
    cut = cut_out(Image.fromarray(picture), window, 24, outside)
    larger = np.pad(picture, ((wide, wide), (wide, wide), (0, 0)), mode)
    box = tuple(edge + wide for edge in window)
    same = Image.fromarray(larger).resize((24, 24), Image.BILINEAR, box=box)
    inner = np.s_[2:-2, 2:-2]  # at its edges Pillow looks at what is beyond a window
    np.testing.assert_array_equal(np.array(cut)[inner], np.array(same)[inner])
    if window == (-20, 10, 20, 50):
        plain = resized(larger[50:90, 20:60], 24, 24)
        np.testing.assert_allclose(np.array(cut)[inner], plain[inner], atol=1.1)


def test_a_box_around_a_whole_image_shows_the_image():
    image = Image.fromarray(noise(50, 50))
    cut = cut_out(image, box_window((0, 0, 50, 50), 0), 24)
    np.testing.assert_array_equal(np.array(cut), np.array(image.resize((24, 24), Image.BILINEAR)))


def test_a_square_around_a_long_box_takes_little_memory():
    image = Image.fromarray(noise(8000, 8))
    cut = cut_out(image, box_window((0, 0, 8000, 8), 2), 16)  # 40,000 pixels wide and high
    assert cut.size == (16, 16)


def test_the_square_has_the_middle_and_the_longer_side_of_its_box():
    assert box_window((10, 20, 30, 60), 0) == (0, 20, 40, 60)
    assert box_window((10, 20, 30, 60), 0.25) == (-10, 10, 50, 70)
    assert points_into(np.array([[9.5, 39.5]]), (-10, 10, 50, 70), 30).tolist() == [[9.5, 14.5]]


@pytest.mark.parametrize("box", [
    (3, 4, 3, 9), (3, 4, 9, 4), (9, 4, 3, 9), (np.nan, 0, 1, 1), (0, 0, np.inf, 1)])
def test_no_box(box):
    with pytest.raises(ValueError, match="left < right and top < bottom"):
        checked_box(box)


@pytest.mark.parametrize("box, told", [
    ((-10, 0, 10, 10), None), ((-11, 0, 10, 10), "more than half outside"),
    ((60, 0, 70, 10), "lies outside"), ((0, -9, 60, -1), "lies outside"),
    ((-1e300, -1e300, 1e300, 1e300), "lies"), ((0, 0, 121, 50), "more than half outside")])
def test_at_least_half_of_a_box_is_in_its_image(box, told):
    if told is None:
        require_inside(box, (60, 50))
        return
    with pytest.raises(ValueError, match=told):
        require_inside(box, (60, 50))


# Items of a data set

@pytest.mark.parametrize("outside", ["edge", "zero"])
@pytest.mark.parametrize("kind", WRITERS)
def test_dots_are_where_their_landmarks_say(root, kind, outside):
    WRITERS[kind](root)
    dataset = objects(root, "train" if kind == "csv" else "test", box_outside=outside)
    assert len(dataset) == 2 and dataset.landmarks.tolist() == [[list(at)] for at in DOTS]
    for index, (box, (x, y)) in enumerate(zip(BOXES, DOTS)):
        (left, top, right, _), item = box_window(box, MARGIN), dataset[index]
        scale = S / (right - left)
        expected = [(x + 0.5 - left) * scale - 0.5, (y + 0.5 - top) * scale - 0.5]
        np.testing.assert_allclose(item["keypts"][0], expected, atol=1e-4)
        np.testing.assert_allclose(centre_of_dot(item), expected, atol=0.05)


def test_without_landmarks_every_object_is_an_item(root):
    (root / "landmarks.csv").write_text(
        "file,xmin,ymin,xmax,ymax,score\n"
        + "".join(f"{name},{','.join(map(str, box))},0.5\n" for name in NAMES for box in BOXES))
    dataset = objects(root, "test", use_keypoints=False)
    name = dataset.paths[0].name  # by the hash of the names
    assert len(dataset) == 2 and dataset[0]["keypts"].shape == (0, 2)
    assert [dataset.label(n) for n in (0, 1)] == [f"{name}, box 1", f"{name}, box 2"]
    with pytest.raises(UserError, match="no landmarks yet"):
        objects(root)


@pytest.mark.parametrize("columns, box", [
    ("x0,y0,x1,y1", (100, 60, 220, 190)), ("x1,y1,x2,y2", (100, 60, 220, 190)),
    ("XMin,YMin,XMax,YMax", (100, 60, 220, 190)), ("xmin,xmax,ymin,ymax", (100, 220, 60, 190)),
    ("left,top,right,bottom", (100, 60, 220, 190)), ("x,y,w,h", (100, 60, 120, 130)),
    ("x,y,width,height", (100, 60, 120, 130)), ("bbox_x,bbox_y,bbox_w,bbox_h", (100, 60, 120, 130)),
    ("box left,box top,box width,box height", (100, 60, 120, 130))])
def test_columns_of_boxes(root, columns, box):
    text = f"file,{columns},heel_x,heel_y\na.png,{','.join(map(str, box))},151,120\n"
    (root / "landmarks.csv").write_text(text)
    (found,) = FolderListing(root, with_boxes=True).annotations.objects
    assert found.box == (100, 60, 220, 190) and found.landmarks.tolist() == [[151, 120]]


def test_numbered_landmarks_are_no_box(root):
    (root / "landmarks.csv").write_text("file,x0,y0,x1,y1,x2,y2\na.png,1,2,3,4,5,6\n")
    with pytest.raises(UserError, match="expected columns of boxes, such as x0, y0, x1, y1"):
        FolderListing(root, with_boxes=True)
    (root / "landmarks.csv").write_text(
        "file,bbox_x0,bbox_y0,bbox_x1,bbox_y1,x0,y0,x1,y1,x2,y2\na.png,7,8,9,10,1,2,3,4,5,6\n")
    (found,) = FolderListing(root, with_boxes=True).annotations.objects
    assert found.box == (7, 8, 9, 10) and found.landmarks.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_objects_of_an_image_belong_to_one_split(tmp_path):
    rows = []
    for number in range(40):
        save(noise(32, 24, number), tmp_path / f"{number}.png")
        rows += [[f"{number}.png", 4 * n, 2, 4 * n + 12, 14] for n in range(1 + number % 4)]
    with open(tmp_path / "landmarks.csv", "w", newline="") as file:
        csv.writer(file).writerows([["file", "x0", "y0", "x1", "y1"], *rows])
    splits = [objects(tmp_path, split, use_keypoints=False) for split in ("train", "test")]
    train, test = ({path.name for path in dataset.paths} for dataset in splits)
    assert train | test == {f"{n}.png" for n in range(40)} and not train & test
    assert sum(map(len, splits)) == len(rows)
    plain = LandmarkFolder(str(tmp_path), "train", S, annotation="none")
    assert train == {path.name for path in plain.paths}


def test_boxes_of_stored_photographs_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = Image.fromarray(scene())
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=exif)
    height, width = SIZE  # as stored
    turned = [(top, 600 - right, bottom, 600 - left) for left, top, right, bottom in BOXES]
    rows = [f"a.png,{width},{height},{','.join(map(str, box))},{y},{599 - x}"
            for box, (x, y) in zip(turned, DOTS)]
    header = "file,width,height,x0,y0,x1,y1,dot_x,dot_y"
    (tmp_path / "landmarks.csv").write_text("\n".join([header, *rows]))
    save(noise(30, 30), tmp_path / "b.png")
    annotations = FolderListing(tmp_path, with_boxes=True).annotations
    assert [found.box for found in annotations.objects] == [tuple(map(float, b)) for b in BOXES]
    assert [found.landmarks[0].tolist() for found in annotations.objects] == list(map(list, DOTS))
    assert annotations.notes[-1].startswith("boxes and landmarks of 1 image are turned upright")


def test_objects_without_all_landmarks_and_images_without_boxes_are_left_out(root):
    save(scene(), root / "c.png")
    (root / "landmarks.csv").write_text(
        "file,split,x0,y0,x1,y1,dot_x,dot_y\na.png,train,100,60,220,190,151,120\n"
        "a.png,train,430,300,600,400,,\ndeep/b.png,test,100,60,220,190,,\n")
    assert len(objects(root)) == 1
    plain = [objects(root, split, use_keypoints=False) for split in ("train", "test")]
    assert sum(map(len, plain)) == 3
    told = "\n".join(plain[0].describe())
    assert "data: left out: 1 image without a box" in told
    assert "3 objects, cut out by boxes as squares of 195 to 255 pixels (box_margin = 0.25)" in told
    assert "1 landmark of 1 object in 1 image" in told
    assert "2 of 3 objects lack a landmark and are left out where landmarks are used" in told


def test_coco_takes_the_category_with_keypoints_and_no_crowds(root):
    path = WRITERS["COCO"](root)
    lists = json.loads(path.read_text())
    lists["categories"].append({"id": 2, "name": "other"})
    extra = {"image_id": 0, "bbox": [1, 1, 20, 20]}
    lists["annotations"] += [{**extra, "id": 8, "category_id": 2},
                             {**extra, "id": 9, "category_id": 1},
                             {**extra, "id": 10, "category_id": 1, "iscrowd": 1}]
    path.write_text(json.dumps(lists))
    annotations = FolderListing(root, with_boxes=True).annotations
    assert len(annotations.objects) == 5 and annotations.faults == []
    assert "left out: 1 instance of categories without keypoints" in annotations.notes
    for instance in lists["annotations"]:
        instance.pop("keypoints", None)
    path.write_text(json.dumps(lists))
    with pytest.raises(UserError, match=r"expected one category with boxes, found \['object', 'ot"):
        FolderListing(root, with_boxes=True)


# Without boxes

def test_lists_with_boxes_are_read_as_before_unless_boxes_are_asked_for(root):
    WRITERS["imglab"](root)
    dataset = LandmarkFolder(str(root), "test", S, use_keypoints=True)
    assert len(dataset) == 1 and dataset.boxes is None
    whole = Image.fromarray(scene()).resize((S, S), Image.BILINEAR, box=(100, 0, 500, 400))
    np.testing.assert_array_equal(content(dataset[0]), np.array(whole))
    names = {"box_margin", "box_outside", "boxes", "labels", "places", "sizes"}
    assert not names & vars(LandmarkFolder(str(root), "test", S)).keys()  # what names caches


def test_a_csv_of_boxes_is_refused_by_name_where_they_are_not_asked_for(root):
    write_csv(root, columns=("xmin", "ymin", "xmax", "ymax"))
    with pytest.raises(UserError, match="'xmin' belongs to a box.*dataset.args.box_margin"):
        LandmarkFolder(str(root), "test", S, use_keypoints=True)


# Caches

def test_cached_items_are_the_same_and_other_boxes_have_other_caches(root, tmp_path):
    write_csv(root)
    dataset = objects(root)
    for cache in (ItemCache(dataset, in_memory),
                  ItemCache(dataset, CacheFolder(tmp_path / "cache", dataset))):
        for _ in range(2):
            for index in (1, 0):
                cached, item = cache[index], dataset[index]
                assert (cached["image"] == item["image"]).all()
                assert (cached["keypts"] == item["keypts"]).all()
    changed = [dataset, objects(root, box_margin=0.3), objects(root, box_outside="zero")]
    write_csv(root, boxes=(BOXES[0], (430, 300, 600, 399)))
    changed.append(objects(root))
    assert len(set(map(fingerprint, changed))) == 4


# Mistakes

BAD = {
    "outside": ((700, 60, 820, 190), "a.png: box from 700, 60 to 820, 190 lies outside of the "
                "image, which is 600 x 400 pixels"),
    "mostly outside": ((-200, 60, 100, 190), "lies more than half outside of the image"),
    "negative": ((220, 60, 100, 190), "expected finite numbers, left < right and top < bottom"),
    "empty": ((100, 60, 100, 190), "expected finite numbers, left < right and top < bottom"),
    "NaN": (("nan", 60, 220, 190), "expected finite numbers, left < right and top < bottom"),
    "text": (("ten", 60, 220, 190), "'ten' is no number"),
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", BAD)
def test_a_bad_box_is_one_line_in_training_and_in_the_check(root, tmp_path, capsys, kind, name):
    box, told = BAD[name]
    path = WRITERS[kind](root, boxes=(BOXES[0], box))
    where = {"csv": "line 3", "COCO": "annotation 1", "imglab": "image 1, box 2"}[kind]
    first = "train" if kind == "csv" else FolderListing(root, with_boxes=True).splits["a.png"]
    with pytest.raises(UserError) as caught:
        objects(root, first, use_keypoints=False)[1]
    text, beginning = str(caught.value), f"{path}, {where}: "
    assert text.startswith(beginning) and told in text and "\n" not in text
    code, printed = check(root, tmp_path, capsys)
    assert code == 2 and text.partition(" (1 more")[0] in printed.splitlines()


def check(root, tmp_path, capsys, *args):
    """Run misc/check_data.py; returns its exit code and what it printed."""
    dataset = {"type": "LandmarkFolder", "args": {"imwidth": S, "box_margin": MARGIN}}
    config = write_tiny_config(tmp_path / "configs/a/b.json", EMBEDDING, root, tmp_path,
                               dataset=dataset)
    args = ["--config", str(config), "--num_workers", "0", "--no_notes", *args]
    code = run_program(lambda: check_data.main(args))
    printed = capsys.readouterr()
    assert printed.err == ""
    return code, printed.out


def test_the_check_looks_at_every_object_and_its_own_square(root, tmp_path, capsys):
    path = write_csv(root)
    assert check(root, tmp_path, capsys)[1].splitlines()[-3:] == [
        "train: 2 objects, 0 of them with something wrong",
        "test: 2 objects, 0 of them with something wrong", "val: the test images"]
    write_csv(root, dots=(DOTS[0], DOTS[0]))  # the second one is outside of its box's square
    code, out = check(root, tmp_path, capsys, "--split", "train")
    assert code == 2 and out.splitlines()[-2:] == [
        f"{path}, line 3: landmark 1, (151, 120), is outside {root / 'a.png'}: 600 x 400 pixels, "
        "of which x = 387.5 to 641.5, y = 222.5 to 476.5 are used",
        "train: 2 objects, 1 of them with something wrong"]
    assert "2 images with landmarks outside of what is used of them" in out
    path.write_text("file,split,x0,y0,x1,y1,dot_x,dot_y\na.png,train,100,60,220,190,151,120\n"
                    "a.png,train,700,0,800,90,,\ndeep/b.png,test,1,1,9,9,,\n")
    code, out = check(root, tmp_path, capsys, "--split", "train")  # the second has no landmarks
    assert code == 2 and f"{path}, line 3: {root / 'a.png'}: box from 700, 0 to 800, 90" in out
    assert check(root, tmp_path, capsys, "--list_splits")[1] == (
        "file,split\na.png,train\ndeep/b.png,test\n")


@pytest.mark.parametrize("text, told", [
    ("file,x0,y0,x1,y1\n", "holds no boxes"),
    ("file,x0,y0,x1,y1\na.png,,,,\n", "holds no boxes"),
    ("file,x0,y0,x1,y1\na.png,0.1,0.2,0.5,0.9\n", "all boxes lie between 0 and 1: expected pixels"),
    ("file,x0,y0,x1,y1,dot_x,dot_y\na.png,,,,,3,4\n", "line 2: landmarks without a box"),
    ("file,x0,y0,x1,y1,a_x,a_y,b_x,b_y\na.png,,,,,3,4,,\n", "line 2: landmarks without a box"),
    ("file,split,x0,y0,x1,y1\na.png,train,1,1,9,9\na.png,test,1,1,9,9\n", "line 3: a.png has "
     "another split or size than in"),
    ("file,x0,y0,x1\na.png,1,2,3\n", "expected columns of boxes"),
    ("file,x0,y0,x1,y1\nz.png,1,1,9,9\n", "none of its boxes is in an image"),
])
def test_a_bad_list_is_one_line(root, text, told):
    (root / "landmarks.csv").write_text(text)
    with pytest.raises(UserError) as caught:
        objects(root, use_keypoints=False)
    assert told in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("args, told", [
    ({"box_margin": -0.1}, "box_margin = -0.1, expected 0 to 2"),
    ({"box_margin": 2.5}, "box_margin = 2.5, expected 0 to 2"),
    ({"box_outside": "white"}, "box_outside = 'white', expected one of edge, zero"),
    ({"annotation": "*.pts"}, ".pts files hold no boxes"),
    ({"annotation": "none"}, "box_margin takes boxes, but there is no list of boxes")])
def test_bad_arguments_are_one_line(root, args, told):
    write_csv(root)
    with pytest.raises((ValueError, UserError)) as caught:
        objects(root, **args)
    assert told in str(caught.value) and "\n" not in str(caught.value)
