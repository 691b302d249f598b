"""misc.fetching.download against a server that breaks off, lies, changes its mind or forbids."""

import errno
import io
import os
import random
from types import SimpleNamespace

import pytest

from misc.fetching import download
from misc.fetching.download import Network, fetch
from tests.download_server import Page, serving
from utils.disk import lock
from utils.errors import UserError

BODY = random.Random(0).randbytes(300_000)
IMPATIENT = Network(retries=2, pause=0.01, timeout=2.0)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    with serving() as server:
        yield server


def accept(path):
    """A check that any file passes."""


def get(server, page, path, network=IMPATIENT, check=accept):
    server.pages["/file"] = page
    fetch(f"{server.url}/file", path, check, network)


def names_in(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_arrives_as_it_is_and_nothing_else_stays(server, tmp_path):
    get(server, Page(BODY), tmp_path / "new" / "file")
    assert (tmp_path / "new" / "file").read_bytes() == BODY
    assert names_in(tmp_path / "new") == ["file"]
    assert server.ranges_asked() == [None]


def test_a_local_file_is_copied(tmp_path):
    (tmp_path / "source").write_bytes(BODY)
    fetch(tmp_path / "source", tmp_path / "copy", accept)
    assert (tmp_path / "copy").read_bytes() == BODY
    assert names_in(tmp_path) == ["copy", "source"]


def test_after_a_break_only_the_rest_is_asked_for(server, tmp_path):
    get(server, Page(BODY, cuts=[100_000, 50_000]), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.ranges_asked() == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_call_goes_on_where_the_first_stopped(server, tmp_path):
    page = Page(BODY, cuts=[100_000])
    with pytest.raises(UserError, match="off at 97.7 KiB of 293.0 KiB .97.7 KiB are kept"):
        get(server, page, tmp_path / "file", Network(retries=0))
    assert names_in(tmp_path) == ["file.part", "file.part.json"]
    get(server, page, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.ranges_asked() == [None, "bytes=100000-"]


@pytest.mark.parametrize("changes", [
    {"etag": '"v2"'},  # it says so, and sends the whole
    {"etag": None},  # it does not say so, but the length differs
])
def test_a_file_that_changed_meanwhile_is_not_mixed_with_the_old_one(server, tmp_path, changes):
    old = Page(BODY, cuts=[100_000], etag=changes["etag"] and '"v1"')
    with pytest.raises(UserError):
        get(server, old, tmp_path / "file", Network(retries=0))
    new = BODY[::-1] + b"longer"
    get(server, Page(new, **changes), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == new


def test_a_server_without_ranges_makes_it_start_over(server, tmp_path):
    get(server, Page(BODY, ranges=False, cuts=[100_000]), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.ranges_asked() == [None, "bytes=100000-"]


def test_a_server_that_always_breaks_off_is_given_up(server, tmp_path):
    with pytest.raises(UserError, match="broke off"):
        get(server, Page(BODY, ranges=False, cuts=[1000] * 20), tmp_path / "file")
    assert len(server.requests) == 1 + IMPATIENT.retries


def test_more_length_than_there_is_is_given_up(server, tmp_path):
    with pytest.raises(UserError, match="/file: "):
        get(server, Page(BODY, claim=len(BODY) + 10), tmp_path / "file")
    assert not (tmp_path / "file").exists()
    assert len(server.requests) < 10


def test_less_length_than_there_is_ends_the_file_there(server, tmp_path):
    get(server, Page(BODY, claim=1000), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY[:1000]


def test_a_file_of_unknown_length_arrives_but_is_not_resumed_unmarked(server, tmp_path):
    (tmp_path / "file.part").write_bytes(b"of unknown origin")
    get(server, Page(BODY, tells_length=False, etag=None), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.ranges_asked() == [None]


def test_a_part_longer_than_the_file_is_dropped(server, tmp_path):
    page = Page(BODY[:1000], claim=5000)
    with pytest.raises(UserError):
        get(server, page, tmp_path / "file", Network(retries=0))
    page.claim = None
    get(server, page, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY[:1000]


def test_all_that_arrived_before_a_kill_is_not_asked_for_again(server, tmp_path):
    with pytest.raises(UserError):
        get(server, Page(BODY, cuts=[100_000]), tmp_path / "file", Network(retries=0))
    with open(tmp_path / "file.part", "ab") as part:
        part.write(BODY[100_000:])
    get(server, Page(BODY), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert len(server.requests) == 1


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(server, tmp_path):
    get(server, Page(BODY, statuses=[503, 429]), tmp_path / "file")
    assert len(server.requests) == 3
    with pytest.raises(UserError, match="404"):
        fetch(f"{server.url}/none", tmp_path / "made" / "none", accept, IMPATIENT)
    assert len(server.requests) == 4
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/file", "http://", "http://[bad/file"])
def test_an_address_where_nothing_answers_is_reported_in_one_line(tmp_path, url):
    with pytest.raises(UserError) as caught:
        fetch(url, tmp_path / "file", accept, IMPATIENT)
    assert url in str(caught.value) and "\n" not in str(caught.value)
    assert names_in(tmp_path) == []


def test_what_fails_its_check_is_removed(server, tmp_path):
    def refuse(path):
        assert path.read_bytes() == BODY
        raise UserError("not what it should be")

    with pytest.raises(UserError, match="/file: not what it should be"):
        get(server, Page(BODY), tmp_path / "file", check=refuse)
    assert names_in(tmp_path) == []


class FullDisk(io.FileIO):
    """A file on a disk with room for 100,000 bytes."""

    def write(self, data):
        room = 100_000 - self.tell()
        if room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(memoryview(data)[:room])


def test_a_full_disk_is_reported_and_what_arrived_is_kept(server, tmp_path, monkeypatch):
    def open_full(path, mode):
        return io.BufferedWriter(FullDisk(path, mode))

    with monkeypatch.context() as patch, pytest.raises(UserError, match="file: the disk is full"):
        patch.setattr(download, "open", open_full, raising=False)
        get(server, Page(BODY), tmp_path / "file")
    assert (tmp_path / "file.part").read_bytes() == BODY[:100_000]
    get(server, Page(BODY), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.ranges_asked() == [None, "bytes=100000-"]


def test_two_processes_do_not_write_the_same_file(server, tmp_path):
    with open(tmp_path / "file.part", "ab") as other:  # locks as another process would
        lock(other.fileno(), tmp_path / "file.part")
        with pytest.raises(UserError, match="file.part: another process is writing it"):
            get(server, Page(BODY), tmp_path / "file")
    get(server, Page(BODY), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY


def test_too_little_room_is_reported_before_anything_is_written(server, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(UserError, match="needs about 293.0 KiB and 10 B are free"):
        get(server, Page(BODY), tmp_path / "file")
    assert names_in(tmp_path) == []


def test_ctrl_c_keeps_what_arrived(server, tmp_path, monkeypatch):
    reads = iter([False, True])

    def read_until_ctrl_c(response, size):
        if next(reads):
            raise KeyboardInterrupt
        return response.read(100_000)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(download, "_read", read_until_ctrl_c)
        get(server, Page(BODY), tmp_path / "file")
    get(server, Page(BODY), tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.ranges_asked() == [None, "bytes=100000-"]
