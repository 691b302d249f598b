"""A training that was killed, stopped or moved ends where an unbroken one does, bit for bit."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from base import checkpoint_keeper
from base.base_trainer import BaseTrainer
from tests.data_helpers.comparing_runs import (
    assert_same,
    assert_same_files,
    epochs_in,
    everything_but_config,
    figures_of,
    names_in,
)
from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT
from trainer.embedding_trainer import EmbeddingTrainer
from utils.checkpoint.save_and_load import read_checkpoint, save_checkpoint

# ---- kill -9


def kill_in_epoch_2(*args, output):
    """Start a training of 48 images an epoch, and kill it in the middle of the second one.

    It gets a terminal for its progress bar, which tells how far it is; stdout goes to a file.
    """
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    with open(output, "wb") as file:
        process = subprocess.Popen([sys.executable, "train.py", *map(str, args)], cwd=ROOT,
                                   env=ENVIRONMENT, stdout=file, stderr=end)
    os.close(end)
    shown = b""
    try:
        while not re.search(rb"epoch 2/3: .*\| [1-9]\d*/48 ", shown):
            assert select.select([terminal], [], [], 200)[0], "the program is stuck"
            shown += os.read(terminal, 4096)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        os.close(terminal)
    assert process.wait() == -signal.SIGKILL


def test_a_config_that_changed_since_is_reported(train, embedding_config):
    before = train(embedding_config(), "--set", "trainer.epochs=1")
    after = embedding_config(loss_args={"pow": 1, "normalize_vectors": False})
    resumed = train(after, "--set", "trainer.epochs=2", "--resume", before.checkpoint(1))
    told = resumed.finished.stdout.splitlines()[:2]
    assert told[0] == f"start: continuing {before.checkpoint(1)} after epoch 1"
    assert told[1].startswith(
        "start: not as in the checkpoint's config: loss_args.pow = 1 (was not set), "
        "trainer.epochs = 2 (was 1); the state of optimizer")


def test_a_killed_training_ends_where_an_unbroken_one_does(
        run_program, trained_embedding, tmp_path):
    args = ("--config", trained_embedding.config, "--set", f"trainer.save_dir={tmp_path}")
    kill_in_epoch_2(*args, output=tmp_path / "stdout")
    (folder,) = (tmp_path / "models" / "tiny-embedding").iterdir()
    assert names_in(folder) == [".lock", "checkpoint-epoch1.pth", "config.json"]

    done = run_program("train.py", *args, "--resume", folder / "checkpoint-epoch1.pth")
    assert (done.code, done.stderr) == (0, "")
    resumed = replace(trained_embedding, folder=folder, finished=done)
    assert done.run_folder == folder
    assert done.stdout.startswith(
        f"start: continuing {folder / 'checkpoint-epoch1.pth'} after epoch 1\n")
    assert names_in(folder) == names_in(trained_embedding.folder)
    assert_same_files(resumed, trained_embedding, "checkpoint-epoch1.pth", "checkpoint-epoch2.pth",
                      "checkpoint-epoch3.pth", "model_best.pth")
    assert figures_of(resumed) == figures_of(trained_embedding)
    assert epochs_in(resumed) == [1, 2, 3]  # the log goes on too


# ---- interruptions in this process


@contextmanager
def interruption_at(step):
    """Let the n-th step of a training fail as Ctrl-C makes it fail."""
    steps, optimise = iter(range(1, 1000)), BaseTrainer.optimise

    def interrupted(trainer, batch, epoch):
        if next(steps) == step:
            raise KeyboardInterrupt
        return optimise(trainer, batch, epoch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseTrainer, "optimise", interrupted)
        yield


WARPED = {"warper": {"type": "WarperSingle", "args": {}}, "warp_val": True}


@pytest.mark.parametrize("changes", [
    {"cache_descriptors": True}, {"cache_descriptors": False, **WARPED},
    {"cache_descriptors": True, "restrict_annos": 3, **WARPED},
], ids=["cached", "live and warped", "few annotations"])
def test_an_interrupted_regressor_ends_where_an_unbroken_one_does(
        train, landmark_config, trained_embedding, changes):
    config = landmark_config(**changes)
    start = ("--resume", trained_embedding.checkpoint(3))
    straight = train(config, *start)
    with interruption_at(step=6):  # of 4 (or 3) an epoch
        stopped = train(config, *start, code=130)
    assert names_in(stopped.folder) == ["checkpoint-epoch1.pth", "config.json"]
    resumed = train(config, "--resume", stopped.checkpoint(1))
    assert resumed.folder == stopped.folder
    assert "start: continuing" in resumed.finished.stdout.splitlines()[0]
    assert_same_files(resumed, straight, "checkpoint-epoch2.pth", "checkpoint-epoch3.pth",
                      "model_best.pth")
    assert figures_of(resumed) == figures_of(straight)


def test_a_training_killed_between_its_two_files_keeps_the_best(
        train, embedding_config, monkeypatch):
    config = embedding_config(
        trainer={"epochs": 3, "tensorboardX": False, "monitor": "min val_loss"})
    straight = train(config)
    for kills_at in (1, 2):  # the first, or the second, file of epoch 2
        with monkeypatch.context() as patch:
            files = iter(range(1, 100))

            def save(path, state):
                if state["epoch"] == 2 and next(files) == kills_at:
                    raise KeyboardInterrupt
                save_checkpoint(path, state)

            patch.setattr(checkpoint_keeper, "save_checkpoint", save)
            stopped = train(config, code=130)
        assert names_in(stopped.folder) == [
            "checkpoint-epoch1.pth", "config.json", "model_best.pth"]
        resumed = train(config, "--resume", stopped.checkpoint(1))
        assert_same_files(resumed, straight, "checkpoint-epoch3.pth", "model_best.pth")


def test_the_seed_of_a_continued_run_is_its_own(train, embedding_config):
    config = embedding_config()
    two = ("--set", "trainer.epochs=2")
    straight = train(config, "--seeds", "4", *two)
    stopped = train(config, "--seeds", "4", "--set", "trainer.epochs=1")
    resumed = train(config, "--resume", stopped.checkpoint(1), *two)
    assert resumed.folder == stopped.folder and resumed.folder.name == "seed-4"
    assert_same_files(resumed, straight, "checkpoint-epoch2.pth")
    assert json.loads((resumed.folder / "results.json").read_text())["seed"] == 4
    other = train(config, *two)
    assert figures_of(other) != figures_of(straight)


def test_a_checkpoint_that_was_moved_goes_on_in_a_new_folder(
        train, embedding_config, trained_embedding, tmp_path):
    moved = tmp_path / "downloads" / "checkpoint-epoch2.pth"
    moved.parent.mkdir()
    shutil.copy(trained_embedding.checkpoint(2), moved)
    resumed = train(trained_embedding.config, "--resume", moved)
    assert names_in(moved.parent) == [moved.name]
    assert tmp_path in resumed.folder.parents
    assert epochs_in(resumed) == [3]
    assert_same_files(resumed, trained_embedding, "checkpoint-epoch3.pth")


def test_a_finished_training_is_only_evaluated_again(train, trained_embedding, tmp_path):
    folder = tmp_path / "models" / trained_embedding.folder.relative_to(
        trained_embedding.folder.parents[1])
    shutil.copytree(trained_embedding.folder, folder)
    (folder / "results.json").unlink()
    before = (folder / "checkpoint-epoch3.pth").read_bytes()
    again = train(trained_embedding.config, "--resume", folder / "checkpoint-epoch3.pth")
    assert again.folder == folder
    assert epochs_in(again) == []
    assert figures_of(again) == figures_of(trained_embedding)
    assert (folder / "checkpoint-epoch3.pth").read_bytes() == before


def test_a_folder_of_a_run_stands_for_its_last_checkpoint(
        call_program, trained_embedding, landmark_config, tmp_path):
    folder = tmp_path / "downloads"
    shutil.copytree(trained_embedding.folder, folder)
    (folder / "checkpoint-epoch3.pth").unlink()  # model_best.pth is of epoch 3
    last = folder / "checkpoint-epoch2.pth"
    for config, begins in (
            (trained_embedding.config, f"start: continuing {last} after epoch 2\n"),
            (landmark_config(), f"start: backbone weights of {last} (epoch 2); ")):
        done = call_program("train.py", "--config", config, "--resume", folder, "--dry_run")
        assert (done.code, done.stderr) == (0, "") and done.stdout.startswith(begins)
    for program in ("test.py", "test_matching.py"):
        done = call_program(program, "--config", trained_embedding.config, "--resume", folder,
                            "--set", f"trainer.save_dir={tmp_path}", "--mini_train",
                            "--output", tmp_path / "out.json")
        assert (done.code, done.stderr) == (0, "")
        assert json.loads((tmp_path / "out.json").read_text())["checkpoint"] == str(last)


@pytest.mark.parametrize("program", ["train.py", "test.py", "test_matching.py"])
def test_a_folder_without_checkpoints_cannot_be_resumed(
        call_program, trained_embedding, tmp_path, program):
    (tmp_path / "seed-0").mkdir()
    done = call_program(program, "--config", trained_embedding.config, "--resume", tmp_path)
    assert done.code == 2 and done.stderr.startswith(
        f"error: {tmp_path}: holds no checkpoint-epochN.pth; expected a checkpoint, or the folder ")


def test_a_longer_training_is_a_continued_one(train, embedding_config):
    config = embedding_config()
    straight = train(config, "--set", "trainer.epochs=2")
    longer = train(config, "--set", "trainer.epochs=1")
    longer = train(config, "--resume", longer.checkpoint(1), "--set", "trainer.epochs=2")
    assert_same_files(longer, straight, "checkpoint-epoch2.pth", "model_best.pth")


@pytest.mark.parametrize("args, words", [
    (("--set", "bias_lr=null"), "checkpoint-epoch3.pth: the optimizer's state does not fit: "),
    (("--set", "arch.args.num_output_channels=4"),
     "checkpoint-epoch3.pth: its weights do not fit SmallNet: conv6.bias is (8,), expected (4,)"),
    (("--seeds", "0,1"), "one seed is continued at a time, without --seeds"),
])
def test_a_run_that_cannot_be_continued(call_program, trained_embedding, args, words):
    before = names_in(trained_embedding.folder)
    done = call_program("train.py", "--config", trained_embedding.config,
                        "--resume", trained_embedding.checkpoint(3), *args)
    assert done.code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and words in line
    assert names_in(trained_embedding.folder) == before


# ---- what must not change a training


def test_neither_workers_nor_the_cache_change_a_training(train, embedding_config):
    config = embedding_config()
    plain, *others = (
        train(config, "--set", "trainer.epochs=2", *more) for more in (
            (), ("--set", "cache=memory"), ("--set", "cache=device"), ("--set", "num_workers=2"),
            ("--set", "num_workers=2", "--set", "cache=disk"),
        )
    )
    for other in others:
        assert_same_files(other, plain, "checkpoint-epoch1.pth", "checkpoint-epoch2.pth")
        assert figures_of(other) == figures_of(plain)


def test_neither_workers_nor_the_cache_change_a_regressor(
        train, landmark_config, trained_embedding):
    config = landmark_config(**WARPED)
    start = ("--resume", trained_embedding.checkpoint(3), "--set", "trainer.epochs=2")
    plain, other = (
        train(config, *start, *more)
        for more in ((), ("--set", "num_workers=2", "--set", "cache=memory"))
    )
    assert_same_files(other, plain, "checkpoint-epoch2.pth")
    assert figures_of(other) == figures_of(plain)


# ---- the best epoch, and when to stop


@pytest.fixture
def validation_gives(monkeypatch):
    """Return a function of the ``val_loss`` that the epochs of a training shall have."""

    def give(*values):
        monkeypatch.setattr(
            EmbeddingTrainer, "validate", lambda trainer, epoch: {"val_loss": values[epoch - 1]})

    return give


@pytest.mark.parametrize("monitor, best", [
    ("min val_loss", 2), ("max val_loss", 3), ("off", 4),
])
def test_the_best_model_is_that_of_the_best_epoch(
        train, embedding_config, validation_gives, monitor, best):
    validation_gives(0.5, 0.2, 0.7, 0.4)
    trainer = {"epochs": 4, "tensorboardX": False, "monitor": monitor}
    trained = train(embedding_config(trainer=trainer))
    assert_same(everything_but_config(trained.folder / "model_best.pth"),
                everything_but_config(trained.checkpoint(best)))
    weights = [read_checkpoint(trained.checkpoint(epoch))["state_dict"]["conv6.weight"]
               for epoch in (1, 2, 3, 4)]
    assert not any(torch.equal(one, other) for one, other in zip(weights, weights[1:]))


def test_the_best_model_is_kept_although_its_epoch_is_not(
        train, embedding_config, validation_gives):
    validation_gives(0.5, 0.2, 0.7)
    trainer = {"epochs": 3, "tensorboardX": False, "save_period": 5, "monitor": "min val_loss"}
    trained = train(embedding_config(trainer=trainer))
    assert names_in(trained.folder) == [
        "checkpoint-epoch3.pth", "config.json", "model_best.pth", "results.json"]
    assert read_checkpoint(trained.folder / "model_best.pth")["epoch"] == 2


def test_a_training_without_gain_stops_and_stays_stopped(
        train, embedding_config, validation_gives):
    validation_gives(0.5, 0.4, 0.4, 0.6, 0.1, 0.1)
    trainer = {"epochs": 6, "tensorboardX": False, "save_period": 3, "monitor": "min val_loss",
               "patience": 2}
    config = embedding_config(trainer=trainer)
    stopped = train(config)
    assert epochs_in(stopped) == [1, 2, 3, 4]
    assert "stopped: no better val_loss for 2 epochs" in stopped.log
    assert {"checkpoint-epoch3.pth", "checkpoint-epoch4.pth", "model_best.pth", "results.json"} <= (
        set(names_in(stopped.folder)))
    assert read_checkpoint(stopped.folder / "model_best.pth")["epoch"] == 2
    again = train(config, "--resume", stopped.checkpoint(4))
    assert epochs_in(again) == [1, 2, 3, 4]  # one log: nothing was added
    assert "checkpoint-epoch5.pth" not in names_in(stopped.folder)
    shorter = train(config, "--resume", stopped.checkpoint(3))
    assert epochs_in(shorter) == [1, 2, 3, 4, 4]


def test_patience_counts_on_after_an_interruption(train, embedding_config, validation_gives):
    validation_gives(0.5, 0.6, 0.7, 0.8)
    trainer = {"epochs": 4, "tensorboardX": False, "monitor": "min val_loss", "patience": 2}
    config = embedding_config(trainer=trainer)
    with interruption_at(step=9):  # the first of epoch 3
        stopped = train(config, "--set", "trainer.patience=0", code=130)
    resumed = train(config, "--resume", stopped.checkpoint(1))
    assert epochs_in(resumed) == [1, 2, 2, 3]
