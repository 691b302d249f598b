"""Words of messages: one thing, or several of it; commands that hold where they are read."""

import shlex
import subprocess
import sys

import pytest

from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT, write_landmark_folder
from utils.text import command, counted


@pytest.mark.parametrize("number, text", [
    (0, "0 images"), (1, "1 image"), (2, "2 images"), (202599, "202,599 images")])
def test_a_number_and_its_noun_agree(number, text):
    assert counted(number, "image") == text


def test_a_plan_of_few_things_counts_them_in_the_singular(call_program, embedding_config, tmp_path):
    root = write_landmark_folder(tmp_path / "faces", 5, 2)
    done = call_program("train.py", "--config", embedding_config(root), "--dry_run",
                        "--set", "trainer.epochs=1")
    assert done.code == 0, done.stderr
    assert "  an epoch: 1 step of 4, 1 left over\n" in done.stdout
    assert ", 1 epoch\n" in done.stdout and "2 checkpoints, of about" in done.stdout


def test_a_command_holds_in_any_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert command("misc/report.py", "saved/a b") == "python misc/report.py 'saved/a b'"
    monkeypatch.chdir(tmp_path)
    _, *words = shlex.split(command("misc/fetch_models.py", "--list"))
    done = subprocess.run([sys.executable, *words], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0 and "celeba-smallnet-64d-dve" in done.stdout


def test_a_working_folder_that_was_removed_does_not_end_a_training_at_its_last_line(
        tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert command("misc/report.py") == f"python {ROOT / 'misc' / 'report.py'}"
