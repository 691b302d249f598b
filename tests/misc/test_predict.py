"""misc/predict.py: files and folders in, csv and pictures out; nothing half-written."""

import csv
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import inference
from data_loader import LandmarkFolder
from data_loader.images import size_as_seen
from inference.matching import PROTOCOLS
from inference.model import BATCH_SIZE
from inference.view import Viewer
from misc import predict
from misc.predicting.photos import Source, find_images, read_photo
from misc.predicting.results import read_points
from misc.predicting.tasks import ColourTask
from tests.data_helpers.stand_ins import (
    RampReader,
    ramp,
    save_both,
    save_tiny_checkpoint,
    tiny_networks,
)
from tests.data_helpers.tiny_runs import LANDMARKS, write_image, write_landmark_folder
from utils.cli import run_program
from utils.drawing.galleries import PrincipalColours
from utils.errors import UserError

NAMES = ["a.png", "nested/b.jpg", "nested/deep/c.PNG"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Paths of an untrained embedding and of a landmark model."""
    return save_both(tmp_path_factory.mktemp("models"))


@pytest.fixture
def images(tmp_path):
    """A folder of three images of different sizes in nested folders."""
    folder = tmp_path / "photos"
    for seed, name in enumerate(NAMES):
        write_image(folder / name, seed, (40 + 10 * seed, 60))
    return folder


@pytest.fixture
def call(tmp_path, capsys):
    """Return a function that runs the program; returns exit code, output and where it wrote."""

    def run_main(*args):
        arguments = [*map(str, args), "--output", str(tmp_path / "out")]
        code = run_program(lambda: predict.main(arguments))
        return code, capsys.readouterr(), tmp_path / "out"

    return run_main


def table(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def written(folder):
    """Return the names of all files in a folder."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_landmarks_of_a_folder_become_a_data_set(call, models, images, tmp_path):
    code, printed, out = call(models[1], images, "--batch_size", "2")
    assert (code, printed.out) == (0, f"3 images: {out}\n")
    assert written(out) == ["landmarks.csv", *(f"pictures/{name}.png" for name in NAMES)]
    rows = table(out / "landmarks.csv")
    assert rows[0] == ["file", "width", "height", "x0", "y0", "x1", "y1", "x2", "y2"]
    assert [tuple(map(int, row[1:3])) for row in rows[1:]] == [
        size_as_seen(images / row[0]) for row in rows[1:]]
    model = inference.load(models[1])
    shutil.move(images, tmp_path / "data" / "images")
    shutil.copy(out / "landmarks.csv", tmp_path / "data")
    dataset = LandmarkFolder(tmp_path / "data", "train", 32, use_keypoints=True)
    assert len(dataset) >= 2  # of three, by the hash of their names
    for path, points in zip(dataset.paths, dataset.landmarks):
        np.testing.assert_allclose(points, model.landmarks(path).numpy(), atol=0.006)


@pytest.mark.parametrize("columns", [
    "x0,y0,x1,y1,x2,y2", "left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y",
    "Eye X,Eye Y,x_nose,y_nose,X,Y"])
def test_the_columns_are_those_of_the_training_s_table(
        train, landmark_config, models, call, images, tmp_path, columns):
    root = write_landmark_folder(tmp_path / "faces", 8, 4)
    _, rows = (root / "landmarks.csv").read_text().split("\n", 1)
    (root / "landmarks.csv").write_text(f"file,split,{columns}\n{rows}")
    trained = train(landmark_config(root), "--mini_train", "--resume", models[0])
    code, _, out = call(trained.folder, images, "--no_pictures")
    assert code == 0 and table(out / "landmarks.csv")[0][3:] == columns.split(",")


def test_names_of_other_formats_make_columns_that_can_be_read(call, images, tmp_path):
    _, network = tiny_networks()
    names = ["left eye", "y1", "1"]  # COCO's, imglab's or .pts files'
    path = save_tiny_checkpoint(tmp_path / "a.pth", network, LANDMARKS, landmark_names=names)
    assert inference.load(path).landmark_names == names
    code, _, out = call(path, images, "--no_pictures")
    assert code == 0 and table(out / "landmarks.csv")[0][3:] == [
        "left eye_x", "left eye_y", "x1", "y1", "1_x", "1_y"]
    shutil.move(images, tmp_path / "data" / "images")
    shutil.copy(out / "landmarks.csv", tmp_path / "data")
    dataset = LandmarkFolder(tmp_path / "data", "train", 32, use_keypoints=True)
    assert dataset.listing.annotations.names == ["left eye_x", "x1", "1_x"]


@pytest.mark.parametrize("names", ["abc", ["a", "b"], [1, 2, 3], ["\ud800", "", "a\nb"], {"a": 1}])
def test_names_that_are_none_are_numbers(call, images, tmp_path, names):
    path = save_tiny_checkpoint(tmp_path / "a.pth", tiny_networks()[1], LANDMARKS,
                                landmark_names=names)
    code, _, out = call(path, images, "--no_pictures")
    assert code == 0
    assert table(out / "landmarks.csv")[0][3:] == ["x0", "y0", "x1", "y1", "x2", "y2"]


def test_a_run_as_users_type_it(run_program, models, images, tmp_path):
    out = tmp_path / "out"
    finished = run_program("misc/predict.py", models[0], images / "nested", images / "a.png",
                           "--output", out, "--reference", images / "a.png",
                           "--points", "10,20", "25.5,31")
    assert (finished.code, finished.stdout) == (0, f"3 images: {out}\n"), finished.stderr
    rows = table(out / "matches.csv")
    assert rows[0] == ["file", "point", "x", "y", "score"] and len(rows) == 1 + 3 * 2
    assert [row[:2] for row in rows[5:]] == [["a.png", "0"], ["a.png", "1"]]
    assert float(rows[5][4]) == pytest.approx(1) and float(rows[5][2]) == pytest.approx(10, abs=1)
    model = inference.load(models[0])
    points, scores = model.match(images / "a.png", images / NAMES[1], [[10, 20], [25.5, 31]])
    found = [list(map(float, row[2:])) for row in rows[1:3]]
    np.testing.assert_allclose(found, torch.cat([points, scores[:, None]], 1), atol=0.0051)
    with Image.open(out / "pictures" / "nested" / "deep" / "c.PNG.png") as picture:
        assert picture.format == "PNG" and min(picture.size) > 300


def test_points_from_a_file_and_the_published_protocol(call, models, images, tmp_path):
    points = tmp_path / "points.csv"
    points.write_text("\ufeffx,y\r\n10,20\r\n30,40\r\n")
    args = (models[0], images / "a.png", "--reference", images / "nested/b.jpg", "--no_pictures")
    code, _, out = call(*args, "--points", points, "--protocol", "published")
    assert code == 0 and written(out) == ["matches.csv"]
    expected, _ = inference.load(models[0]).match(
        images / "nested/b.jpg", images / "a.png", [[10, 20], [30, 40]], "published")
    assert [row[2:4] for row in table(out / "matches.csv")[1:]] == [
        [f"{x:.2f}", f"{y:.2f}"] for x, y in expected.tolist()]


def test_a_point_outside_the_reference_is_an_error(call, models, images):
    reference = images / "a.png"  # 40 x 60
    code, printed, out = call(models[0], images, "--reference", reference,
                              "--points", "10,20", "300,25")
    assert (code, printed.err) == (2, f"error: --points, of {reference}: point 300,25: outside the "
                                      "image, which is 40x60 pixels\n")
    assert not out.exists()


def test_points_in_the_border_are_told_once(call, models, images):
    def match(name, *points):
        return call(models[0], images, "--reference", images / name, "--no_pictures",
                    "--points", *points)

    square = ("nested/deep/c.PNG", "6,30", "8,30", "30.5,53", "30,51")  # 7.5 of 60 pixels are cut
    code, printed, out = match(*square)
    told, end = printed.out.splitlines()
    assert code == 0 and end == f"3 images: {out}"
    assert told.startswith("--points 6,30 30.5,53: in the border ")
    assert told.endswith(" (--whole shows it)")
    assert match(*square, "--whole")[1].out == f"3 images: {out}\n"
    told, _ = match("a.png", "20,8", "20,30")[1].out.splitlines()  # 40 x 60, cut to a square
    assert told.startswith("--points 20,8: in the border ") and "--whole" not in told


def test_an_embedding_alone_gives_colours(call, models, images):
    code, _, out = call(models[0], images, "--whole")
    assert code == 0 and written(out) == [f"pictures/{name}.png" for name in NAMES]


def test_colours_are_shared_and_lie_where_the_cells_are(tmp_path):
    model = inference.Model(RampReader(), Viewer(100, 15))
    for name, size in (("a", (60, 90)), ("b", (90, 60))):
        Image.fromarray(ramp(*size)).save(tmp_path / f"{name}.png")
    photos = [read_photo(Source(n, tmp_path / f"{n}.png"), model, drawn=True) for n in "ab"]
    task = ColourTask(model, photos)
    shown = [task.figure(*pair).axes[1].images[0] for pair in zip(photos, task.predict(photos))]
    arrays = [np.asarray(image.get_array()) for image in shown]
    assert arrays[0].std() > 0.1
    np.testing.assert_allclose(*arrays, atol=0.05)  # the same places of both have one colour
    # The middles of the outer cells are pixels 15 and 83 of 100 x 100; a cell is two wide.
    np.testing.assert_allclose(shown[0].get_extent(), np.array([0.145, 0.845, 0.845, 0.145])
                               * [60, 60, 90, 90] - 0.5, atol=0.01)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_descriptors_of_few_dimensions_have_colours(channels):
    maps = torch.rand(2, channels, 4, 5)
    colours = PrincipalColours(maps)(maps[:1])
    assert colours.shape == (1, 3, 4, 5)
    assert [bool((c != 0.5).any()) for c in colours[0]] == [n < channels for n in range(3)]


def test_large_images_are_drawn_smaller_with_their_points(tmp_path):
    Image.fromarray(ramp(2400, 600)).save(tmp_path / "a.png")
    model = inference.Model(RampReader(), Viewer(100))
    photo = read_photo(Source("a", tmp_path / "a.png"), model, True)
    assert photo.picture.shape == (3, 250, 1000)
    assert photo.in_picture(torch.tensor([2399.5, 599.5])).tolist() == pytest.approx([999.5, 249.5])
    assert photo.in_picture(torch.tensor([-0.5, -0.5])).tolist() == pytest.approx([-0.5, -0.5])


def test_an_output_that_is_a_file_is_told_before_anything_is_predicted(
        call, models, images, tmp_path, monkeypatch):
    (tmp_path / "out").write_text("mine")
    monkeypatch.setattr(inference.Model, "landmarks", None)
    code, printed, out = call(models[1], images, "--no_pictures")
    assert code == 2 and printed.err.startswith(f"error: {out}: ") and out.read_text() == "mine"


def test_one_image_is_one(call, models, images):
    code, printed, out = call(models[1], images / "a.png", "--no_pictures")
    assert (code, printed.out) == (0, f"1 image: {out}\n")


def test_a_broken_image_stops_it_or_is_skipped(call, models, images):
    (images / "broken.png").write_bytes((images / "a.png").read_bytes()[:99])
    for model in models:
        code, printed, out = call(model, images)
        assert code == 2 and printed.err.strip().startswith(
            f"error: {images / 'broken.png'}: cannot read this image")
        assert printed.err.endswith(" (--skip_broken leaves such images out)\n")
        assert not (out / "landmarks.csv").exists()
        code, printed, out = call(model, images, "--skip_broken", "--batch_size", "1")
        assert code == 0 and printed.out.count(f"skipped: {images / 'broken.png'}") == 1
        assert printed.out.endswith(f"3 images, 1 skipped: {out}\n")
    assert [row[0] for row in table(out / "landmarks.csv")[1:]] == NAMES


def test_nothing_but_broken_images(call, models, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    for model in models:
        code, printed, out = call(model, tmp_path / "a.png", "--skip_broken")
        assert code == 2 and "none of the images can be read" in printed.err and not out.exists()


def test_where_nothing_can_be_written(call, models, images, tmp_path):
    (tmp_path / "out").write_text("a file")
    code, printed, _ = call(models[1], images)
    assert code == 2 and f"{tmp_path / 'out'}" in printed.err and "Traceback" not in printed.err


def test_names_are_relative_to_what_is_shared(tmp_path, monkeypatch):
    for name in ("x/1.png", "x/2.JPG", "x/notes.txt", "y/z/1.png", "x/out/1.png.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "x" / "out"
    assert list(find_images(["x"], out)) == ["1.png", "2.JPG"]
    assert list(find_images(["x", "y", "x/1.png"], "elsewhere")) == [
        "x/1.png", "x/2.JPG", "x/out/1.png.png", "y/z/1.png"]
    assert find_images(["x/notes.txt"], out) == {"notes.txt": tmp_path / "x/notes.txt"}
    assert list(find_images(["x/1.png", "y/z/1.png"], out)) == ["x/1.png", "y/z/1.png"]
    with pytest.raises(UserError, match="none.png: no such file or folder"):
        find_images(["none.png"], out)
    with pytest.raises(UserError, match="no images"):
        find_images(["empty"], out)
    for place in ("x", "x/out"):
        with pytest.raises(UserError, match=f"--output {out.parent}: holds the images of"):
            find_images([place], out.parent)


@pytest.mark.parametrize("texts, part", [
    (["1;2", "3,4"], "--points 1;2: found '1;2'"), (["1,2,3"], "two numbers"), (["a,b"], "a,b"),
    (["absent.csv"], "absent.csv: cannot read"), (["1,nan"], "--points 1,nan: found '1,nan'"),
    (["4_0,2"], "found '4_0,2', expected x,y: two numbers"), (["1,inf"], "found '1,inf'"),
    (["1,"], "found '1,', expected x,y")])
def test_points_that_are_none(texts, part):
    with pytest.raises(UserError) as caught:
        read_points(texts)
    assert part in str(caught.value)


@pytest.mark.parametrize("text", ["3,4.5\n", "x,y\n3,4.5\n", "\ufeffX, Y\r\n\r\n3,4.5\r\n"])
def test_a_file_of_points(tmp_path, text):
    (tmp_path / "p.csv").write_text(text)
    assert read_points([str(tmp_path / "p.csv")]).tolist() == [[3, 4.5]]


def test_an_empty_file_of_points(tmp_path):
    (tmp_path / "p.csv").write_text("x,y\n\n")
    with pytest.raises(UserError, match="p.csv: holds no points"):
        read_points([str(tmp_path / "p.csv")])


def test_pictures_of_long_names_are_all_there(call, models, tmp_path):
    folder = tmp_path / "photos"
    stems = [letter * 127 + "é" * 61 + last for letter in "ab" for last in "xy"]
    for seed, stem in enumerate(stems):
        write_image(folder / f"{stem}.jpg", seed)  # 254 bytes and ".png" do not fit
    code, _, out = call(models[1], folder)
    assert code == 0
    pictures = written(out / "pictures")
    assert len(pictures) == 4 and all(name.endswith(".png") for name in pictures)
    assert sorted(name[:127] for name in pictures) == ["a" * 127] * 2 + ["b" * 127] * 2
    assert max(len(name.encode()) for name in pictures) <= 255
    assert [row[0] for row in table(out / "landmarks.csv")[1:]] == [f"{s}.jpg" for s in stems]


def test_arguments_that_do_not_go_together(call, models, images, capsys):
    with pytest.raises(SystemExit):
        call(models[0], images, "--points", "1,2")
    assert "--points and --reference go together" in capsys.readouterr().err
    code, printed, _ = call(models[0], images, "--no_pictures")
    assert code == 2 and "--no_pictures" in printed.err
    code, printed, _ = call(models[0], images, "--points", "1,2", "--reference", "absent.jpg")
    assert code == 2 and "absent.jpg: cannot read" in printed.err
    assert "--skip_broken" not in printed.err  # which would not help


def test_the_options_are_those_of_the_module():
    assert predict.PROTOCOLS == tuple(PROTOCOLS) and predict.BATCH_SIZE == BATCH_SIZE
