"""misc/predict.py --boxes: objects of a list in, answers in pixels of whole images out."""

import csv

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

import inference
from data_loader import LandmarkFolder
from inference.view import Viewer
from misc import predict
from misc.predicting.photos import Source, read_photo
from tests.data_helpers.boxed_dots import BOXES, DOTS, NAMES, WRITERS, write_csv, write_scenes
from tests.data_helpers.pictures import centre_of_dot, noise, save
from tests.data_helpers.stand_ins import LightFinder, RampReader, save_both
from utils.cli import run_program

S, CROP, MARGIN = 96, 8, 0.25


@pytest.fixture
def photos(tmp_path):
    write_scenes(tmp_path / "photos")
    return tmp_path / "photos"


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Return a function that runs the program with a stand-in for the loaded model."""

    def run_main(model, *args):
        monkeypatch.setattr(inference, "load", lambda *args: model)
        arguments = ["model", *map(str, args), "--output", str(tmp_path / "out")]
        try:
            code = run_program(lambda: predict.main(arguments))
        except SystemExit as left:  # argparse's way
            code = left.code
        return code, capsys.readouterr(), tmp_path / "out"

    return run_main


@pytest.fixture
def finder():
    viewer = Viewer(S, CROP, box_margin=MARGIN)
    return inference.Model(torch.nn.Identity(), viewer, head=LightFinder())


def table(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("kind", WRITERS)
def test_dots_come_back_to_the_pixel(call, finder, photos, tmp_path, kind):
    path = WRITERS[kind](tmp_path)
    code, printed, out = call(finder, photos, "--boxes", path, "--no_pictures", "--batch_size", 3)
    assert (code, printed.out) == (0, f"4 objects: {out}\n"), printed.err
    header, *rows = table(out / "landmarks.csv")
    assert header == ["file", "width", "height", "bbox_x0", "bbox_y0", "bbox_x1", "bbox_y1",
                      "x0", "y0"]
    assert [row[0] for row in rows] == [name for name in NAMES for _ in BOXES]
    assert {(row[1], row[2]) for row in rows} == {("600", "400")}
    numbers = np.array([row[3:] for row in rows], float)
    np.testing.assert_allclose(numbers[:, :4], BOXES * 2)
    np.testing.assert_allclose(numbers[:, 4:], DOTS * 2, atol=0.05)


def test_the_table_is_a_data_set_of_objects(call, finder, photos, tmp_path):
    call(finder, photos, "--boxes", write_csv(tmp_path), "--no_pictures")
    (tmp_path / "out" / "landmarks.csv").rename(photos / "landmarks.csv")
    sets = [LandmarkFolder(photos, split, S, use_keypoints=True, box_margin=MARGIN)
            for split in ("train", "test")]
    for dataset in sets:
        np.testing.assert_allclose(dataset.boxes, BOXES)
        np.testing.assert_allclose(dataset.landmarks[:, 0], DOTS, atol=0.05)


def test_pictures_show_the_objects(call, finder, photos, tmp_path):
    code, _, out = call(finder, photos / "a.png", "--boxes", write_csv(tmp_path))
    assert code == 0
    pictures = sorted((out / "pictures").iterdir())
    assert [path.name for path in pictures] == ["a.png-1.png", "a.png-2.png"]
    for box, at in zip(BOXES, DOTS):
        photo = read_photo(Source("a.png", photos / "a.png", box, 1), finder, drawn=True)
        assert photo.source.label == "a.png, box 1" and photo.picture.shape[1:] in (
            (195, 195), (255, 255))
        place = photo.in_picture(torch.tensor([at], dtype=torch.float32))
        np.testing.assert_allclose(place[0], centre_of_dot({"image": photo.picture}), atol=0.05)


def test_a_point_of_one_object_is_found_in_the_others(call, photos, tmp_path):
    matcher = inference.Model(RampReader(), Viewer(S, box_margin=MARGIN))
    save(noise(600, 400), photos / "a.png")
    code, printed, out = call(
        matcher, photos, "--boxes", write_csv(tmp_path), "--reference", photos / "a.png",
        "--points", "151,120", "--no_pictures")
    assert code == 0, printed.err
    rows = table(out / "matches.csv")
    assert rows[0] == ["file", "box", "point", "x", "y", "score"]
    assert [row[:3] for row in rows[1:]] == [[n, b, "0"] for n in NAMES for b in "12"]
    assert float(rows[1][5]) > 0.999
    np.testing.assert_allclose([float(value) for value in rows[1][3:5]], [151, 120], atol=2)


def test_colours_of_objects(call, photos, tmp_path):
    matcher = inference.Model(RampReader(), Viewer(S, box_margin=MARGIN))
    code, _, out = call(matcher, photos / "a.png", "--boxes", write_csv(tmp_path))
    assert code == 0 and len(list((out / "pictures").iterdir())) == 2


def test_images_without_a_box_are_left_out(call, finder, photos, tmp_path):
    save(noise(50, 50), photos / "c.png")
    path = write_csv(tmp_path)
    code, printed, out = call(finder, photos, "--boxes", path, "--no_pictures")
    assert code == 0 and printed.out == (
        f"left out: 1 image without a box in {path}\n4 objects: {out}\n")


def test_a_bad_box_is_skipped_where_broken_images_are(call, finder, photos, tmp_path):
    path = write_csv(tmp_path, boxes=(BOXES[0], (900, 0, 950, 50)))
    code, printed, out = call(finder, photos, "--boxes", path, "--no_pictures")
    assert code == 2 and printed.err.count("\n") == 1
    assert f"{photos / 'a.png'}: box from 900, 0 to 950, 50 lies outside" in printed.err
    code, printed, out = call(finder, photos, "--boxes", path, "--no_pictures", "--skip_broken")
    assert code == 0 and f"2 objects, 2 skipped: {out}" in printed.out
    assert len(table(out / "landmarks.csv")) == 3


def test_boxes_of_a_smaller_copy_of_an_image_are_refused(call, finder, photos, tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("file,width,height,x0,y0,x1,y1\na.png,300,200,1,1,99,99\n")
    code, printed, _ = call(finder, photos, "--boxes", path)
    assert code == 2 and printed.err == (
        f"error: {photos / 'a.png'}: is 600 x 400 pixels, but its boxes were made on 300 x 200\n")


def test_boxes_of_a_turned_photograph_are_warned_of(call, finder, photos, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(noise(400, 400)).save(photos / "a.png", exif=exif)
    path = tmp_path / "boxes.csv"
    path.write_text("file,x0,y0,x1,y1\na.png,10,10,99,99\n")
    code, printed, _ = call(finder, photos, "--boxes", path, "--no_pictures")
    assert code == 0 and printed.out.startswith(
        f"note: {path}: 1 annotated image turned upright by EXIF orientation, such as a.png; ")


@pytest.mark.parametrize("text, told", [
    ("file,x0,y0,x1,y1\na.png,1,1,ten,9\n", "line 2: expected numbers ('ten' is no number)"),
    ("file,x0,y0,x1,y1\na.png,1,1,1,9\n", "line 2: box from 1, 1 to 1, 9: expected finite"),
    ("file,x0,y0,x1,y1\na.png,,,,\n", "holds no boxes"),
    ("file,x0,y0,x1,y1\nz.png,1,1,9,9\n", "none of its boxes is in 2 images"),
    ("file,x,y\na.png,1,1\n", "expected columns of boxes")])
def test_a_bad_list_is_one_line(call, finder, photos, tmp_path, text, told):
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    code, printed, _ = call(finder, photos, "--boxes", path)
    assert code == 2 and printed.err.count("\n") == 1 and told in printed.err
    assert printed.err.startswith("error: ") and str(path) in printed.err


@pytest.mark.parametrize("args, told", [
    (["--boxes", "boxes.txt"], "--boxes boxes.txt: expected one of .csv .tsv .json .xml"),
    (["--boxes", "absent.csv"], "absent.csv: "),
    (["--box_margin", "0.2"], "--box_margin goes with --boxes")])
def test_bad_arguments_are_one_line(call, finder, photos, args, told):
    code, printed, _ = call(finder, photos, *args)
    assert code == 2 and printed.err.count("\n") == 1 and told in printed.err


def test_points_outside_of_all_boxes_of_the_reference(call, photos, tmp_path):
    matcher = inference.Model(RampReader(), Viewer(S))
    code, printed, _ = call(matcher, photos, "--boxes", write_csv(tmp_path), "--reference",
                            photos / "a.png", "--points", "5,5")
    assert code == 2 and "none of its boxes holds all --points" in printed.err


def test_a_run_as_users_type_it(run_program, photos, tmp_path):
    _, landmarks = save_both(tmp_path)
    out = tmp_path / "out"
    finished = run_program("misc/predict.py", landmarks, photos, "--boxes", write_csv(tmp_path),
                           "--box_margin", "0.3", "--output", out, "--no_pictures")
    assert (finished.code, finished.stdout) == (0, f"4 objects: {out}\n"), finished.stderr
    model = inference.load(landmarks, box_margin=0.3)
    expected = model.landmarks(photos / "a.png", box=BOXES)
    found = np.array([row[7:] for row in table(out / "landmarks.csv")[1:3]], float)
    np.testing.assert_allclose(found, expected.flatten(1), atol=0.006)
