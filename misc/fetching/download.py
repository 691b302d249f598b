"""Download a file over http(s), or copy it from a folder: resumable, checked, complete or absent.

``<path>.part`` holds the bytes that have arrived and ``<path>.part.json`` the size and version that
the server announced, so that a later call resumes unless the file has changed on the server.
``path`` itself appears only when all bytes have arrived and passed the check.
"""

import http.client
import json
import logging
import math
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from utils.disk import disk_errors, lock, parent_folder, require_space, size_text
from utils.errors import UserError
from utils.progress import byte_bar

CHUNK = 1 << 20
LONGEST_PAUSE = 30.0  # seconds
PARTIAL_CONTENT = 206
RANGE_NOT_SATISFIABLE = 416
MAY_PASS = (408, 425, 429, 500, 502, 503, 504)  # HTTP status codes after which a retry makes sense

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Network:
    """The patience of a download; ``retries`` counts attempts in a row without a new byte."""

    retries: int = 4
    pause: float = 1.0  # seconds before the second attempt, doubled from one to the next
    timeout: float = 30.0  # seconds without a byte


def fetch(source, path, check, network=Network()):
    """Fetch ``source``, an http(s) address or the Path of a local file, to ``path``.

    check: callable (Path of the complete file), raises ``UserError`` if the file is wrong; it is
        then removed

    Raises ``UserError``, of one line, for every failure.
    """
    part = path.with_name(path.name + ".part")
    with disk_errors(path), parent_folder(path), open(part, "ab") as file:
        lock(file.fileno(), part)
        try:
            if isinstance(source, Path):
                _empty(file)
                with open(source, "rb") as original:
                    shutil.copyfileobj(original, file, CHUNK)
            else:
                with byte_bar(path.name) as bar:
                    _Download(source, file, bar, network).run()
            file.flush()
            os.fsync(file.fileno())
            try:
                check(part)
            except UserError as error:
                part.unlink()
                raise UserError(f"{source}: {error}; what arrived was removed") from error
            os.replace(part, path)
        finally:
            with suppress(OSError):  # a full disk has been reported already
                file.flush()
            if not part.exists() or part.stat().st_size == 0:
                part.unlink(missing_ok=True)
                _note_path(part).unlink(missing_ok=True)


def _empty(file):
    file.truncate(0)
    file.seek(0)


def _note_path(part):
    return part.with_name(part.name + ".json")


class _PassingFailure(Exception):
    """A failure of the network or the server after which a retry makes sense."""


@dataclass(frozen=True)
class _Remote:
    """A file on a server: its size in bytes, and the mark of its version for If-Range."""

    total: int | None = None
    validator: str | None = None

    @classmethod
    def of(cls, headers):
        length, etag = headers.get("Content-Length", ""), headers.get("ETag", "")
        strong = etag if etag.startswith('"') else None  # If-Range takes no weak one (RFC 9110)
        total = int(length) if length.isdecimal() else None
        return cls(total, strong or headers.get("Last-Modified"))

    @classmethod
    def noted(cls, part):
        """Return the note beside a partial file, an empty one if it is absent or damaged."""
        try:
            return cls(**json.loads(_note_path(part).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return cls()


class _Download:
    """Completes ``file``, open for appending, with the bytes of ``url`` that it lacks."""

    def __init__(self, url, file, bar, network):
        self.url, self.file, self.bar, self.network = url, file, bar, network
        self.part = Path(file.name)
        self.remote = _Remote.noted(self.part)
        if self.remote == _Remote():
            _empty(file)  # of an unknown version, which the rest may not fit

    def run(self):
        try:
            self._complete()
        except KeyboardInterrupt:
            self._warn(f"stopped{self._kept()}")
            raise

    def _complete(self):
        failures, furthest = 0, self.file.tell()
        while not (self.file.tell() and self.file.tell() == self.remote.total):
            try:
                return self._attempt()
            except _PassingFailure as failure:
                failures = failures + 1 if self.file.tell() <= furthest else 1
                furthest = max(furthest, self.file.tell())
                if failures > self.network.retries:
                    raise UserError(f"{self.url}: {failure}{self._kept()}") from failure
                pause = min(self.network.pause * 2 ** (failures - 1), LONGEST_PAUSE)
                self._warn(f"{self.url}: {failure}; asking again in {pause:g} s")
                time.sleep(pause)

    def _warn(self, message):
        self.bar.clear()
        log.warning(message)

    def _kept(self):
        size = self.file.tell()
        return f" ({size_text(size)} are kept, the same command goes on from there)" if size else ""

    def _attempt(self):
        """Send one request for the missing bytes, and append what arrives."""
        with self._open() as response:
            if response.status == PARTIAL_CONTENT:
                self._require_continuation(response.headers.get("Content-Range", ""))
            else:
                self._begin(response.headers)
            self._append(response)
        arrived, total = self.file.tell(), self.remote.total
        if total is not None and arrived < total:
            raise _PassingFailure(f"it broke off at {size_text(arrived)} of {size_text(total)}")

    def _open(self):
        headers = {"User-Agent": "dve-fetch", "Accept-Encoding": "identity"}
        if self.file.tell():
            headers["Range"] = f"bytes={self.file.tell()}-"
            if self.remote.validator:
                headers["If-Range"] = self.remote.validator
        try:
            request = urllib.request.Request(self.url, headers=headers)
            return urllib.request.urlopen(request, timeout=self.network.timeout)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or repr(error)
            raise _PassingFailure(f"no answer ({reason})") from error
        except ValueError as error:
            raise UserError(f"{self.url}: not an address ({error})") from error

    def _refusal(self, error):
        answer = f"the server answers {error.code} {error.reason}"
        if error.code == RANGE_NOT_SATISFIABLE:
            _empty(self.file)  # not shorter than the server's file: no part of it
        elif error.code not in MAY_PASS:
            return UserError(f"{self.url}: {answer}{self._kept()}")
        return _PassingFailure(answer)

    def _begin(self, headers):
        """Start at the first byte: the file is new or changed, or the server has no ranges."""
        _empty(self.file)
        self.remote = _Remote.of(headers)
        _note_path(self.part).write_text(json.dumps(asdict(self.remote)))

    def _require_continuation(self, content_range):
        """Start over unless the answer continues the file, and its total length is the same."""
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range)
        goes_on = found and int(found[1]) == self.file.tell()
        if not goes_on or self.remote.total and found[2] not in ("*", str(self.remote.total)):
            _empty(self.file)
            raise _PassingFailure("what the server has is not the file that was begun")

    def _append(self, response):
        arrived, total = self.file.tell(), self.remote.total
        missing = math.inf if total is None else total - arrived
        require_space(self.part, 0 if total is None else missing, "the rest of it")
        self.bar.reset(total)
        self.bar.initial = self.bar.n = self.bar.last_print_n = arrived
        while missing and (chunk := _read(response, min(CHUNK, missing))):
            self.file.write(chunk)
            self.bar.update(len(chunk))
            missing -= len(chunk)


def _read(response, size):
    """Return the next bytes, b"" at the end or after a connection that closed early."""
    try:
        return response.read1(size)
    except (OSError, http.client.HTTPException) as error:
        raise _PassingFailure(f"the connection broke ({error!r})") from error
