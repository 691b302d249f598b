"""The server of the page: on 127.0.0.1, for those who know its address, a secret of each start.

It is the standard library's: the few answers below need no framework. An image is named by its
number, never by a path. Every answer is for one connection, on a thread of its own.
"""

import hmac
import json
import re
import secrets
import socket
import sys
import threading
import traceback
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from weakref import WeakSet

from utils.errors import UserError

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")  # of this machine, that a browser may call it by
PAGE_FILES = {
    "": ("page.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
    "boxes.js": ("boxes.js", "text/javascript"),
    "draft.js": ("draft.js", "text/javascript"),
    "keys.js": ("keys.js", "text/javascript"),
    "loupe.js": ("loupe.js", "text/javascript"),
    "marks.js": ("marks.js", "text/javascript"),
    "panel.js": ("panel.js", "text/javascript"),
    "stage.js": ("stage.js", "text/javascript"),
}
MOST_BYTES = 1 << 22  # of a request's body
MOST_PICTURES = 4  # images that are decoded at a time
SECONDS = 30  # for a client to say what it wants
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}


class Refused(Exception):
    """A request that is answered with nothing but a status, and headers if there are any."""

    def __init__(self, status, headers=()):
        super().__init__(status)
        self.status, self.headers = status, headers


class AnnotationServer(ThreadingHTTPServer):
    """Serves a ``Session`` until it is finished.

    port: 0: any that is free; raises ``UserError`` if it is taken.
    """

    daemon_threads = False  # a program that ends while a thread is inside torch is aborted
    request_queue_size = 1024  # connections that wait to be accepted

    def __init__(self, session, port=0):
        self.session, self.token = session, secrets.token_urlsafe(16)
        self._invitations = set()
        self.connections = WeakSet()
        self.decoding = threading.BoundedSemaphore(MOST_PICTURES)
        folder = Path(__file__).parent
        self.files = {
            path: ((folder / name).read_bytes(), f"{kind}; charset=utf-8")
            for path, (name, kind) in PAGE_FILES.items()
        }
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            raise UserError(f"--port {port}: {error.strerror}") from error

    @property
    def address(self):
        """The page's URL."""
        return self._url(self.token)

    def invite(self):
        """Return a URL that leads to the page once.

        A browser is started with it: other users of the machine can read a process's arguments.
        """
        invitation = secrets.token_urlsafe(16)
        self._invitations.add(invitation)
        return self._url(invitation)

    def _url(self, secret):
        return f"http://{HOST}:{self.server_port}/{secret}/"

    def accept(self, invitation):
        """Return whether an invitation holds, which it then no longer does."""
        with suppress(KeyError):
            self._invitations.remove(invitation)
            return True
        return False

    def get_request(self):
        connection, address = super().get_request()
        self.connections.add(connection)
        return connection, address

    def server_close(self):
        """Wait for the answers that are being computed, but for no client that says nothing."""
        for connection in list(self.connections):
            with suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RD)
        super().server_close()

    def handle_error(self, request, client_address):
        """Print our own mistakes; a client that leaves, or says nothing, is none."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    timeout = SECONDS
    server_version, sys_version = "annotate", ""

    def do_GET(self):
        self._answer(self._get)

    def do_POST(self):
        self._answer(self._post)

    def _answer(self, find):
        """Send what ``find(path)`` returns: content, its type, and whether it may be kept."""
        try:
            content, kind, lasts = find(self._path())
            self._send(HTTPStatus.OK, content, kind, lasts)
        except Refused as refused:
            self._send(refused.status, b"", "text/plain", headers=refused.headers)
        except UserError as error:
            self._send(HTTPStatus.UNPROCESSABLE_ENTITY, *_json({"error": str(error)})[:2])
        except (ConnectionError, TimeoutError):
            raise
        except Exception:
            traceback.print_exc()
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, b"", "text/plain")

    def _path(self):
        """Return the path behind the token; raises ``Refused`` if the request is not the page's."""
        hosts = [f"{name}:{self.server.server_port}" for name in NAMES]
        if self.headers.get("Host") not in hosts:
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST)
        origin = self.headers.get("Origin")
        if origin is not None and origin not in [f"http://{host}" for host in hosts]:
            raise Refused(HTTPStatus.FORBIDDEN)
        _, token, path = (*self.path.split("/", 2), "", "")[:3]
        if self.server.accept(token):
            raise Refused(HTTPStatus.SEE_OTHER, {"Location": self.server.address})
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise Refused(HTTPStatus.FORBIDDEN)
        return path

    def _get(self, path):
        session = self.server.session
        if path in self.server.files:
            return *self.server.files[path], False
        if path == "state":
            return _json(session.state())
        what, number = self._numbered(path, "item|image")
        if what == "item":
            return _json(session.item(number))
        with self.server.decoding:
            return *session.picture(number), True

    def _post(self, path):
        body = self._body()
        if path == "finish":
            # In a thread: it waits for the end of the loop, which this thread may be in.
            threading.Thread(target=self.server.shutdown).start()
            return _json({})
        session = self.server.session
        what, number = self._numbered(path, "|".join(session.takes))
        given = body.get(session.takes[what]) if isinstance(body, dict) else None
        if not isinstance(given, list):
            raise Refused(HTTPStatus.BAD_REQUEST)
        return _json(getattr(session, what)(number, given))

    def _numbered(self, path, words):
        match = re.fullmatch(rf"({words})/([0-9]{{1,9}})", path)
        if match is None or int(match[2]) >= len(self.server.session):
            raise Refused(HTTPStatus.NOT_FOUND)
        return match[1], int(match[2])

    def _body(self):
        """Return a body's JSON; one that is too long is not read."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        if not re.fullmatch("[0-9]{1,20}", length):
            raise Refused(HTTPStatus.LENGTH_REQUIRED)
        if int(length) > MOST_BYTES:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            return json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST) from error

    def _send(self, status, content, kind, lasts=False, headers=()):
        self.send_response(status)
        for name, value in {**HEADERS, **dict(headers)}.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "private, max-age=3600" if lasts else "no-store")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        """Print nothing: the page says what happens."""


def _json(data):
    return json.dumps(data, allow_nan=False).encode(), "application/json", False
