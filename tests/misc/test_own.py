"""misc/own.py as users have it: from a folder of photographs to a report, with interruptions."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager, suppress

import pytest

from misc import own
from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT, write_landmark_folder
from utils.cli import run_program

SMALL = []
for change in ("dataset.args.imwidth=32", "dataset.args.crop=4", "batch_size=3", "num_workers=0",
               "min_epoch_images=0", "trainer.tensorboardX=false", "visualizations=[]"):
    SMALL += ["--set", change]
TITLES = ["check the images", "train an embedding", "annotate images", "fit a detector",
          "predict the landmarks of all images", "write a report"]
NAMES = "x0,x1,x2"


@contextmanager
def started(*words):
    """Run the program in a process group of its own; yields it, with its output as lines."""
    process = subprocess.Popen(
        [sys.executable, "misc/own.py", *map(str, words)], cwd=ROOT,
        env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # it has ended
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def read_until(process, begin):
    """Return the first line that begins so, and those before it."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(begin):
            return line, "".join(lines)
    raise AssertionError("".join(lines) + process.stderr.read())


@pytest.fixture
def steps(monkeypatch):
    """Return a function of the program's arguments that returns {title: whether it is skipped} of
    its steps and their command lines; none of them is run.
    """
    def look(*words):
        found, lines = {}, {}

        def note(title, is_done, program, *arguments):
            found[title], lines[title] = bool(is_done), [program, *map(str, arguments)]

        monkeypatch.setattr(own, "step", note)
        monkeypatch.setattr("sys.argv", ["own.py", *map(str, words)])
        monkeypatch.setattr(own, "stop_on_signals", lambda: None)
        assert run_program(own.main) == 0
        return found, lines

    return look


def test_from_a_folder_of_photographs_to_a_report(
        steps, tmp_path, monkeypatch, capsys):
    photos, output = write_landmark_folder(tmp_path / "photos", 6, 2), tmp_path / "results"
    listed = (photos / "landmarks.csv").read_text()
    (photos / "landmarks.csv").unlink()
    words = [photos, "--names", NAMES, "--output", output, "--no_browser", *SMALL]

    with started(*words, "--epochs", 5) as process:
        read_until(process, "saved ")
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
        assert (process.wait(300), process.stderr.read().splitlines()[-1]) == (130, "interrupted")
    (run,) = (output / "models" / "own-smallnet-64d-dve").iterdir()

    with started(*words, "--set", "trainer.epochs=2") as process:  # those of the detector
        line, before = read_until(process, "8 images: ")
        assert f"start: continuing {run}" in before
        assert (run / "checkpoint-epoch5.pth").exists()  # as it was begun
        command = before[before.index("== annotate images"):].splitlines()[1]
        assert command == (f"python misc/annotate.py {photos} --model {run} --images 20 "
                           f"--names {NAMES} --no_browser")
        (photos / "landmarks.csv").write_text(listed)  # as the page would do it
        address = line.split()[-1]
        finish = urllib.request.Request(
            f"{address}finish", b"{}", {"Content-Type": "application/json"})
        with suppress(ConnectionError):  # it may have ended already
            urllib.request.urlopen(finish).close()
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, (out[-600:], err)
    assert out.splitlines()[-1] == f"report:    {output / 'report.html'}"
    assert (output / "report.html").stat().st_size > 10_000
    assert len((output / "found" / "landmarks.csv").read_text().splitlines()) == 9
    (detector,) = (output / "models" / "own-keypoints-smallnet-64d-dve").iterdir()
    assert json.loads((detector / "results.json").read_text())["num_images"] == 2

    words += ["--set", "trainer.epochs=2"]
    done, lines = steps(*words)
    assert done == dict.fromkeys(TITLES, True)
    assert lines["fit a detector"][-1] == str(run / "checkpoint-epoch5.pth")
    assert steps(*words, "--epochs", 5)[0] == done
    assert "--skip_broken" not in lines["predict the landmarks of all images"]
    skipping = steps(*words, "--set", "on_broken_image=skip")[1]
    assert "--skip_broken" in skipping["predict the landmarks of all images"]
    assert steps(*words, "--epochs", 6)[0] == {**done, "train an embedding": False}
    os.utime(photos / "images")  # an image was added
    assert steps(*words)[0] == {**done, "predict the landmarks of all images": False}
    os.utime(photos / "landmarks.csv")
    assert steps(*words)[0] == {**done, **dict.fromkeys(TITLES[3:5], False)}

    others = write_landmark_folder(tmp_path / "others", 6, 2)
    monkeypatch.setattr("sys.argv", ["own.py", *map(str, [others, *words[1:]])])
    assert run_program(own.main) == 2  # the fixture has replaced the handling of signals
    told = capsys.readouterr().err
    assert told == f"error: {output}: holds results for {photos}/, choose another --output\n"


def test_mistakes_are_told_before_anything_runs(monkeypatch, capsys, tmp_path):
    photos = write_landmark_folder(tmp_path / "photos", 6, 2)
    (photos / "landmarks.csv").unlink()
    for words, complaint in (
            ([photos], "--names: there is no list of points yet, expected the names of the points"),
            ([photos, "--names", "a,,b"], "'a,,b', expected names such as heel,toe,top"),
            ([photos, "--names", "a,a"], "--names: a,a, expected different names"),
            ([photos, "--output", photos / "own"], "own is in the folder of the images"),
            ([photos, "--set", "dataset.args.root=x"], "dataset.args.root: give FOLDER instead"),
            ([photos, "--set", "trainer.save_dir=x"], "trainer.save_dir: give --output instead"),
            ([photos, "--names", "a,b", "--set", "trainer.epoch=3"], "did you mean 'epochs'?"),
            ([photos, "--names", "a,b", "--set", "loss_args.sigma=3"],
             f"{own.DETECTOR}: loss_args.sigma is not a key here"),
            ([photos, "--names", "a,b", "--device", "0,1"], "0,1: expected one device"),
            ([tmp_path / "absent"], "absent: no such folder")):
        monkeypatch.setattr("sys.argv", ["own.py", *map(str, words)])
        monkeypatch.setattr(own, "stop_on_signals", lambda: None)
        with suppress(SystemExit):
            run_program(own.main)
        out, err = capsys.readouterr()
        assert complaint in err and err.count("\n") == 1 and out == ""
