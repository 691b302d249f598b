"""The server of the annotator: what it answers, and the attacks that fail."""

import asyncio
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.client import HTTPConnection
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from misc.annotating.server import MOST_BYTES, AnnotationServer
from tests.data_helpers.annotating import ask, served
from tests.data_helpers.landmark_lists import write_images
from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT
from utils.errors import UserError

NAMES = ["heel", "toe"]
POINTS = [[1, 2], [3.26, 4]]
GIGABYTE = 1 << 30


class Fixed:
    """Proposes the same points in every image, once one is confirmed."""

    def __init__(self):
        self.learned = []

    def learn(self, name, points):
        self.learned.append((name, points.tolist()))

    def propose(self, name):
        if not self.learned:
            return None
        return np.array([[5.04, 6], [700, np.nan]]), np.array([0.91, np.nan])


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / "photos")
    return tmp_path / "photos"


@pytest.fixture
def server(folder):
    """A server of three images, with proposals, in a thread."""
    with served(folder, NAMES, Fixed(), wanted=2) as server:
        yield server


def test_the_end_waits_for_an_answer_but_for_no_silent_client(folder):
    begun, may_end, answers = threading.Event(), threading.Event(), []

    class Slow(Fixed):
        def propose(self, name):
            begun.set()
            may_end.wait(30)

    with served(folder, NAMES, Slow()) as server, socket.socket() as silent:
        asking = threading.Thread(target=lambda: answers.append(ask(server, "item/0")[0]))
        closing = threading.Thread(target=server.server_close)
        silent.connect(("127.0.0.1", server.server_port))
        asking.start()
        assert begun.wait(30)
        server.shutdown()
        closing.start()
        closing.join(0.1)
        assert closing.is_alive()
        may_end.set()
        closing.join(15)
        assert not closing.is_alive()
        asking.join(30)
    assert answers == [200]


def test_points_go_to_the_disk_and_proposals_come_back(server, folder):
    _, _, state = ask(server, "state")
    assert (state["labels"], state["wanted"], state["next"]) == (NAMES, 2, 0)
    assert state["names"] == ["a.jpg", "deep/b.jpg", "deep/c.jpg"] and state["confirmed"] == []
    assert ask(server, "item/0")[2] == {"name": "a.jpg", "size": [40, 48], "confirmed": False,
                                        "points": None, "certainty": None}
    _, _, answer = ask(server, "confirm/0", {"points": POINTS})
    assert answer == {"wanted": 2, "confirmed": [0], "offered": 0, "kept": 0, "next": 1}
    assert (folder / "landmarks.csv").read_text().endswith("a.jpg,40,48,1,2,3.3,4\n")
    assert server.session.proposer.learned == [("a.jpg", [[1, 2], [3.3, 4]])]
    _, _, item = ask(server, "item/1")  # what lies outside comes to the border
    assert item["points"] == [[5, 6], None] and item["certainty"] == [0.91, None]
    _, _, answer = ask(server, "confirm/1", {"points": [[5, 6], None]})
    assert (answer["offered"], answer["kept"], answer["next"]) == (1, 1, 2)
    assert ask(server, "item/1")[2]["points"] == [[5, 6], None]
    ask(server, "item/2")
    _, _, answer = ask(server, "confirm/2", {"points": [[5, 6.1], [0, 0]]})
    assert (answer["offered"], answer["kept"], answer["next"]) == (2, 1, None)


def test_pictures_are_shown_as_a_viewer_does(server, folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (48, 40), "red").save(folder / "a.jpg", exif=exif)
    status, kind, content = ask(server, "image/0")
    (folder / "shown.png").write_bytes(content)
    assert (status, kind) == (200, "image/png")
    assert Image.open(folder / "shown.png").size == (40, 48)
    Image.new("RGB", (5000, 1000)).save(folder / "a.jpg")
    status, kind, content = ask(server, "image/0")
    (folder / "shown.jpg").write_bytes(content)
    assert kind == "image/jpeg" and Image.open(folder / "shown.jpg").size == (4096, 819)


def test_a_broken_image_is_named(server, folder):
    (folder / "a.jpg").write_bytes(b"no image")
    for path in ("item/0", "image/0"):
        status, _, answer = ask(server, path)
        assert status == 422 and "a.jpg: cannot read this image" in answer["error"]


@pytest.mark.parametrize("points", [
    [], [[1, 2]], [[1, 2], [3, 4, 5]], [[1, 2], [1e9, 0]], [[1, 2], "toe"], [[1, 2], ["a", "b"]],
    [[1, 2], {}], [[1, 2], [3, [4]]],
])
def test_no_points_but_those_of_the_image_are_taken(server, folder, points):
    status, _, answer = ask(server, "confirm/0", {"points": points})
    assert status == 422 and "expected" in answer["error"]
    assert not (folder / "landmarks.csv").exists()


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{}", b'{"points": 1}', b"{", b"\xff\xff", b"[" * 60000,
    b'{"points": [[NaN, 1], [1, 1]]}', b'{"points": [[1e999, 1], [1, 1]]}',
])
def test_bodies_that_are_none(server, folder, body):
    assert ask(server, "confirm/0", body)[0] in (400, 422)
    assert not (folder / "landmarks.csv").exists()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "evil.example:{port}", "",
                                  "127.0.0.1:{port}.evil.example", "127.0.0.1:{port}:80"])
def test_another_host_is_refused(server, host):
    """As a page of another site would name that has its name point to this machine."""
    host = {"Host": host.format(port=server.server_port)}
    assert ask(server, "state", headers=host)[0] == 421
    assert ask(server, "state", headers={"Host": f"localhost:{server.server_port}"})[0] == 200


@pytest.mark.parametrize("token", ["", "x", "{short}", "{token}x", "..", "%2e%2e"])
def test_without_the_token_nothing_is_answered(server, token):
    token = token.format(short=server.token[:-1], token=server.token)
    for path in ("", "state", "page.js", "image/0", "item/0"):
        assert ask(server, path, token=token)[::2] == (403, b"")
    assert ask(server, "confirm/0", {"points": POINTS}, token=token)[0] == 403


def test_an_invitation_leads_to_the_page_once(server):
    invitation = urlsplit(server.invite()).path.strip("/")
    assert invitation != server.token
    for status, where in ((303, server.address), (403, None)):
        connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        connection.request("GET", f"/{invitation}/")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Location"), answer.read()) == (status, where, b"")
        connection.close()
    foreign = urlsplit(server.invite()).path.strip("/")  # kept for a request of the page itself
    assert ask(server, token=foreign, headers={"Host": "evil.example"})[0] == 421
    assert ask(server, token=foreign)[0] == 303


def test_a_browser_is_started_with_an_invitation(folder, tmp_path):
    """Its arguments can be read by other users of the machine."""
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\nprintf %s \"$1\" > '{tmp_path}/told.part'\n"
                       f"mv '{tmp_path}/told.part' '{tmp_path}/told'\n")
    browser.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "misc/annotate.py", folder, "--names", "heel,toe"], cwd=ROOT,
        env={**ENVIRONMENT, "BROWSER": str(browser)}, stdout=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().split()[-1]
        end = time.monotonic() + 60
        while not (tmp_path / "told").exists() and time.monotonic() < end:
            time.sleep(0.01)
        told = (tmp_path / "told").read_text()
        assert urlsplit(told).netloc == urlsplit(address).netloc and told != address
        with urllib.request.urlopen(told) as page:  # which follows it
            assert (page.geturl(), page.status) == (address, 200)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def test_pages_of_other_sites_are_refused(server, folder):
    for origin in ("http://evil.example", "null", "http://127.0.0.1"):
        headers = {"Origin": origin}
        assert ask(server, "confirm/0", {"points": POINTS}, headers=headers)[0] == 403
    plain = {"Content-Type": "text/plain"}  # what a form may send anywhere
    assert ask(server, "confirm/0", {"points": POINTS}, headers=plain)[0] == 415
    assert not (folder / "landmarks.csv").exists()
    own = {"Origin": f"http://127.0.0.1:{server.server_port}"}
    assert ask(server, "confirm/0", {"points": POINTS}, headers=own)[0] == 200


@pytest.mark.parametrize("path", [
    "../landmarks.csv", "../../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "image/../../secret",
    "image/..%2f..%2fsecret", "/etc/passwd", "image//etc/passwd", "image/a.jpg", "image/-1",
    "image/3", "image/999999999", "image/1e0", "image/0/", "image/0?x=1", "item/0x0",
    "server.py", "page.html", "state/", "State", "confirm/0", "image/" + "9" * 5000,
])
def test_no_path_is_anything_but_a_number(server, folder, path):
    (folder.parent / "secret").write_text("secret")
    assert ask(server, path)[0] == 404


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_not_known(server, method):
    assert ask(server, "state", method=method)[0] == 501


def test_a_link_out_of_the_folder_is_not_followed(server, folder):
    write_images(folder.parent / "outside", ["secret.jpg"])
    secret = folder.parent / "outside/secret.jpg"
    for name, to in (("a.jpg", secret), ("deep/b.jpg", "/etc/passwd")):
        (folder / name).unlink()
        (folder / name).symlink_to(to)
    for number in (0, 1):
        for path in (f"image/{number}", f"item/{number}"):
            status, _, answer = ask(server, path)
            assert status == 422 and answer["error"].endswith("leads out of the folder")
        assert ask(server, f"confirm/{number}", {"points": POINTS})[0] == 422


def test_browsers_are_told_to_load_nothing_else(server):
    connection = HTTPConnection("127.0.0.1", server.server_port)
    connection.request("GET", f"/{server.token}/")
    answer = connection.getresponse()
    policy = answer.getheader("Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    assert answer.getheader("Referrer-Policy") == "no-referrer"
    page = answer.read().decode()
    assert "http" not in page and page.count("<script") == 1 and "style=" not in page


@pytest.mark.parametrize("length, status", [
    (str(GIGABYTE), 413), (str(MOST_BYTES + 1), 413), ("9" * 20, 413), ("9" * 30, 411),
    ("-1", 411), ("many", 411), (None, 411),
])
def test_a_body_too_long_is_not_read(server, length, status):
    fields = [] if length is None else [f"Content-Length: {length}"]
    with socket.create_connection(("127.0.0.1", server.server_port)) as client:
        head = [f"POST /{server.token}/confirm/0 HTTP/1.1", f"Host: 127.0.0.1:{server.server_port}",
                "Content-Type: application/json", *fields]
        client.sendall("\r\n".join([*head, "", ""]).encode())
        assert int(client.recv(100).split()[1]) == status


def test_garbage_and_clients_that_leave_end_nothing(server, capfd):
    for data in (b"", b"\0" * 1000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 70000,
                 f"POST /{server.token}/confirm/0 HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}"
                 "\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{".encode()):
        with socket.create_connection(("127.0.0.1", server.server_port)) as client:
            client.sendall(data)
    assert ask(server, "state")[0] == 200 and "Traceback" not in capfd.readouterr().err


def test_a_port_that_is_taken(server):
    with pytest.raises(UserError, match=f"--port {server.server_port}: Address already in use"):
        AnnotationServer(server.session, server.server_port)


@pytest.fixture
def program(folder):
    """The program as a user runs it, without a model, and its address."""
    process = subprocess.Popen(
        [sys.executable, "misc/annotate.py", folder, "--names", "heel,toe", "--no_browser"],
        cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    yield process, urlsplit(line.partition(": ")[2].strip())
    process.kill()
    process.communicate()


async def storm(address, number):
    """Send requests for an image and for the state, all at once; returns the statuses."""
    async def one(n):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        what = "image/0" if n % 2 else "state"
        head = f"GET {address.path}{what} HTTP/1.1", f"Host: {address.netloc}", "", ""
        writer.write("\r\n".join(head).encode())
        answer = await reader.read()
        writer.close()
        return int(answer.split()[1])

    return await asyncio.gather(*map(one, range(number)))


def peak_memory(process):
    """Return the most memory a process has had, in bytes."""
    with open(f"/proc/{process.pid}/status") as file:
        (line,) = (line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


def test_a_thousand_requests_and_a_gigabyte_end_nothing(program, folder):
    process, address = program
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 2048), hard), hard))
    assert set(asyncio.run(storm(address, 1000))) == {200}
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    before, sent = peak_memory(process), 0
    with socket.create_connection((address.hostname, address.port)) as client:
        client.sendall((f"POST {address.path}confirm/0 HTTP/1.1\r\nHost: {address.netloc}\r\n"
                        "Content-Type: application/json\r\n"
                        f"Content-Length: {GIGABYTE}\r\n\r\n").encode())
        try:
            while sent < GIGABYTE:
                sent += client.send(b"x" * (1 << 20))
        except ConnectionError:
            pass
    assert sent < GIGABYTE and peak_memory(process) - before < 1 << 24
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.strip() == f"{folder / 'landmarks.csv'}: 0 images annotated"
