"""The annotator: a server in this process, the program, and a user of its page."""

import json
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.client import HTTPConnection

from misc.annotating.box_session import BoxSession
from misc.annotating.box_store import BoxStore
from misc.annotating.server import AnnotationServer
from misc.annotating.session import Session
from misc.annotating.store import AnnotationStore
from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT


@contextmanager
def served(folder, names, proposer=None, wanted=None, boxes=False):
    """Serve the images of a folder in a thread; yields the ``AnnotationServer``."""
    store = (BoxStore if boxes else AnnotationStore)(folder, names)
    if proposer and not boxes:
        for name in store.annotated:
            proposer.learn(name, store.points[name])
    session = (BoxSession if boxes else Session)(store, store.images, proposer, wanted)
    with AnnotationServer(session) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server, path="", body=None, token=None, method=None, headers=None):
    """Return status, content type and content of a request, as the page makes it but for what is
    given.
    """
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    token = server.token if token is None else token
    kind = {"Content-Type": "application/json"} if body is not None else {}
    body = body if body is None or isinstance(body, bytes) else json.dumps(body)
    method = method or ("GET" if body is None else "POST")
    connection.request(method, f"/{token}/{path}", body, {**kind, **(headers or {})})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    is_json = answer.getheader("Content-Type") == "application/json"
    return answer.status, answer.getheader("Content-Type"), json.loads(content) if is_json \
        else content


@contextmanager
def program(folder, *options, is_finished=False):
    """Run the program; yields its address. It ends by Ctrl-C, or is finished from the page."""
    process = subprocess.Popen(
        [sys.executable, "misc/annotate.py", folder, "--no_browser", *map(str, options)],
        cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline()]
        while lines[-1].startswith("note: "):
            lines.append(process.stdout.readline())
        yield lines[-1].rpartition(" ")[2].strip()
        if not is_finished:
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, ""), err
        assert out.strip().startswith(f"{folder / 'landmarks.csv'}: ")
    finally:
        process.kill()
        process.wait()


class Annotator:
    """A user of the page, which shows images of a size in a window of another."""

    def __init__(self, page, address, size, window=(800, 560)):
        self.page, self.size = page, size
        if window:
            page.resize(*window)
        page.visit(address)
        self.wait("")

    def text(self, name):
        return self.page.evaluate(f"document.getElementById('{name}').textContent")

    def wait(self, before):
        """Wait until another image than that of a name is there, and can be annotated."""
        self.page.wait_for("document.body.ariaBusy === 'false' && "
                           f"document.getElementById('name').textContent !== {before!r}")

    @property
    def item(self):
        """What the server says of the image."""
        number = int(self.text("position").split()[1]) - 1
        return self.page.evaluate(f"fetch('item/{number}').then(answer => answer.json())")

    def on_screen(self, point):
        """Return where a point (x, y) of the image is in the window."""
        return self.on_edge((point[0] + 0.5, point[1] + 0.5))

    def on_edge(self, place):
        """Return where a place (x, y), counted from the image's corner, is in the window."""
        left, top, *_ = self._rectangle("#image")
        return left + place[0] * self.scale, top + place[1] * self.scale

    @property
    def scale(self):
        """Pixels of the window that a pixel of the image takes."""
        return self._rectangle("#image")[2] / self.size[0]

    @property
    def frames(self):
        """The boxes that are shown, in pixels from the image's corner."""
        x, y, *_ = self._rectangle("#image")
        frames = self.page.evaluate(
            "[...document.querySelectorAll('.frame:not([hidden])')].map(frame => "
            "(box => [box.left, box.top, box.right, box.bottom])(frame.getBoundingClientRect()))")
        return [[(edge - (x, y)[n % 2]) / self.scale for n, edge in enumerate(frame)]
                for frame in frames]

    def _rectangle(self, name):
        return self.page.evaluate(
            "(box => [box.left, box.top, box.width, box.height])"
            f"(document.querySelector('{name}').getBoundingClientRect())")

    def mark(self, k):
        """Return where a mark is in the window, None if it is not there."""
        return self.page.evaluate(
            f"(mark => mark.hidden ? null : [mark.getBoundingClientRect()].map(box => "
            "[box.left + box.width / 2, box.top + box.height / 2])[0])"
            f"(document.querySelectorAll('.mark')[{k}])")

    def click(self, name):
        left, top, width, height = self._rectangle(name)
        self.page.drag((left + width / 2, top + height / 2))

    def confirm(self, key="Enter"):
        name = self.text("name")
        self.page.press(key)
        self.wait(name)
        return name
