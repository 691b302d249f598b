"""Fetch one file over http(s), or copy it from a folder: resumable, checked, whole or not there.

``<path>.part`` holds what has arrived and ``<path>.part.json`` what the server said of the file, so
that a later call goes on where this one stopped, unless the file has changed on the server since.
``path`` itself appears only when everything has arrived and has passed the check.
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
MAY_PASS = (408, 425, 429, 500, 502, 503, 504)  # answers after which asking again makes sense

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Network:
    """How patient a download is; ``retries`` counts attempts in a row that brought nothing new."""

    retries: int = 4
    pause: float = 1.0  # seconds before the second attempt, doubled from one to the next
    timeout: float = 30.0  # seconds without a byte


def fetch(source, path, check, network=Network()):
    """Bring ``source``, an http(s) address or the Path of a local file, to ``path``.

    ``check(file)`` gets the Path of the complete file and raises a UserError that says what is
    wrong with it; the file is then removed. Every failure is a UserError of one line.
    """
    part = path.with_name(path.name + ".part")
    with disk_errors(path), parent_folder(path), open(part, "ab") as file:
        lock(file.fileno(), part)
        try:
            if isinstance(source, Path):
                _copy(source, file)
            else:
                with byte_bar(path.name) as bar:
                    _Download(source, file, bar, network).run()
            file.flush()
            os.fsync(file.fileno())
            _check_or_remove(part, check, source)
            os.replace(part, path)
        finally:
            with suppress(OSError):  # a disk that is full has been told of already
                file.flush()
            _tidy(part)


def _copy(source, file):
    _empty(file)
    with open(source, "rb") as original:
        shutil.copyfileobj(original, file, CHUNK)


def _empty(file):
    file.truncate(0)
    file.seek(0)


def _check_or_remove(part, check, source):
    try:
        check(part)
    except UserError as error:
        part.unlink()
        raise UserError(f"{source}: {error}; what arrived was removed") from error


def _tidy(part):
    """Remove what is of no use to a later call."""
    if not part.exists() or part.stat().st_size == 0:
        part.unlink(missing_ok=True)
        _note_path(part).unlink(missing_ok=True)


def _note_path(part):
    return part.with_name(part.name + ".json")


class _PassingFailure(Exception):
    """A failure of the network or the server that another attempt may not meet."""


@dataclass(frozen=True)
class _Remote:
    """What a server says of a file: its bytes in all, and the mark of its version for If-Range."""

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
        """Return what was kept beside a partial file, or nothing."""
        try:
            return cls(**json.loads(_note_path(part).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return cls()


class _Download:
    """Appends to ``file``, open for appending, what it lacks of ``url``."""

    def __init__(self, url, file, bar, network):
        self.url, self.file, self.bar, self.network = url, file, bar, network
        self.part = Path(file.name)
        self.remote = _Remote.noted(self.part)
        if self.remote == _Remote():
            _empty(file)  # nothing to tell by whether the rest would fit

    def run(self):
        try:
            self._complete()
        except KeyboardInterrupt:
            self._tell(f"stopped{self._kept()}")
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
                self._wait(failure, failures)

    def _wait(self, failure, failures):
        pause = min(self.network.pause * 2 ** (failures - 1), LONGEST_PAUSE)
        self._tell(f"{self.url}: {failure}; asking again in {pause:g} s")
        time.sleep(pause)

    def _tell(self, message):
        self.bar.clear()
        log.warning(message)

    def _kept(self):
        size = self.file.tell()
        return f" ({size_text(size)} are kept, the same command goes on from there)" if size else ""

    def _attempt(self):
        """Ask once for what is missing, and append what comes."""
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
            _empty(self.file)  # it is no shorter than the server's: not a part of that
        elif error.code not in MAY_PASS:
            return UserError(f"{self.url}: {answer}{self._kept()}")
        return _PassingFailure(answer)

    def _begin(self, headers):
        """Start at the first byte: of a new file, of a changed one, or for want of ranges."""
        _empty(self.file)
        self.remote = _Remote.of(headers)
        _note_path(self.part).write_text(json.dumps(asdict(self.remote)))

    def _require_continuation(self, content_range):
        """Start over unless the answer goes on where the file ends, in one of the same length."""
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
    """Return what comes next; nothing at the end, or where the connection was closed too early."""
    try:
        return response.read1(size)
    except (OSError, http.client.HTTPException) as error:
        raise _PassingFailure(f"the connection broke ({error!r})") from error
