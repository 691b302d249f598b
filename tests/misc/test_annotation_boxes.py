"""Boxes in the annotator: lists in and out, what the server takes, proposals, and the page."""

import numpy as np
import pytest
import torch
from PIL import Image

import inference
from data_loader import LandmarkFolder
from data_loader.annotation_files import read_csv
from data_loader.landmark_formats.csv_columns import WRITTEN_BOX
from inference.view import Viewer
from misc import annotate
from misc.annotating import box_proposals
from misc.annotating.box_proposals import BoxEmbeddings, BoxProposer, load_box_proposer
from misc.annotating.box_store import BoxStore
from misc.annotating.proposals import Proposer
from misc.check_data import main as check_data
from tests.data_helpers import boxed_dots
from tests.data_helpers.annotating import Annotator, ask, program, served
from tests.data_helpers.boxed_dots import BOXES, DOTS, NAMES, SPLITS
from tests.data_helpers.browser import CHROMIUM, OVERFLOWING, browser_page
from tests.data_helpers.pictures import save
from tests.data_helpers.stand_ins import RampReader, ramp, save_both
from tests.data_helpers.tiny_runs import LANDMARKS, write_tiny_config
from utils.cli import run_program
from utils.errors import UserError

HEADER = ["file", "width", "height", *WRITTEN_BOX]
OBJECTS = [(box, [dot]) for box, dot in zip(BOXES, DOTS)]
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium found to open the page in")


@pytest.fixture
def folder(tmp_path):
    """Two large images, one in a folder of its own, of two objects each."""
    boxed_dots.write_scenes(tmp_path / "photos")
    return tmp_path / "photos"


def rows(folder):
    return read_csv(folder / "landmarks.csv")


def items(folder, split, names=True):
    """Return {label: (box, landmarks)} of what is trained on."""
    dataset = LandmarkFolder(folder, split, imwidth=40, use_keypoints=names, box_margin=0.2)
    landmarks = dataset.landmarks.tolist() if names else [None] * len(dataset)
    return {label: (tuple(box), found)
            for label, box, found in zip(dataset.labels, dataset.boxes.tolist(), landmarks)}


def test_what_is_written_is_what_a_training_cuts_out(folder):
    store = BoxStore(folder, ["dot", "other"])
    store.confirm("a.png", [((100.04, 60, 220, 190.06), [[151, 120], [1, 2.26]]),
                            ((430, 300, 700, 400.4), [[480, 353], [-0.5, 399.5]])])
    store.confirm("deep/b.png", [(BOXES[0], [[151, 120], [3, 4]]),
                                 (BOXES[1], [[480, 353], [np.nan] * 2])])
    assert rows(folder)[:3] == [
        [*HEADER, "dot_x", "dot_y", "other_x", "other_y"],
        ["a.png", "600", "400", "100", "60", "220", "190.1", "151", "120", "1", "2.3"],
        ["a.png", "600", "400", "430", "300", "600", "400", "480", "353", "-0.5", "399.5"]]
    found = items(folder, "train") | items(folder, "test")
    assert found == {"a.png, box 1": ((100, 60, 220, 190.1), [[151, 120], [1, 2.3]]),
                     "a.png, box 2": ((430, 300, 600, 400), [[480, 353], [-0.5, 399.5]]),
                     "b.png, box 1": (BOXES[0], [[151, 120], [3, 4]])}  # box 2 lacks a point
    again = BoxStore(folder)
    assert again.annotated == list(NAMES) and again.labels == ["dot", "other"]
    for name in NAMES:
        for (box, points), (box_before, before) in zip(again.objects[name], store.objects[name]):
            assert box == box_before
            np.testing.assert_array_equal(points, before)


def test_what_is_written_passes_the_check(folder, tmp_path, capsys):
    store = BoxStore(folder, ["dot", "other"])
    for name in NAMES:
        store.confirm(name, [(box, [(x, y), (x, y - 20)]) for box, (x, y) in zip(BOXES, DOTS)])
    config = write_tiny_config(tmp_path / "tiny.json", LANDMARKS, folder, tmp_path)
    arguments = ["--config", str(config), "--set", "dataset.args.box_margin=0.2"]
    assert run_program(lambda: check_data(arguments)) == 0
    out = capsys.readouterr().out
    assert "4 objects, cut out by boxes" in out and "note: " not in out


def test_boxes_alone(folder):
    store = BoxStore(folder)
    assert store.labels == [] and store.annotated == []
    for name in NAMES:
        store.confirm(name, [(box, np.empty((0, 2))) for box in BOXES])
    assert rows(folder)[:2] == [HEADER, ["a.png", "600", "400", "100", "60", "220", "190"]]
    assert BoxStore(folder).annotated == list(NAMES)
    assert [box for box, _ in items(folder, "train", names=False).values()] == list(BOXES)
    assert BoxStore(folder, ["dot"]).annotated == []  # their points are still to be placed


@pytest.mark.parametrize("kind", boxed_dots.WRITERS)
def test_boxes_of_a_list_can_be_corrected_and_the_others_stay(folder, kind):
    path = boxed_dots.WRITERS[kind](folder)
    before = path.read_bytes()
    store = BoxStore(folder)
    for name in NAMES:
        assert [(box, points.tolist()) for box, points in store.objects[name]] == \
            [(box, [list(dot)]) for box, dot in zip(BOXES, DOTS)]
    changed = (101.5, 60, 220, 190)
    store.confirm("a.png", [(changed, [DOTS[0]]), OBJECTS[1]])
    again = BoxStore(folder).objects
    assert [box for box, _ in again["a.png"]] == [changed, BOXES[1]]
    assert [box for box, _ in again["deep/b.png"]] == list(BOXES)
    kept = folder / "landmarks.csv.orig" if kind == "csv" else path
    assert kept.read_bytes() == before
    if kind == "csv":
        assert [row[:2] for row in rows(folder)[1:]] == \
            [[name, split] for name, split in zip(NAMES, SPLITS) for _ in BOXES]


def test_a_box_that_reaches_beyond_its_image_stays_until_it_is_drawn_anew(folder):
    beyond = (-20.25, 300, 100, 410)
    boxed_dots.write_csv(folder, boxes=(beyond, BOXES[1]))
    store = BoxStore(folder)
    store.confirm("a.png", [(beyond, [DOTS[0]]), ((-20, 300, 100, 410), [DOTS[1]])])
    assert [box for box, _ in BoxStore(folder).objects["a.png"]] == [beyond, (0, 300, 100, 400)]


@pytest.mark.parametrize("flag", [3, 6])
def test_boxes_are_those_of_the_upright_image(tmp_path, flag):
    exif = Image.Exif()
    exif[0x0112] = flag
    Image.new("RGB", (60, 40)).save(tmp_path / "a.jpg", exif=exif)
    width, height = (60, 40) if flag < 5 else (40, 60)
    BoxStore(tmp_path, ["tip"]).confirm("a.jpg", [((0, 1, width, height), [[2, 3]])])
    ((box, points),) = BoxStore(tmp_path).objects["a.jpg"]
    assert box == (0, 1, width, height) and points.tolist() == [[2, 3]]
    ((box, points),) = items(tmp_path, "train").values()
    assert box == (0, 1, width, height) and points == [[2, 3]]


def test_what_was_annotated_on_a_stored_image_is_turned_with_it(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right: its top is at the right then
    Image.new("RGB", (60, 40)).save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "landmarks.csv").write_text(
        "file,width,height,x0,y0,x1,y1,tip_x,tip_y\na.jpg,60,40,0,10,30,40,5,12\n")
    ((box, points),) = BoxStore(tmp_path).objects["a.jpg"]
    assert box == (0, 0, 30, 30) and points.tolist() == [[27, 5]]


def test_points_without_boxes_are_no_list_of_boxes(folder):
    (folder / "landmarks.csv").write_text("file,dot_x,dot_y\na.png,1,2\n")
    with pytest.raises(UserError, match="landmarks.csv: expected columns of boxes, such as x0"):
        BoxStore(folder)


def test_a_list_whose_only_box_was_removed_is_gone_on_with(folder):
    store = BoxStore(folder, ["dot"])
    store.confirm("a.png", OBJECTS[:1])
    store.confirm("a.png", [])
    again = BoxStore(folder)
    assert again.labels == ["dot"] and again.annotated == []
    with pytest.raises(UserError, match="landmarks.csv: holds no boxes"):
        LandmarkFolder(folder, "train", imwidth=40, box_margin=0.2)
    again.confirm("a.png", OBJECTS[:1])
    assert LandmarkFolder(folder, "train", imwidth=40, box_margin=0.2).boxes.tolist() == [
        list(BOXES[0])]


@pytest.mark.parametrize("objects, words", [
    ([], "expected an object, in a box"),
    ([{"points": [[1, 2]]}], "expected four numbers for each box"),
    ([{"box": None, "points": [[1, 2]]}], "expected four numbers for each box"),
    ([{"box": [1, 2, 3], "points": [[1, 2]]}], "expected four numbers for each box"),
    ([{"box": [1, 2, 3, "4"], "points": [[1, 2]]}], "expected four numbers for each box"),
    ([{"box": [1, 2, 3, 10**400], "points": [[1, 2]]}], "expected four numbers for each box"),
    ([{"box": [50, 60, 50, 90], "points": [[1, 2]]}], "expected finite numbers, left < right"),
    ([{"box": [50, 60, 50.04, 90], "points": [[1, 2]]}], "expected finite numbers, left < right"),
    ([{"box": [90, 60, 50, 90], "points": [[1, 2]]}], "expected finite numbers, left < right"),
    ([{"box": [700, 60, 800, 90], "points": [[1, 2]]}], "expected finite numbers, left < right"),
    ([{"box": [1, 2, 30, 40]}], "expected the points"),
    ([{"box": [1, 2, 30, 40], "points": []}], "expected 1 points in 600 x 400"),
    ([{"box": [1, 2, 30, 40], "points": [[1, 400]]}], "expected 1 points in 600 x 400"),
    ([{"box": [1, 2, 30, 40], "points": [[1, 2]]}, [1]], "expected a box and points"),
])
def test_no_objects_but_those_in_the_image_are_taken(folder, objects, words):
    with served(folder, ["dot"], boxes=True) as server:
        status, _, answer = ask(server, "confirm/0", {"objects": objects})
        assert status == 422 and words in answer["error"] and "\n" not in answer["error"]
    assert not (folder / "landmarks.csv").exists()


def test_boxes_that_are_no_numbers_are_refused(folder):
    with served(folder, ["dot"], boxes=True) as server:
        for body in (b'{"objects": [{"box": [NaN, 1, 2, 3], "points": [[1, 1]]}]}',
                     b'{"objects": [{"box": [0, 1, 1e999, 3], "points": [[1, 1]]}]}',
                     b'{"objects": {}}', b'{"points": [[1, 1]]}'):
            assert ask(server, "confirm/0", body)[0] in (400, 422)
        assert ask(server, "propose/0", {"box": [1, 2, 3]})[0] == 422
        assert ask(server, "propose/0", {"box": [1, 2, 30, 40]}, token="x")[0] == 403
        assert ask(server, "propose/2", {"box": [1, 2, 30, 40]})[0] == 404
        none = ask(server, "propose/0", {"box": [1, 2, 30, 40]})
        assert none[::2] == (200, {"points": None, "certainty": None})
    with served(folder, ["dot"]) as server:  # without boxes
        assert ask(server, "propose/0", {"box": [1, 2, 30, 40]})[0] == 404
    assert not (folder / "landmarks.csv").exists()


@pytest.fixture
def ramps(tmp_path):
    """Two black images with ramps in boxes, whose colours say where in the box a pixel is; returns
    the folder and {name: boxes}.
    """
    boxes = {"a.png": [(40, 30, 120, 110)], "b.png": [(150, 60, 210, 120), (20, 100, 120, 200)]}
    for name in boxes:
        picture = np.zeros((200, 300, 3), np.uint8)
        for left, top, right, bottom in boxes[name]:
            picture[top:bottom, left:right] = ramp(right - left, bottom - top)
        save(picture, tmp_path / name)
    return tmp_path, boxes


def ramp_proposer(folder, objects):
    model = inference.Model(RampReader(), Viewer(60, 10, box_margin=0.25))  # shows the box itself
    return BoxProposer(BoxEmbeddings(model, lambda name: folder / name), objects)


def shares(points, box):
    """Return points in pixels of an image as shares of a box's sides."""
    return (np.add(points, 0.5) - box[:2]) / np.subtract(box[2:], box[:2])


def test_points_are_proposed_where_they_are_in_another_box(ramps):
    folder, boxes = ramps
    ((here,), others), points = boxes.values(), [[59.5, 49.5], [99.5, 89.5]]
    with served(folder, ["one", "two"], ramp_proposer(folder, {}), boxes=True) as server:
        assert ask(server, "propose/1", {"box": others[0]})[2]["points"] is None
        content = {"objects": [{"box": here, "points": points}]}
        assert ask(server, "confirm/0", content)[0] == 200
        found = [ask(server, "propose/1", {"box": box})[2]["points"] for box in others]
        for box, proposed in zip(others, found):
            np.testing.assert_allclose(
                shares(proposed, box), shares(points, here), atol=0.6 / 40)
        found[1][0][0] += 1
        kept = [{"box": box, "points": proposed} for box, proposed in zip(others, found)]
        _, _, answer = ask(server, "confirm/1", {"objects": kept})
        assert (answer["offered"], answer["kept"], answer["next"]) == (4, 3, None)


def test_a_correction_replaces_what_was_learned_of_an_image(ramps):
    folder, boxes = ramps
    ((here,), (other, _)) = boxes.values()
    proposer = ramp_proposer(folder, {"a.png": [(here, np.array([[100.0, 100.0]]))]})
    proposer.propose("b.png", other)
    proposer.learn("a.png", [(here, np.array([[59.5, 49.5]]))])
    found, _ = proposer.propose("b.png", other)
    np.testing.assert_allclose(shares(found, other), [[0.25, 0.25]], atol=0.6 / 40)


def test_what_was_learned_is_learned_anew_only_when_there_is_twice_as_much(ramps, monkeypatch):
    folder, boxes = ramps
    here, other, made = boxes["a.png"][0], boxes["b.png"][0], []
    monkeypatch.setattr(box_proposals, "Proposer",
                        lambda *args: made.append(Proposer(*args)) or made[-1])
    monkeypatch.setattr(box_proposals, "MOST_LEARNED", 5)
    proposer = ramp_proposer(folder, {})
    copies = [tuple(np.add(here, 0.01 * n)) for n in range(6)]  # as good as the box itself
    for count in range(1, 7):
        proposer.learn("a.png", [(box, np.array([[59.5, 49.5]])) for box in copies[:count]])
        found, _ = proposer.propose("b.png", other)
        np.testing.assert_allclose(shares(found, other), [[0.25, 0.25]], atol=0.6 / 40)
    assert len(made) == 3  # of one object, of two and of four
    assert len(made[-1]._confirmed) == 5


@pytest.mark.parametrize("margin, expected", [(None, 0.2), (0, 0), (0.5, 0.5)])
def test_a_model_of_whole_images_is_shown_a_margin(folder, tmp_path, margin, expected):
    path = save_both(tmp_path / "models")[0]
    embed = load_box_proposer(BoxStore(folder), [], path, margin=margin)._embed
    seen = embed(("a.png", BOXES[0]))
    model = inference.load(path, box_margin=expected)
    torch.testing.assert_close(
        seen.descriptors, model.embed(folder / "a.png", box=BOXES[0]).descriptors)


def test_a_margin_goes_with_boxes_and_a_model(folder, capsys):
    for options in (["--model", "a.pth"], ["--boxes"]):
        with pytest.raises(SystemExit) as ended:
            annotate.main([str(folder), "--names", "a", "--box_margin", "0.2", *options])
        assert ended.value.code == 2 and "--box_margin goes with" in capsys.readouterr().err


def test_a_margin_out_of_range_is_told_in_one_line(folder, tmp_path, capsys):
    path = save_both(tmp_path / "models")[0]
    options = ["--boxes", "--names", "a", "--model", str(path), "--box_margin", "3"]
    assert run_program(lambda: annotate.main([str(folder), *options, "--no_browser"])) == 2
    told = capsys.readouterr().err
    assert told == "error: box_margin = 3, expected 0 to 2\n"


@in_browser
def test_objects_of_a_large_image_are_framed_by_drags(folder, tmp_path):
    path, size = folder / "landmarks.csv", (3000, 2000)
    for name in NAMES:
        Image.new("RGB", size, "grey").save(folder / name)
    with program(folder, "--boxes", "--names", "heel,toe") as address:
        with browser_page(tmp_path / "one") as page:
            user = Annotator(page, address, size)
            left, top = user.on_edge((500, 400))
            page.drag((left, top))  # a click is no box, nor is a line
            page.drag((left, top), (left + 50, top + 3))
            page.press("Enter")
            assert user.text("hint").startswith("Frame the object") and user.frames == []
            page.drag(user.on_edge((500, 400)), user.on_edge((1500, 1200)))
            page.drag(user.on_edge((1500, 800)), user.on_edge((1700, 850)))  # its right edge
            page.drag(user.on_edge((500, 400)), user.on_edge((450, 300)))  # a corner
            page.drag(user.on_screen((600, 700)))
            page.drag(user.on_screen((1000.5, 900)))
            page.press("a")
            page.drag(user.on_edge((2900, 1900)), user.on_edge((2000, 2100)))
            page.press("u")
            page.drag(user.on_edge((2900, 1900)), user.on_edge((2000, 1300)))
            page.press("Enter")
            assert user.text("hint") == "Click the heel, or say that it is not visible."
            page.drag(user.on_screen((2500, 1500)))
            page.press("x")
            user.confirm()
            assert page.complaints == []
    header, *found = rows(folder)
    expected = [[450, 300, 1700, 1200, 600, 700, 1000.5, 900],
                [2000, 1300, 2900, 1900, 2500, 1500, -1, -1]]
    assert header == [*HEADER, "heel_x", "heel_y", "toe_x", "toe_y"]
    assert [row[:3] for row in found] == [["a.png", "3000", "2000"]] * 2
    np.testing.assert_allclose(np.float64([row[3:] for row in found]), expected, atol=0.2)
    with served(folder, None, boxes=True) as server, browser_page(tmp_path / "two") as page:
        user = Annotator(page, server.address, size)
        assert user.text("told") == "1 of 2 confirmed" and user.text("name") == NAMES[1]
        user.confirm("b")  # back, to the image that is confirmed
        before = path.read_bytes()
        np.testing.assert_allclose(user.frames, np.float64([row[3:7] for row in found]), atol=0.5)
        page.press("o")
        page.press("d")
        user.confirm()
        assert rows(folder) == [header, found[0]] and path.read_bytes() != before


@in_browser
def test_the_last_box_of_an_image_can_be_removed(folder, tmp_path):
    store = BoxStore(folder, ["dot"])
    store.confirm("a.png", [OBJECTS[0]])
    with pytest.raises(UserError, match="b.png: expected an object, in a box"):
        store.confirm(NAMES[1], [])
    store.confirm(NAMES[1], [OBJECTS[1]])
    with served(folder, None, boxes=True) as server, browser_page(tmp_path / "browser") as page:
        user = Annotator(page, server.address, (600, 400))
        page.wait_for("document.getElementById('done').open")  # all are annotated
        user.click("#stay")
        page.press("d")
        assert user.text("hint").startswith("No object is left")
        page.press("Enter")  # it is the next one to be annotated
        page.wait_for("document.getElementById('told').textContent === '1 of 2 confirmed'")
        assert page.complaints == []
    assert rows(folder)[1] == ["a.png", "600", "400", *[""] * 6]
    assert BoxStore(folder).annotated == [NAMES[1]]


@in_browser
def test_boxes_alone_are_drawn(folder, tmp_path):
    with served(folder, None, boxes=True) as server, browser_page(tmp_path / "browser") as page:
        user = Annotator(page, server.address, (600, 400))
        page.drag(user.on_edge((220, 190)), user.on_edge((100, 60)))
        for key in ("x", "1", "ArrowLeft"):  # of points
            page.press(key)
        page.drag(user.on_screen((400, 300)))
        page.press("f")
        page.press("a")
        page.drag(user.on_edge((100, 60)), user.on_edge((300, 200)))
        page.drag(user.on_edge((300, 100)), user.on_edge((250, 100)))  # anywhere at an edge
        user.confirm()
        page.press("Enter")
        assert user.text("hint").startswith("Frame the object") and user.text("told")[0] == "1"
        assert page.complaints == []
    assert rows(folder) == [HEADER, ["a.png", "600", "400", "100", "60", "250", "200"]]


@in_browser
def test_a_finger_frames_an_object_and_points_are_proposed(ramps, tmp_path):
    folder, boxes = ramps
    learned = {"a.png": [(boxes["a.png"][0], np.array([[59.5, 49.5], [99.5, 89.5]]))]}
    BoxStore(folder, ["one", "two"]).confirm("a.png", learned["a.png"])
    with served(folder, None, ramp_proposer(folder, learned), boxes=True) as server:
        with browser_page(tmp_path / "browser") as page:
            page.resize(390, 800, touch=True)
            user = Annotator(page, server.address, (300, 200), window=None)
            page.touch([user.on_edge((150, 60)), user.on_edge((180, 90)), user.on_edge((210, 120))])
            page.wait_for("document.querySelectorAll('.mark.proposed:not([hidden])').length === 2")
            assert user.text("hint").startswith("Proposed")
            spilling = page.evaluate(OVERFLOWING)  # what is drawn on the image is cut at its stage
            assert not [name for name in spilling if not name.startswith(("DIV fr", "BUTTON mark"))]
            user.click("#confirm")
            page.wait_for("document.getElementById('done').open")
            assert user.text("summary") == \
                "2 of 2 confirmed; 2 of 2 proposals kept as they were"
            assert page.complaints == []
    (row,) = [row for row in rows(folder) if row[0] == "b.png"]
    np.testing.assert_allclose(
        np.float64(row[3:]), [150, 60, 210, 120, 164.5, 74.5, 194.5, 104.5], atol=1.5)
