"""Run folders, logs and results: where they lie, and that they are written whole."""

import errno
import json
import logging
import multiprocessing
import os
import re
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from tests.data_helpers.tiny_runs import EMBEDDING, ROOT
from utils.checkpoint.find import newest_of_config
from utils.config.read import check_config
from utils.disk import write_json
from utils.errors import UserError
from utils.log import open_log
from utils.run import Run
from utils.run_folder import RunFolder
from utils.run_lock import LOCK, locked, locked_run, owner_of

STAMP = "2019-08-08_17-56-24"
LOG_LINE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - \S+ - (DEBUG|INFO|WARNING) - "


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path, Path("celeba-smallnet") / STAMP)


# ---- folders


def test_a_run_has_a_folder_for_models_and_one_for_logs(tmp_path, folder):
    assert folder.model_dir == tmp_path / "models" / "celeba-smallnet" / STAMP
    assert folder.log_dir == tmp_path / "log" / "celeba-smallnet" / STAMP
    assert folder.for_seed(2).model_dir == folder.model_dir / "seed-2"
    assert folder.for_seed(2).log_dir == folder.log_dir / "seed-2"


def test_a_run_that_starts_now_is_named_after_the_time(tmp_path):
    before = datetime.now().replace(microsecond=0)
    name = RunFolder.new(tmp_path, "a").model_dir.name
    assert before <= datetime.strptime(name, "%Y-%m-%d_%H-%M-%S") <= datetime.now()


def test_two_runs_of_one_second_do_not_share_a_folder(tmp_path):
    folders = []
    for _ in range(3):
        folders.append(RunFolder.new(tmp_path, "a"))
        folders[-1].create({})
    assert len({folder.model_dir for folder in folders}) == 3


def test_a_checkpoint_leads_back_to_its_run(folder):
    path = folder.model_dir / "checkpoint-epoch3.pth"
    assert RunFolder.of_checkpoint(path).model_dir == folder.model_dir
    assert RunFolder.of_checkpoint(path).log_dir == folder.log_dir
    of_seed = folder.for_seed(1)
    path = of_seed.model_dir / "model_best.pth"
    assert RunFolder.of_checkpoint(path).model_dir == of_seed.model_dir
    assert RunFolder.of_checkpoint(path).log_dir == of_seed.log_dir


def test_a_relative_path_leads_back_too(folder, monkeypatch):
    folder.create({})
    monkeypatch.chdir(folder.model_dir.parent)
    found = RunFolder.of_checkpoint(Path(STAMP) / "checkpoint-epoch3.pth")
    assert found.model_dir.samefile(folder.model_dir)


@pytest.mark.parametrize("place", [
    "downloads/checkpoint-epoch3.pth", f"{STAMP}/checkpoint-epoch3.pth",
    f"elsewhere/celeba-smallnet/{STAMP}/checkpoint-epoch3.pth",
    f"models/celeba-smallnet/{STAMP}/deep/er/checkpoint-epoch3.pth",
])
def test_a_checkpoint_that_lies_elsewhere_has_no_run(tmp_path, place):
    assert RunFolder.of_checkpoint(tmp_path / place) is None


def test_creating_a_run_keeps_its_config(folder):
    raw = {"arch": {"type": "SmallNet"}, "lr": 1e-5}
    folder.create(raw)
    folder.create(raw)  # when it is resumed
    assert folder.log_dir.is_dir()
    assert json.loads((folder.model_dir / "config.json").read_text()) == raw


def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path):
    (tmp_path / "saved").write_text("a file")
    with pytest.raises(UserError, match=r"cannot make this folder \(.*trainer.save_dir"):
        RunFolder(tmp_path / "saved", Path("a") / STAMP).create({})


# ---- the newest checkpoint


def touch_checkpoint(tmp_path, stamp, name):
    path = tmp_path / "models" / "tiny" / stamp / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_the_newest_checkpoint_is_the_last_of_the_newest_run_that_has_any(tmp_path):
    assert newest_of_config(tmp_path, "tiny") is None
    touch_checkpoint(tmp_path, "2020-01-01_00-00-00", "checkpoint-epoch99.pth")
    touch_checkpoint(tmp_path, "2021-01-01_00-00-00", "checkpoint-epoch9.pth")
    last = touch_checkpoint(tmp_path, "2021-01-01_00-00-00", "checkpoint-epoch10.pth")
    touch_checkpoint(tmp_path, "2021-01-01_00-00-00", "model_best.pth")
    touch_checkpoint(tmp_path, "2022-01-01_00-00-00", "config.json")  # an evaluation's folder
    touch_checkpoint(tmp_path, "2021-01-01_00-00-00", ".checkpoint-epoch11.pth.tmp-123")
    found = newest_of_config(tmp_path, "tiny")
    assert (found.path, found.epoch) == (last, 10)
    assert newest_of_config(tmp_path, "other") is None


def test_the_newest_checkpoint_is_of_the_run_that_was_saved_last_whatever_its_name(tmp_path):
    old = touch_checkpoint(tmp_path, "old-baseline", "checkpoint-epoch9.pth")
    new = touch_checkpoint(tmp_path, "2021-01-01_00-00-00", "checkpoint-epoch2.pth")
    os.utime(old, ns=(1, 1))
    assert newest_of_config(tmp_path, "tiny").path == new
    os.utime(new, ns=(0, 0))
    assert newest_of_config(tmp_path, "tiny").path == old


# ---- logs


@pytest.mark.parametrize("verbosity, shown", [
    (0, ["careful"]), (1, ["an epoch", "careful"]), (2, ["a detail", "an epoch", "careful"]),
])
def test_the_file_holds_everything_and_the_terminal_what_is_wanted(
        folder, capsys, verbosity, shown):
    folder.create({})
    logger = open_log(folder, verbosity)
    logger.debug("a detail")
    logger.info("an epoch")
    logger.warning("careful")
    assert capsys.readouterr().out.splitlines() == shown
    lines = (folder.log_dir / "info.log").read_text().splitlines()
    assert [re.sub(LOG_LINE, "", line) for line in lines] == ["a detail", "an epoch", "careful"]
    assert all(re.match(LOG_LINE, line) for line in lines)


def test_each_run_has_a_log_of_its_own_and_a_resumed_one_goes_on(tmp_path, capsys):
    first, second = (
        RunFolder(tmp_path, Path(name) / STAMP) for name in ("first", "second"))
    for folder in (first, second):
        folder.create({})
    open_log(first, 2).info("one")
    open_log(second, 2).info("two")
    open_log(first, 2).info("three")
    assert capsys.readouterr().out.splitlines() == ["one", "two", "three"]
    texts = [(folder.log_dir / "info.log").read_text() for folder in (first, second)]
    assert [re.sub(LOG_LINE, "", text).split() for text in texts] == [["one", "three"], ["two"]]
    logging.getLogger("dve").handlers.clear()


def open_run(folder, **options):
    raw = {**EMBEDDING, "trainer": {"epochs": 1, **options}}
    return Run(folder, check_config("tiny.json", raw))


def test_an_open_run_has_its_config_and_begins_its_log(folder):
    run = open_run(folder, tensorboardX=False)
    with run.open(["start: here", "a note"]):
        assert run.writer is None
        run.logger.info("at work")
    log = (folder.log_dir / "info.log").read_text()
    assert re.sub(LOG_LINE, "", log).splitlines() == ["start: here", "a note", "at work"]
    assert json.loads((folder.model_dir / "config.json").read_text()) == run.config.raw


@pytest.mark.parametrize("wanted, events", [(True, True), (True, False), (False, True)])
def test_events_are_written_where_options_and_caller_want_them(folder, wanted, events):
    run = open_run(folder, tensorboardX=wanted)
    with run.open([], events):
        if run.writer is not None:
            run.writer.add_scalar("loss", 0.5, 1)
    assert bool(list(folder.log_dir.glob("events.*"))) == (wanted and events)


def test_json_is_readable_and_ends_with_a_line_break(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, None, "ü"], "c": 0.1})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"b": [1, None, "ü"], "c": 0.1}
    assert text.endswith("}\n") and "\n    " in text


def test_what_json_cannot_hold_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


# ---- one process for each run


def make_folders(save_dir, start, made):
    start.wait()
    made.put([str(RunFolder.new(save_dir, "a").model_dir) for _ in range(5)])


def test_runs_that_start_at_once_in_many_processes_have_folders_of_their_own(tmp_path):
    context = multiprocessing.get_context("fork")
    start, made = context.Barrier(4), context.Queue()
    processes = [context.Process(target=make_folders, args=(tmp_path, start, made))
                 for _ in range(4)]
    for process in processes:
        process.start()
    names = sum((made.get(timeout=60) for _ in processes), [])
    for process in processes:
        process.join(60)
    assert len(set(names)) == len(names) == 20


HOLD = """
import sys, time
from pathlib import Path
from utils.run_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


@pytest.fixture
def held_elsewhere(tmp_path):
    """Return a folder, and the process that holds it."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT,
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield tmp_path, process
    process.kill()
    process.wait()


def test_a_folder_is_held_by_one_process_until_that_ends(held_elsewhere):
    folder, process = held_elsewhere
    holder = f"process {process.pid} on {socket.gethostname()}"
    assert owner_of(folder) == holder
    with pytest.raises(UserError, match=f"^{folder}: {holder} trains in this folder; wait"):
        with locked(folder):
            pass
    process.kill()  # as the machine does that is short of memory: it cannot clean up
    process.wait()
    assert (folder / LOCK).exists() and owner_of(folder) is None
    with locked(folder):
        assert (folder / LOCK).read_text() == f"process {os.getpid()} on {socket.gethostname()}"
    assert not (folder / LOCK).exists()


def test_a_file_system_without_locks_is_used_without(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("utils.run_lock.fcntl.lockf", refuse)
    with locked(tmp_path), locked(tmp_path):
        assert owner_of(tmp_path) is None


def test_a_held_run_that_came_to_nothing_leaves_nothing(tmp_path):
    for seeds in (None, [0, 1]):
        folder = RunFolder.new(tmp_path, "a")
        with locked_run(folder, seeds):
            assert len(list(folder.model_dir.rglob(LOCK))) == len(seeds or [0])
        assert not folder.model_dir.exists()
