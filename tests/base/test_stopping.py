"""A signal ends a training with a checkpoint in the middle of an epoch, from which it goes on."""

import itertools
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading

import pytest

from base.base_trainer import BaseTrainer
from tests.data_helpers.comparing_runs import assert_same_files, figures_of, names_in
from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT
from utils.checkpoint.find import checkpoint_name, newest_of_config, parse_name
from utils.checkpoint.save_and_load import read_checkpoint
from utils.stopping import StopRequest


@pytest.fixture
def signal_at(monkeypatch):
    """Return a function that lets a signal arrive during the n-th step of a training."""
    optimise = BaseTrainer.optimise

    def arrange(step, *numbers):
        steps = iter(range(1, 1000))

        def optimise_and_signal(trainer, batch, epoch):
            if next(steps) == step:
                for number in numbers:
                    os.kill(os.getpid(), number)
            return optimise(trainer, batch, epoch)

        monkeypatch.setattr(BaseTrainer, "optimise", optimise_and_signal)

    yield arrange


@pytest.mark.parametrize("number, code", [
    (signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_leaves_a_checkpoint_that_goes_on_to_the_bit(
        train, embedding_config, signal_at, number, code):
    config = embedding_config()
    straight = train(config)
    signal_at(6, number)  # the second step of epoch 2, of four
    stopped = train(config, code=code)
    assert names_in(stopped.folder) == [
        "checkpoint-epoch1-step2.pth", "checkpoint-epoch1.pth", "config.json"]
    path = stopped.folder / "checkpoint-epoch1-step2.pth"
    assert stopped.finished.stderr == f"stopped; go on with the same command and --resume {path}\n"
    resumed = train(config, "--resume", path)
    assert resumed.finished.stdout.startswith(
        f"start: continuing {path} after epoch 1 and 2 steps\n")
    assert_same_files(resumed, straight, "checkpoint-epoch2.pth", "checkpoint-epoch3.pth",
                      "model_best.pth")
    assert figures_of(resumed) == figures_of(straight)
    losses = [re.findall(r" -     loss *: (.*)$", t.log, re.M) for t in (resumed, straight)]
    assert losses[0] == losses[1]
    assert path.name not in names_in(resumed.folder)


def test_a_regressor_too(train, landmark_config, trained_embedding, signal_at):
    config = landmark_config()
    start = ("--resume", trained_embedding.checkpoint(3))
    straight = train(config, *start)
    signal_at(7, signal.SIGTERM)
    stopped = train(config, *start, code=143)
    resumed = train(config, "--resume", stopped.folder / "checkpoint-epoch1-step3.pth")
    assert_same_files(resumed, straight, "checkpoint-epoch3.pth")


def test_a_signal_in_the_last_step_of_an_epoch_waits_for_its_end(
        train, embedding_config, signal_at):
    config = embedding_config(trainer={"epochs": 3, "tensorboardX": False, "save_period": 3})
    straight = train(config)
    signal_at(4, signal.SIGTERM)
    stopped = train(config, code=143)
    assert names_in(stopped.folder) == ["checkpoint-epoch1.pth", "config.json"]
    resumed = train(config, "--resume", stopped.checkpoint(1))
    assert_same_files(resumed, straight, "checkpoint-epoch3.pth", "model_best.pth")


def test_a_second_ctrl_c_insists(train, embedding_config, signal_at):
    signal_at(6, signal.SIGINT, signal.SIGINT)
    stopped = train(embedding_config(), code=130)
    assert names_in(stopped.folder) == ["checkpoint-epoch1.pth", "config.json"]
    assert stopped.finished.stderr == "interrupted\n"


def test_one_of_several_seeds_goes_on_without_the_others(train, embedding_config, signal_at):
    config = embedding_config()
    signal_at(6, signal.SIGTERM)
    stopped = train(config, "--seeds", "0,1", code=143)
    path = stopped.folder / "checkpoint-epoch1-step2.pth"
    assert stopped.finished.stderr == (
        f"stopped; go on with the same command, without --seeds, and --resume {path}\n")
    assert train(config, "--resume", path).finished.stdout.startswith(f"start: continuing {path} ")


def test_a_training_with_workers_that_get_the_signal_too(embedding_config, tmp_path):
    """As Ctrl-C in a terminal, which goes to the whole group of processes."""
    config = embedding_config(num_workers=2, trainer={"epochs": 500, "tensorboardX": False})
    program = subprocess.Popen(
        [sys.executable, "train.py", "--config", str(config)], cwd=ROOT, env=ENVIRONMENT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    for line in program.stdout:
        if re.match(r"    epoch +: 2$", line):
            break
    os.killpg(program.pid, signal.SIGINT)
    _, err = program.communicate(timeout=60)
    assert program.returncode == 130
    (line,) = err.splitlines()
    assert re.fullmatch(r"stopped; go on with the same command and --resume (\S+\.pth)", line)
    assert os.path.exists(line.split()[-1])


def test_auto_continues_the_newest_run_or_begins(train, embedding_config, signal_at, tmp_path):
    config, save_dir = embedding_config(), ("--set", f"trainer.save_dir={tmp_path / 'auto'}")
    signal_at(6, signal.SIGTERM)
    first = train(config, *save_dir, "--resume", "auto", code=143)
    assert first.finished.stdout.startswith(
        f"start: from fresh weights, nothing to continue below {first.folder.parent}\n")
    again = train(config, *save_dir, "--resume", "auto")
    assert again.folder == first.folder
    assert "checkpoint-epoch1-step2.pth after epoch 1 and 2 steps" in again.finished.stdout
    assert again.checkpoint(3).exists()


def test_auto_takes_no_small_run_for_a_real_one(train, embedding_config, tmp_path):
    config, save_dir = embedding_config(), ("--set", f"trainer.save_dir={tmp_path / 'auto'}")
    small = train(config, *save_dir, "--mini_train")
    real = train(config, *save_dir, "--resume", "auto")
    assert real.finished.stdout.startswith("start: from fresh weights, nothing to continue below ")
    for options, folder in ((["--mini_train"], small.folder), ([], real.folder)):
        assert train(config, *save_dir, *options, "--resume", "auto").folder == folder
    partial = [json.loads((run.folder / "results.json").read_text())["partial"]
               for run in (small, real)]
    assert partial == [["--mini_train: a few steps, a handful of images"], []]


def test_a_finished_training_is_not_told_as_a_training(train, trained_embedding, tmp_path):
    before = trained_embedding.log.count("trained in ")
    # A copy, since other tests look at the run.
    saved = trained_embedding.folder.parents[2]
    copied = shutil.copytree(saved, tmp_path / "copy")
    checkpoint = copied / trained_embedding.checkpoint(3).relative_to(saved)
    again = train(trained_embedding.config, "--resume", checkpoint)
    assert "nothing to train: the last epoch, 3, is done" in again.finished.stdout
    assert again.log.count("trained in ") == before


class OneSecondLater:
    """A clock that is a second further on whenever it is asked."""

    def __init__(self):
        self.perf_counter = itertools.count().__next__


def test_the_speed_of_a_resumed_epoch_counts_what_it_did(
        train, embedding_config, signal_at, monkeypatch):
    config = embedding_config()
    signal_at(6, signal.SIGTERM)  # the second step of epoch 2, of four
    path = train(config, code=143).folder / "checkpoint-epoch1-step2.pth"
    monkeypatch.setattr("base.base_trainer.time", OneSecondLater())
    resumed = train(config, "--resume", path)
    rates = [float(rate) for rate in re.findall(r"images_per_s *: (.*)$", resumed.log, re.M)]
    assert rates[-2:] == [8, 16]  # of epochs 2 and 3, a second each


# Parts


def test_a_one_cycle_schedule_and_a_learned_scale_go_on_in_the_middle_of_an_epoch(
        train, embedding_config, signal_at):
    config = embedding_config(
        arch={"type": "SmallNet", "args": {"num_output_channels": 8, "unit_length": True}},
        loss="dense_likelihood_loss_dve", loss_args={"sigma": 3},
        lr_scheduler={"type": "OneCycleLR", "args": {"max_lr": 0.01}})
    straight = train(config)
    signal_at(6, signal.SIGTERM)  # the second step of epoch 2, of four
    stopped = train(config, code=143)
    path = stopped.folder / "checkpoint-epoch1-step2.pth"
    resumed = train(config, "--resume", path)
    assert_same_files(resumed, straight, "checkpoint-epoch2.pth", "checkpoint-epoch3.pth")
    longer = train(config, "--resume", straight.folder, "--set", "trainer.epochs=4")
    assert "the one-cycle schedule was planned for 12 steps and is for 16 now: " in longer.log
    scales = [read_checkpoint(straight.folder / f"checkpoint-epoch{epoch}.pth")["state_dict"][
        "unit_length.log_scale"].item() for epoch in (1, 2, 3)]
    assert len({math.log(10), *scales}) == 4  # it is learned in every epoch


@pytest.mark.parametrize("epoch, step", [(1, 0), (12, 0), (0, 3), (7, 150)])
def test_names_of_checkpoints_say_where_they_are_from(epoch, step):
    assert parse_name(checkpoint_name(epoch, step)) == (epoch, step)


@pytest.mark.parametrize("name", ["model_best.pth", "checkpoint-epoch.pth", "checkpoint-epoch1.pt",
                                  "checkpoint-epoch1-step.pth", "checkpoint-epoch1.pth.tmp"])
def test_other_names_say_nothing(name):
    assert parse_name(name) is None


def test_steps_count_after_the_epoch(tmp_path):
    folder = tmp_path / "models" / "tiny" / "2026-01-01_00-00-00"
    folder.mkdir(parents=True)
    for name in ("checkpoint-epoch9.pth", "checkpoint-epoch10.pth", "checkpoint-epoch10-step2.pth",
                 "checkpoint-epoch10-step10.pth", "model_best.pth"):
        (folder / name).touch()
    found = newest_of_config(tmp_path, "tiny")
    assert (found.path.name, found.epoch, found.step) == ("checkpoint-epoch10-step10.pth", 10, 10)


def test_a_request_puts_back_what_it_found():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.number == signal.SIGTERM
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_threads_train_without_listening():
    failed = []

    def enter():
        try:
            with StopRequest() as stop:
                assert stop.number == 0
        except ValueError as error:  # what signal.signal raises outside the main thread
            failed.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert not failed


def test_a_closed_terminal_ends_nothing_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stop.number == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


# --resume auto, where runs still train or were killed


def auto(tmp_path):
    return "--set", f"trainer.save_dir={tmp_path / 'auto'}", "--resume", "auto"


def test_auto_takes_the_run_that_was_saved_last_whatever_it_is_called(
        train, embedding_config, tmp_path):
    config, save_dir = embedding_config(), auto(tmp_path)[:2]
    old = train(config, *save_dir, "--set", "trainer.epochs=1")
    old.folder.rename(old.folder.with_name("old-baseline"))
    new = train(config, *save_dir, "--set", "trainer.epochs=2")
    again = train(config, *auto(tmp_path))
    assert again.finished.stdout.startswith(f"start: continuing {new.checkpoint(2)} after epoch 2")
    assert again.folder == new.folder and again.checkpoint(3).exists()


HOLD = """
import sys, time
from pathlib import Path
from utils.run_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


def test_a_run_that_still_trains_is_not_continued(train, embedding_config, tmp_path, call_program):
    config, options = embedding_config(), auto(tmp_path)
    first = train(config, *options, "--set", "trainer.epochs=1")
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(first.folder)], cwd=ROOT,
                             stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    holder = f"process {other.pid} on {socket.gethostname()}"
    before = names_in(first.folder)
    for resume, told in (
            ("auto", f"--resume auto: {holder} trains in {first.folder}; wait for its end, or "),
            (first.checkpoint(1), f"{first.folder}: {holder} trains in this folder; wait for")):
        done = call_program("train.py", "--config", config, *options[:2], "--resume", resume)
        assert done.code == 2 and done.stderr.startswith(f"error: {told}")
        assert done.stderr.count("\n") == 1 and names_in(first.folder) == before
    other.kill()  # its lock stays, and holds nothing
    other.wait()
    again = train(config, *options)
    assert again.folder == first.folder and again.checkpoint(3).exists()
    assert ".lock" not in names_in(first.folder)


def test_of_two_that_begin_at_once_one_trains(embedding_config, tmp_path):
    command = [sys.executable, "train.py", "--config", str(embedding_config()), *auto(tmp_path)]
    programs = [subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [(*program.communicate(timeout=200), program.returncode) for program in programs]
    refused = [err for _, err, code in ends if code == 2]
    (folder,) = (tmp_path / "auto" / "models" / "tiny-embedding").iterdir()
    assert (folder / "results.json").exists()
    if refused:  # else the second one came so late that the first had ended
        assert re.match(r"error: --resume auto: process \d+ on \S+ trains in ", refused[0])
    assert len(refused) <= 1 and all(code in (0, 2) for *_, code in ends)


def test_a_run_that_was_killed_before_its_first_checkpoint_is_taken_up(
        train, embedding_config, tmp_path):
    config = embedding_config()
    run = train(config, *auto(tmp_path))
    straight = names_in(run.folder)
    for path in run.folder.iterdir():
        if path.name != "config.json":
            path.unlink()
    (run.folder / ".model_best.pth.tmp-17").write_text("half of it")
    (run.folder / ".lock").write_text("process 17 on a machine that was switched off")
    again = train(config, *auto(tmp_path))
    assert again.folder == run.folder and names_in(run.folder) == straight
    other = train(config, *auto(tmp_path)[:2], "--set", "seed=1")
    for path in other.folder.glob("*.*"):
        if path.name != "config.json":
            path.unlink()
    run.checkpoint(3).rename(tmp_path / "moved.pth")
    for path in run.folder.glob("*.pth"):
        path.unlink()
    beside = train(config, *auto(tmp_path))  # neither of another seed nor of one with results
    assert beside.folder not in (run.folder, other.folder)


def test_a_training_that_cannot_begin_leaves_no_folder(call_program, embedding_config, tmp_path):
    config = embedding_config(root=tmp_path / "nowhere")
    for options in ((), ("--seeds", "0,1")):
        done = call_program("train.py", "--config", config, *auto(tmp_path), *options)
        assert done.code == 2 and not (tmp_path / "auto").exists()
