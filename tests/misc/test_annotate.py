"""misc/annotate.py as users have it: a process, its page in a browser, clicks, and a list."""

import os

import pytest
from PIL import Image

from data_loader.annotation_files import read_csv
from misc import annotate
from misc.annotating.store import AnnotationStore
from tests.data_helpers.annotating import Annotator, program, served
from tests.data_helpers.browser import CHROMIUM, OVERFLOWING, browser_page
from tests.data_helpers.stand_ins import save_both
from tests.data_helpers.tiny_runs import write_image
from utils.cli import run_program

LABELS = ["heel", "toe", "<b>top</b>"]
MARKUP = "<img src=x onerror=alert(1)>.png"
SIZE = (40, 48)
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium found to open the page in")


@pytest.fixture(scope="module")
def embedding(tmp_path_factory):
    return save_both(tmp_path_factory.mktemp("models"))[0]


@pytest.fixture
def photos(tmp_path):
    """Ten images, one of a name with markup, one turned by its EXIF orientation."""
    folder = tmp_path / "photos"
    for number in range(9):
        write_image(folder / f"{number}.png", number)
    write_image(folder / MARKUP, 9)
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.open(folder / "0.png").rotate(90, expand=True)
    image.save(folder / "0.png", exif=exif)
    return folder


def near(row, points):
    """Return whether a row of the list has points, to a tenth of a pixel; None is not visible."""
    cells = [float(cell) for cell in row[3:]]
    flat = [value for point in points for value in (point or (-1, -1))]
    return len(cells) == len(flat) and all(abs(a - b) < 0.101 for a, b in zip(cells, flat))


@in_browser
def test_ten_images_are_annotated_by_clicks(photos, embedding, tmp_path):
    names = ",".join(LABELS)
    first = [(10.3, 12), (30, 40.5), (20, 25)]
    path, expected = photos / "landmarks.csv", {}
    with program(photos, "--names", names, "--model", embedding) as address:
        with browser_page(tmp_path / "one") as page:
            user = Annotator(page, address, SIZE)
            for point in first:
                page.drag(user.on_screen(point))
            expected[user.confirm()] = first
            assert user.text("told") == "1 of 10 confirmed"
            assert all(user.item["points"]) and user.item["name"] == user.text("name")
            page.press("1")
            page.press("x")  # the first point is not visible
            for k, point in ((1, (11, 33.4)), (2, (38.9, 2))):
                page.drag(user.mark(k), user.on_screen(point))
            assert user.mark(0) is None
            expected[user.confirm("b")] = None  # back, without confirming
            assert user.text("name") == list(expected)[0]
            user.confirm("n")
            second = user.confirm(" ")  # what was moved is still there
            expected[second] = [None, (11, 33.4), (38.9, 2)]
            assert user.text("told") == "2 of 10 confirmed; 0 of 3 proposals kept as they were"
            assert page.complaints == []
            assert page.evaluate("document.querySelector('#points b b, #where img') === null")
    rows = {row[0]: row for row in read_csv(path)[1:]}
    assert rows.keys() == expected.keys()
    assert all(near(rows[name], expected[name]) for name in expected)
    with program(photos, "--model", embedding, is_finished=True) as address:
        with browser_page(tmp_path / "two") as page:
            user = Annotator(page, address, SIZE)
            assert user.text("told") == "2 of 10 confirmed" and user.text("name") not in expected
            assert page.evaluate("[...document.querySelectorAll('#points b')]"
                                 ".map(name => name.textContent)") == LABELS
            for count in range(3, 11):
                expected[user.text("name")] = user.item["points"]
                user.page.press("Enter")
                page.wait_for(f"document.getElementById('told').textContent.startsWith('{count} ')")
                if count < 10:
                    user.wait(list(expected)[-1])
            page.wait_for("document.getElementById('done').open")
            assert user.text("summary") == \
                "10 of 10 confirmed; 24 of 24 proposals kept as they were"
            assert page.complaints == []
            user.click("#finish")
            page.wait_for("document.body.textContent.startsWith('The program has ended')")
    rows = {row[0]: row for row in read_csv(path)[1:]}
    assert rows.keys() == expected.keys() == set(os.listdir(photos)) - {"landmarks.csv"}
    assert all(near(rows[name], expected[name]) for name in expected)


@in_browser
def test_mouse_keys_and_fingers_do_what_the_help_says(photos, tmp_path):
    with served(photos, ["heel", "toe"], wanted=1) as server:
        with browser_page(tmp_path / "browser") as page:
            user = Annotator(page, server.address, SIZE)
            page.press("Enter")  # nothing is placed yet
            assert user.text("hint").startswith("Click the heel") and user.text("told")[0] == "0"
            page.drag(user.on_screen((5, 5)), user.on_screen((10, 20)))  # held until it is right
            page.drag(user.on_screen((30, 30)))
            assert is_at(user.mark(0), user.on_screen((10, 20)))
            page.press("1")
            page.drag(user.on_screen((12, 14)))  # a click moves the chosen point
            assert is_at(user.mark(0), user.on_screen((12, 14)))
            page.press("u")
            assert is_at(user.mark(0), user.on_screen((10, 20)))
            page.press("ArrowRight")
            (x, y), (left, top) = user.mark(0), user.on_screen((10, 20))
            assert 0.5 < x - left < 2 and abs(y - top) < 0.5
            page.press("r")
            assert user.mark(0) is None and user.mark(1) is None
            page.press("+")
            assert float(user.text("fit").split()[0]) > 0
            width = user.on_screen((39, 0))[0] - user.on_screen((0, 0))[0]
            page.press("0")
            assert width > 1.3 * (user.on_screen((39, 0))[0] - user.on_screen((0, 0))[0])
            page.resize(390, 800, touch=True)
            page.wait_for("document.getElementById('image').getBoundingClientRect().right <= 390")
            page.touch([user.on_screen((20, 20)), user.on_screen((22, 24))])
            page.touch([user.on_screen((30, 40))])
            assert is_at(user.mark(0), user.on_screen((22, 24)))
            assert is_at(user.mark(1), user.on_screen((30, 40)))
            before = user.on_screen((39, 0))[0] - user.on_screen((0, 0))[0]
            page.touch([(150, 300), (100, 300)], [(200, 300), (250, 300)])  # a pinch
            after = user.on_screen((39, 0))[0] - user.on_screen((0, 0))[0]
            assert 2 < after / before < 4
            assert is_at(user.mark(0), user.on_screen((22, 24)))  # it moves no point
            page.touch([(150, 300), (150, 300)], [(250, 300), (250, 300)], then=(150, 300))
            left, top = user.on_screen((22, 24))
            page.touch([(150, 300), (150, 300)], [(250, 300), (250, 300)], then=(156, 302))
            assert is_at(user.on_screen((22, 24)), (left + 6, top + 2))  # a finger that is left
            user.click("#confirm")
            page.wait_for("document.getElementById('done').open")
            assert page.complaints == []
    assert [float(cell) for cell in read_csv(photos / "landmarks.csv")[1][3:]] == \
        pytest.approx([22, 24, 30, 40], abs=0.15)


def is_at(place, expected):
    return max(abs(a - b) for a, b in zip(place, expected)) < 1


@in_browser
def test_the_page_fits_into_any_window(photos, tmp_path):
    names = [f"a point with a long name {n}" for n in range(30)]
    with served(photos, names) as server, browser_page(tmp_path / "browser") as page:
        user = Annotator(page, server.address, SIZE)
        for width, height in ((320, 500), (390, 800), (800, 400), (1600, 900)):
            for scheme in ("light", "dark"):
                page.resize(width, height, scheme)
                page.wait_for(f"innerWidth === {width}")
                spilling = [name for name in page.evaluate(OVERFLOWING) if "points" not in name]
                assert spilling == [] or width < 740  # there the list of points is pushed
                for name in ("#confirm", "#back", "#next", "#stage", "#help", "#told"):
                    box = page.evaluate(
                        "(box => [box.left, box.top, innerWidth - box.right, innerHeight - "
                        f"box.bottom, box.width])(document.querySelector('{name}')"
                        ".getBoundingClientRect())")
                    assert min(box[:4]) >= 0 and box[4] > 20, (name, width, height)
        assert user.text("told") == "0 of 10 confirmed" and page.complaints == []


@in_browser
def test_a_point_that_is_held_stays_in_its_image(photos, tmp_path):
    with served(photos, ["heel"]) as server, browser_page(tmp_path / "browser") as page:
        user = Annotator(page, server.address, SIZE)
        page.drag(user.on_screen((5, 5)))
        first = user.text("name")
        for n, key in enumerate(["Enter", "n", "b", "x", "u"]):
            page.drag(user.mark(0), user.on_screen((20 + n, 25)), key=key)
            assert user.text("name") == first and server.session.store.annotated == []
        user.confirm()
        assert server.session.store.points[first].tolist() == [[24, 25]]
        assert page.complaints == []


@in_browser
def test_what_was_moved_and_not_confirmed_is_kept_and_asked_for(photos, tmp_path):
    with served(photos, ["heel"]) as server, browser_page(tmp_path / "browser") as page:
        user = Annotator(page, server.address, SIZE)
        page.drag(user.on_screen((5, 5)))
        first = user.confirm()
        user.confirm("b")  # back, to the confirmed image
        assert user.text("hint").startswith("Confirmed and saved")
        page.press("ArrowRight")
        user.confirm("n")
        user.confirm("b")
        assert user.text("name") == first and user.text("hint").startswith("All points are placed")
        page.press("u")
        assert user.text("hint").startswith("Confirmed and saved")
        page.press("ArrowRight")
        page.press("?")
        user.click("#leave")
        page.wait_for("!document.getElementById('problem').hidden")
        assert "Changes in an image are not confirmed" in user.text("problem")
        page.press("Enter")
        page.wait_for("document.getElementById('problem').hidden")
        page.drag(user.on_screen((7, 7)))  # in the next image: this is asked for again
        page.press("?")
        user.click("#leave")
        page.wait_for("!document.getElementById('problem').hidden")
        page.press("?")
        user.click("#leave")
        page.wait_for("document.body.textContent.startsWith('The program has ended')")
        assert page.complaints == []


def test_nothing_is_learned_from_points_of_another_size(photos, capsys):
    (photos / "landmarks.csv").write_text(
        "file,width,height,heel_x,heel_y\n1.png,40,48,3,4\n2.png,80,96,3,4\n")
    assert annotate.learnable(AnnotationStore(photos)) == ["1.png"]
    assert capsys.readouterr().out == (
        "note: nothing is learned from 2.png: is 40 x 48 pixels, but its points were made on "
        "80 x 96\n")


@pytest.mark.parametrize("options, words", [
    (["none", "--names", "a"], "none: no such folder"),
    (["photos"], "--names: there is no list of points yet"),
    (["photos", "--names", "a,a"], "--names: a,a, expected different names"),
    (["photos", "--names", "a", "--model", "none.pth"], "none.pth"),
    (["photos", "--names", "a", "--annotation", "none.json"], "none.json"),
])
def test_mistakes_are_told_in_one_line(photos, capsys, monkeypatch, options, words):
    monkeypatch.chdir(photos.parent)
    assert run_program(lambda: annotate.main([*options, "--no_browser"])) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and words in told and told.count("\n") == 1


@pytest.mark.parametrize("options, words", [
    (["--names", "a,,b"], "'a,,b', expected names"),
    (["--port", "80"], "'80', expected a number from 1024"),
    (["--images", "0"], "'0', expected a whole number from 1"),
])
def test_mistakes_in_arguments(photos, capsys, options, words):
    with pytest.raises(SystemExit) as ended:
        annotate.main([str(photos), *options])
    assert ended.value.code == 2 and words in capsys.readouterr().err


@in_browser
def test_what_cannot_be_shown_or_saved_is_said(photos, tmp_path):
    with served(photos, ["heel"]) as server, browser_page(tmp_path / "browser") as page:
        user = Annotator(page, server.address, SIZE)
        (photos / "1.png").write_bytes(b"no image")
        user.confirm("n")
        assert "1.png: cannot read this image" in user.text("problem")
        assert user.text("hint").startswith("This image cannot be annotated")
        page.drag(user.on_screen((5, 5)))
        assert page.evaluate("document.getElementById('confirm').disabled")
        user.confirm("n")
        assert page.evaluate("document.getElementById('problem').hidden")
        page.drag(user.on_screen((5, 5)))
        (photos / "landmarks.csv").write_text("file,heel_x,heel_y\n")
        page.press("Enter")
        page.wait_for("!document.getElementById('problem').hidden")
        assert "another program has changed it" in user.text("problem")
        assert user.text("name") == "2.png" and user.mark(0)
        server.shutdown()
        server.server_close()
        page.press("n")
        page.wait_for("document.getElementById('problem').textContent.startsWith('The program has"
                      " ended; what was confirmed is saved')")
