"""misc/annotate.py as a user has it: a process, its page in a browser, clicks, and what is written."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from PIL import Image

from data_loader.annotation_files import read_csv
from misc import annotate
from tests.data_helpers.browser import CHROMIUM, OVERFLOWING, browser_page
from tests.data_helpers.stand_ins import save_both
from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT, write_image
from utils.cli import run_program

LABELS = ["heel", "toe", "<b>top</b>"]
MARKUP = "<img src=x onerror=alert(1)>.png"
SIZE = (40, 48)
READY = "document.querySelector('#image').naturalWidth > 0 && !document.querySelector('#confirm[busy]')"
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


@contextmanager
def program(folder, *options):
    """Run the program; yields its address. It ends by Ctrl-C, unless the page has ended it."""
    process = subprocess.Popen(
        [sys.executable, "misc/annotate.py", folder, "--no_browser", *map(str, options)],
        cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline()]
        while lines[-1].startswith("note: "):
            lines.append(process.stdout.readline())
        yield lines[-1].rpartition(" ")[2].strip()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, ""), err
        assert out.strip().startswith(f"{folder / 'landmarks.csv'}: ")
    finally:
        process.kill()
        process.wait()


class Annotator:
    """A user of the page."""

    def __init__(self, page, address):
        self.page = page
        page.resize(1200, 800)
        page.visit(address)
        self.wait("")

    def text(self, name):
        return self.page.evaluate(f"document.getElementById('{name}').textContent")

    def wait(self, before):
        """Wait until another image than that of a name is there, and can be annotated."""
        self.page.wait_for(f"document.getElementById('name').textContent !== {before!r} && "
                           "document.getElementById('stage').dataset.shown === "
                           "document.getElementById('name').textContent")

    def on_screen(self, point):
        """Return where a point (x, y) of the image is in the window."""
        left, top, width, height = self.page.evaluate(
            "(box => [box.left, box.top, box.width, box.height])"
            "(document.getElementById('image').getBoundingClientRect())")
        x, y = point
        return left + (x + 0.5) * width / SIZE[0], top + (y + 0.5) * height / SIZE[1]

    def mark(self, k):
        """Return where a mark is in the window, None if it is not there."""
        return self.page.evaluate(
            f"(mark => mark.hidden ? null : [mark.getBoundingClientRect()].map(box => "
            "[box.left + box.width / 2, box.top + box.height / 2])[0])"
            f"(document.querySelectorAll('.mark')[{k}])")

    def click(self, name):
        self.page.drag(self.page.evaluate(
            "(box => [box.left + box.width / 2, box.top + box.height / 2])"
            f"(document.querySelector('{name}').getBoundingClientRect())"))

    def confirm(self, key="Enter"):
        name = self.text("name")
        self.page.press(key)
        self.wait(name)
        return name


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
            user = Annotator(page, address)
            for point in first:
                page.drag(user.on_screen(point))
            expected[user.confirm()] = first
            assert user.text("told") == "1 of 10 confirmed"
            proposed = page.evaluate("fetch('item/1').then(answer => answer.json())", wait=True)
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
            assert all(point is not None for point in proposed["points"])
            assert page.complaints_of(address) == []
            assert not page.evaluate("document.querySelector('#points b b, #where img')")
    rows = {row[0]: row for row in read_csv(path)[1:]}
    assert rows.keys() == expected.keys()
    assert all(near(rows[name], expected[name]) for name in expected)
    with program(photos, "--model", embedding) as address:
        with browser_page(tmp_path / "two") as page:
            user = Annotator(page, address)
            assert user.text("told") == "2 of 10 confirmed" and user.text("name") not in expected
            assert page.evaluate("[...document.querySelectorAll('#points b')]"
                                 ".map(name => name.textContent)") == LABELS
            for count in range(3, 11):
                number = page.evaluate("page_number()")
                item = page.evaluate(f"fetch('item/{number}').then(answer => answer.json())", wait=True)
                expected[user.text("name")] = item["points"]
                user.page.press("Enter")
                page.wait_for(f"document.getElementById('told').textContent.startsWith('{count} ')")
                if count < 10:
                    user.wait(list(expected)[-1])
            page.wait_for("document.querySelector('#done[open]')")
            assert user.text("summary") == \
                "10 of 10 confirmed; 24 of 24 proposals kept as they were"
            assert page.complaints_of(address) == []
            user.click("#finish")
            page.wait_for("document.body.textContent.startsWith('The program has ended')")
    rows = {row[0]: row for row in read_csv(path)[1:]}
    assert rows.keys() == expected.keys() == set(os.listdir(photos)) - {"landmarks.csv"}
    assert all(near(rows[name], expected[name]) for name in expected)
