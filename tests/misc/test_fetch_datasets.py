"""The data set fetcher, with small archives and a server of its own."""

import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from misc import fetch_datasets
from misc.fetch_datasets import DATASETS, Dataset, fetch_dataset
from misc.fetching.download import Network
from misc.published import BASE_URL
from tests.download_server import Page, serving
from utils.errors import UserError
from utils.project import PROJECT

IMPATIENT = Network(retries=1, pause=0.01, timeout=2.0)
FILES = {"list.txt": b"a.jpg\n", "images/a.jpg": bytes(range(256)) * 40, "images/empty": b""}
ADDRESS = "/datasets/faces.tar.gz"


def archive_of(files, prefix="data/faces"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{prefix}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


ARCHIVE = archive_of(FILES)
FACES = Dataset(
    name="faces", folder="data/faces", sha1=hashlib.sha1(ARCHIVE).hexdigest(), size=len(ARCHIVE),
    contents=("list.txt", "images"),
)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    with serving() as server:
        server.pages[ADDRESS] = Page(ARCHIVE)
        yield server


def get(root_url, dest, dataset=FACES, **options):
    fetch_dataset(dataset, str(root_url), dest, network=IMPATIENT, **options)


def unpacked(dest):
    folder = dest / "data" / "faces"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*") if path.is_file() and path.name != fetch_datasets.RECORD
    }


def names_in(folder):
    return sorted(entry.name for entry in folder.iterdir())


def command(*args, form=("misc/fetch_datasets.py",)):
    return subprocess.run(
        [sys.executable, *form, *map(str, args)], cwd=PROJECT, capture_output=True, text=True
    )


def test_the_published_facts_are_distinct():
    for part in ("name", "folder", "sha1"):
        assert len({getattr(dataset, part) for dataset in DATASETS}) == 4
    assert all(re.fullmatch("[0-9a-f]{40}", dataset.sha1) for dataset in DATASETS)


def test_a_data_set_is_fetched_unpacked_and_described(server, tmp_path, capsys):
    get(server.url, tmp_path)
    assert unpacked(tmp_path) == FILES
    assert names_in(tmp_path / "data") == ["faces", "faces.tar.gz"]
    told = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(rf"faces: 3 files, 10\.\d KiB in {tmp_path}/data/faces", told)


def test_what_is_complete_is_left_alone(server, tmp_path, capsys):
    get(server.url, tmp_path)
    (tmp_path / "data" / "faces" / "my_cache.npy").write_bytes(b"mine")
    server.requests.clear()
    get(server.url, tmp_path)
    assert server.requests == []
    assert unpacked(tmp_path) == {**FILES, "my_cache.npy": b"mine"}
    assert "4 files" in capsys.readouterr().out


@pytest.mark.parametrize("lost, told", [
    ("list.txt", "no list.txt"), ("images/a.jpg", "are left"), ("images/empty", "are left"),
])
def test_what_is_incomplete_is_reported_and_replaced_on_request_only(server, tmp_path, lost, told):
    get(server.url, tmp_path)
    (tmp_path / "data" / "faces" / lost).unlink()
    with pytest.raises(UserError, match=f"incomplete: .*{told}.*; --refresh"):
        get(server.url, tmp_path)
    assert lost not in unpacked(tmp_path)
    get(server.url, tmp_path, refresh=True)
    assert unpacked(tmp_path) == FILES


def test_a_copy_that_came_another_way_is_taken_if_its_parts_are_there(server, tmp_path):
    for name, content in FILES.items():
        path = tmp_path / "data" / "faces" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    get(server.url, tmp_path)
    assert server.requests == []


def test_an_empty_folder_is_filled(server, tmp_path):
    (tmp_path / "data" / "faces").mkdir(parents=True)
    get(server.url, tmp_path)
    assert unpacked(tmp_path) == FILES


def test_the_archive_is_purged_on_request(server, tmp_path):
    get(server.url, tmp_path, purge=True)
    assert names_in(tmp_path / "data") == ["faces"]
    get(server.url, tmp_path, purge=True)
    assert unpacked(tmp_path) == FILES


def test_an_archive_put_there_by_hand_is_used(server, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "faces.tar.gz").write_bytes(ARCHIVE)
    get(server.url, tmp_path)
    assert unpacked(tmp_path) == FILES
    assert server.requests == []


def test_a_truncated_archive_on_disk_is_fetched_again(server, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "faces.tar.gz").write_bytes(ARCHIVE[:100])
    get(server.url, tmp_path)
    assert unpacked(tmp_path) == FILES


def test_a_broken_download_is_resumed(server, tmp_path):
    server.pages[ADDRESS].cuts = [200]
    with pytest.raises(UserError, match="broke off"):
        fetch_dataset(FACES, server.url, tmp_path, network=Network(retries=0))
    assert names_in(tmp_path / "data") == ["faces.tar.gz.part", "faces.tar.gz.part.json"]
    get(server.url, tmp_path)
    assert unpacked(tmp_path) == FILES
    assert server.ranges_asked() == [None, "bytes=200-"]


@pytest.mark.parametrize("page", [
    Page(b"<html>moved</html>"), Page(ARCHIVE[:-10]), Page(ARCHIVE[:-1] + b"x"),
    Page(ARCHIVE, claim=len(ARCHIVE) - 1),
])
def test_wrong_bytes_are_reported_and_leave_nothing(server, tmp_path, page):
    server.pages[ADDRESS] = page
    with pytest.raises(UserError) as caught:
        get(server.url, tmp_path)
    told = str(caught.value)
    assert "wrong checksum" in told and f"{BASE_URL}{ADDRESS}" in told and "\n" not in told
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("make_root", [
    lambda server: server.url + "/nowhere", lambda server: "http://127.0.0.1:1",
])
def test_no_server_or_no_file_is_reported_with_the_way_out(server, tmp_path, make_root):
    root = make_root(server)
    with pytest.raises(UserError) as caught:
        get(root, tmp_path)
    told = str(caught.value)
    assert f"{root}{ADDRESS}" in told and f"by hand: save {BASE_URL}{ADDRESS} as" in told
    assert "\n" not in told
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("place", ["datasets/faces.tar.gz", "faces.tar.gz"])
def test_a_local_mirror_is_used_in_place_and_never_purged(tmp_path, place):
    archive = tmp_path / "mirror" / place
    archive.parent.mkdir(parents=True)
    archive.write_bytes(ARCHIVE)
    get(tmp_path / "mirror", tmp_path / "dest", purge=True)
    assert unpacked(tmp_path / "dest") == FILES
    assert names_in(tmp_path / "dest" / "data") == ["faces"]
    assert archive.read_bytes() == ARCHIVE


def test_a_mirror_without_the_archive_or_with_another_is_reported(tmp_path):
    with pytest.raises(UserError, match="none: expected http"):
        get(tmp_path / "none", tmp_path)
    with pytest.raises(UserError, match="faces.tar.gz: no such file"):
        get(tmp_path, tmp_path / "dest")
    (tmp_path / "faces.tar.gz").write_bytes(b"other")
    with pytest.raises(UserError, match="wrong checksum"):
        get(tmp_path, tmp_path / "dest")
    assert names_in(tmp_path) == ["faces.tar.gz"]


def test_an_unsafe_archive_with_the_right_checksum_changes_nothing(server, tmp_path):
    evil = archive_of({"../../../evil": b"evil"})
    server.pages[ADDRESS] = Page(evil)
    dataset = replace(FACES, sha1=hashlib.sha1(evil).hexdigest())
    with pytest.raises(UserError, match="unsafe archive"):
        get(server.url, tmp_path / "dest", dataset)
    assert names_in(tmp_path) == ["dest"]
    assert names_in(tmp_path / "dest" / "data") == ["faces.tar.gz"]


def test_a_disk_too_small_for_archive_and_contents_is_reported_first(server, tmp_path, monkeypatch):
    large = replace(FACES, size=1000 * 2 ** 20)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2000 * 2 ** 20))
    with pytest.raises(UserError, match=r"needs about 2\.2 GiB and 2\.0 GiB are free"):
        get(server.url, tmp_path, large)
    assert server.requests == []
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("form", [("misc/fetch_datasets.py",), ("-m", "misc.fetch_datasets")])
def test_the_command_reports_a_wrong_checksum_in_one_line(server, tmp_path, form):
    server.pages["/datasets/aflw-mtfl.tar.gz"] = Page(ARCHIVE)
    args = ("--dataset", "aflw-mtfl", "--root_url", server.url, "--dest", tmp_path)
    result = command(*args, form=form)
    assert result.returncode == 2
    error = result.stderr.splitlines()[-1]
    assert error.startswith("error: ") and "wrong checksum" in error
    assert f"{BASE_URL}/datasets/aflw-mtfl.tar.gz" in error
    assert "Traceback" not in result.stderr and "aflw-mtfl.tar.gz: 100%" in result.stderr
    assert names_in(tmp_path) == []


def test_the_command_stops_on_ctrl_c_and_goes_on_later(server, tmp_path):
    half, body = 2_000_000, os.urandom(4_000_000)
    server.pages["/datasets/aflw-mtfl.tar.gz"] = Page(body, stalls_at=half)
    args = ["--dataset", "aflw-mtfl", "--root_url", server.url, "--dest", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "misc/fetch_datasets.py", *args], cwd=PROJECT, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )
    part = tmp_path / "data" / "aflw-mtfl.tar.gz.part"
    deadline = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130 and "Traceback" not in told and "are kept" in told
    kept = part.stat().st_size
    assert 0 < kept <= half
    result = command(*args)
    assert result.returncode == 2 and "wrong checksum" in result.stderr  # all of it has arrived
    assert server.ranges_asked() == [None, f"bytes={kept}-"]


def test_an_unknown_data_set_is_reported_with_the_known_ones():
    result = command("--dataset", "faces")
    assert result.returncode == 2
    assert all(dataset.name in result.stderr for dataset in DATASETS)


def test_the_project_is_found_from_any_folder(tmp_path):
    script = Path(fetch_datasets.__file__)
    result = subprocess.run([sys.executable, script, "--help"], cwd=tmp_path, capture_output=True)
    assert result.returncode == 0
