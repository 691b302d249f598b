"""Whatever stdout and stderr are, programs do their work, and info.log has every line."""

import io
import os
import subprocess
import sys

import pytest

from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT, program_main, write_landmark_folder
from utils.cli import run_program

NAME = os.fsdecode(b"caf\xe9-\xc3\xa9t\xc3\xa9")  # é once in Latin-1, twice in UTF-8


def run_with(tail, *words, **environment):
    """Run a program with redirections of a shell; returns its exit code and what it printed."""
    line = f'exec "$@" {tail}'
    done = subprocess.run(
        ["bash", "-c", line, "bash", sys.executable, *map(str, words)],
        cwd=ROOT, env={**ENVIRONMENT, **environment}, capture_output=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("tail", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_fault(tail, tmp_path):
    code, out, told = run_with(tail, "misc/fetch_models.py", "--list")
    assert code == 0 and told == b""
    assert (out == b"") == (">&- " in f"{tail} ".replace("2>&-", ""))
    assert run_with(tail, "misc/report.py", tmp_path / "absent")[0] == 2
    assert run_with(tail, "misc/fetch_models.py", "--help")[0] == 0


def test_a_full_disk_behind_stdout_is_told_in_a_line(tmp_path):
    write_landmark_folder(tmp_path / "faces", 3, 2)
    code, _, told = run_with(
        ">/dev/full", "misc/check_data.py", "--config", "configs/own/smallnet-64d-dve.json",
        "--list_splits", "--set", f"dataset.args.root={tmp_path / 'faces'}")
    assert (code, told) == (2, b"error: the disk is full to which the output goes\n")


def test_what_is_opened_later_does_not_take_the_place_of_stdout(tmp_path):
    """A file that gets the number 1 would hold what C code, or a child, prints."""
    path = tmp_path / "file"
    program = (
        "import os, sys; sys.path.insert(0, '.'); from utils.cli import run_program\n"
        f"def main():\n    with open({str(path)!r}, 'w') as file:\n"
        "        print('lost'); os.system('echo stray'); file.write(str(file.fileno()))\n"
        "run_program(main)")
    assert run_with("<&- >&- 2>&-", "-c", program)[0] == 0
    assert int(path.read_text()) > 2


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_a_training_shows_any_name_on_any_terminal(
        encoding, tmp_path, monkeypatch, embedding_config):
    root = write_landmark_folder(tmp_path / NAME, 8, 4)
    config = embedding_config(root)
    output = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    errors = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setattr(sys, "argv", ["train.py", "--config", str(config), "--mini_train"])
    assert run_program(program_main("train.py")) == 0
    output.flush(), errors.flush()
    assert errors.buffer.getvalue() == b""
    shown = NAME.encode(encoding, errors="backslashreplace")
    assert shown in output.buffer.getvalue() and b"\\udce9" in shown
    (log,) = (tmp_path / "saved").rglob("info.log")
    assert NAME.encode(errors="backslashreplace") in log.read_bytes()
    plain = [line for line in output.buffer.getvalue().splitlines() if b"same-identity" in line]
    assert plain and all(line in log.read_bytes() for line in plain)
