"""A web server on 127.0.0.1 for the tests of the fetchers; it can be told to misbehave."""

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Page:
    """What the server does when it is asked for one path."""

    body: bytes
    etag: str | None = '"v1"'
    ranges: bool = True
    claim: int | None = None  # the length that it tells, if not the true one
    tells_length: bool = True
    cuts: list = field(default_factory=list)  # bytes after which an answer breaks off, in turn
    stalls_at: int | None = None  # after so many bytes the first answer says no more, but holds on
    statuses: list = field(default_factory=list)  # answers before the first good one


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages = {}
        self.requests = []  # (path, Range header or None), as they came

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def ranges_asked(self):
        return [asked for _, asked in self.requests]


@contextmanager
def serving():
    """Yield a running Server."""
    with Server() as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        """Keep the output of the tests clean."""

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.requests.append((self.path, asked))
        page = self.server.pages.get(self.path)
        if page is None:
            self.send_error(404)
        elif page.statuses:
            self.send_error(page.statuses.pop(0))
        else:
            self.answer(page, self.first_byte(page, asked))

    def first_byte(self, page, asked):
        """Return where the answer begins, None for a whole file."""
        wanted = self.headers.get("If-Range")
        if not asked or not page.ranges or (wanted and wanted != page.etag):
            return None
        return int(re.fullmatch(r"bytes=(\d+)-", asked)[1])

    def answer(self, page, start):
        total = len(page.body) if page.claim is None else page.claim
        if start is not None and start >= len(page.body):
            self.send_error(416)
            return
        self.send_response(200 if start is None else 206)
        if page.tells_length:
            self.send_header("Content-Length", str(total - (start or 0)))
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if page.etag:
            self.send_header("ETag", page.etag)
        self.end_headers()
        rest = page.body[start or 0:]
        if page.stalls_at and not start:
            self.wfile.write(rest[:page.stalls_at])
            self.rfile.read(1)  # until the client hangs up
            return
        self.wfile.write(rest[:page.cuts.pop(0)] if page.cuts else rest)
