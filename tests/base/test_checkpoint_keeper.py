"""Which checkpoints stay, and what a disk that refuses them leads to."""

import errno
import json
import logging
import os
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from base.base_trainer import BaseTrainer
from base.checkpoint_keeper import MOST_FAILURES, superseded
from base.monitor import Monitor
from data_loader.batches import make_loader
from data_loader.synthetic_faces import SyntheticFaces
from tests.data_helpers.comparing_runs import names_in
from tests.data_helpers.tiny_runs import EMBEDDING
from utils.checkpoint.save_and_load import read_checkpoint
from utils.config.keys import TrainerOptions
from utils.config.read import check_config
from utils.disk import WriteError, refusal, remove_leftovers, write_atomically
from utils.errors import ConfigError, UserError
from utils.events import Events
from utils.log import open_log
from utils.run import Run
from utils.run_folder import RunFolder

CPU = torch.device("cpu")
STAMP = "2026-01-01_00-00-00"


class Counting(BaseTrainer):
    """Its weight is the number of steps taken, one an epoch; its validation values are given."""

    def __init__(self, folder, val_losses=(), **options):
        model = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.zeros_(model.weight)
        options = {"epochs": 1, "save_dir": str(folder), "tensorboardX": False, **options}
        config = {**EMBEDDING, "lr_scheduler": None, "trainer": options}
        run = Run(RunFolder(folder, Path("tiny") / STAMP), check_config("tiny.json", config))
        faces = SyntheticFaces("train", imwidth=24, crop=4, num_images=2)
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        super().__init__(model, model, optimizer, None, make_loader(faces, 2, CPU, training=True),
                         None, run)
        self.val_losses = val_losses

    def train_step(self, batch, epoch):
        return -self.model.weight.sum()

    def validate(self, epoch):
        return {"val_loss": self.val_losses[epoch - 1]} if self.val_losses else {}

    def train(self):
        with self.run.open([], events=False):
            self.fit()
        return self.run.folder.model_dir


def epochs_in(folder):
    """Return the epochs of the checkpoints in a folder; each must hold what its name says."""
    found = []
    for path in folder.glob("checkpoint-*.pth"):
        checkpoint = read_checkpoint(path)
        assert path.name == f"checkpoint-epoch{checkpoint['epoch']}.pth"
        assert checkpoint["state_dict"]["weight"].item() == checkpoint["epoch"]
        found.append(checkpoint["epoch"])
    return sorted(found)


# Which are kept

@pytest.mark.parametrize("keep_last, keep_best, removed", [
    (0, 0, []), (1, 0, [1, 2, 3, 4]), (3, 0, [1, 2]), (9, 0, []),
    (0, 1, [1, 3, 4]), (0, 2, [1, 3]), (2, 2, [1, 3]), (1, 9, [])])
def test_the_last_and_the_best_stay(keep_last, keep_best, removed):
    assert superseded([1, 2, 3, 4, 5], keep_last, [2, 4, 5, 1, 3], keep_best) == removed


@pytest.mark.parametrize("options, kept", [
    ({}, [1, 2, 3, 4, 5, 6]), ({"keep_last": 0}, [1, 2, 3, 4, 5, 6]), ({"keep_last": 2}, [5, 6]),
    ({"keep_last": 2, "save_period": 2}, [4, 6]), ({"keep_best": 2}, [2, 4, 6]),
    ({"keep_last": 2, "keep_best": 1}, [2, 5, 6])])
def test_a_training_keeps_what_its_options_say(tmp_path, options, kept):
    val_losses = [5.0, 1.0, 4.0, 2.0, float("nan"), 3.0]
    folder = Counting(tmp_path, val_losses, epochs=6, monitor="min val_loss", verbosity=0,
                      **options).train()
    assert epochs_in(folder) == kept
    assert read_checkpoint(folder / "model_best.pth")["epoch"] == 2


def test_a_checkpoint_is_removed_only_once_the_next_is_on_the_disk(tmp_path, monkeypatch):
    unlink, seen = Path.unlink, []

    def watched(path, **more):
        if not path.name.startswith("."):
            seen.append((path.name, epochs_in(path.parent)))
        unlink(path, **more)

    monkeypatch.setattr(Path, "unlink", watched)
    Counting(tmp_path, epochs=3, keep_last=1, verbosity=0).train()
    assert seen == [("checkpoint-epoch1.pth", [1, 2]), ("checkpoint-epoch2.pth", [2, 3])]


def resume(trainer, path):
    trainer.resume(read_checkpoint(path), path)
    trainer.keeper.resumed_from = path


def test_the_best_are_known_after_a_resume_too(tmp_path):
    options = {"monitor": "min val_loss", "keep_best": 1, "verbosity": 0}
    val_losses = [1.0, 2.0, 3.0, 4.0]
    folder = Counting(tmp_path, val_losses, epochs=2, **options).train()
    resumed = Counting(tmp_path, val_losses, epochs=4, **options)
    resume(resumed, folder / "checkpoint-epoch2.pth")
    resumed.train()
    assert epochs_in(folder) == [1, 2, 4]  # 2: the one it was resumed from


def test_what_lies_ahead_of_a_resumed_training_stays(tmp_path):
    folder = Counting(tmp_path, epochs=5, verbosity=0).train()
    resumed = Counting(tmp_path, epochs=3, keep_last=1, verbosity=0)
    resume(resumed, folder / "checkpoint-epoch1.pth")
    resumed.train()
    assert epochs_in(folder) == [1, 3, 4, 5]


def test_what_results_name_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = Path("models") / "tiny" / STAMP / "checkpoint-epoch2.pth"
    evaluation = tmp_path / "models" / "another" / STAMP
    evaluation.mkdir(parents=True)
    (evaluation / "results.json").write_text(json.dumps({"checkpoint": str(place)}))
    for number, text in enumerate(["{", "[]", "{}", '{"checkpoint": 3}']):
        (evaluation / f"seed-{number}").mkdir()
        (evaluation / f"seed-{number}" / "results.json").write_text(text)
    folder = Counting(tmp_path, epochs=4, keep_last=1, verbosity=0).train()
    assert epochs_in(folder) == [2, 4]


def test_the_best_are_those_of_a_monitor():
    with pytest.raises(ValueError, match="keep_best = 2, expected 0, or a trainer.monitor"):
        TrainerOptions(epochs=1, keep_best=2)


def test_epochs_are_ranked_by_their_values():
    monitor = Monitor("max val_loss", 0)
    for epoch, value in enumerate([1.0, 3.0, float("nan"), 3.0], 1):
        monitor.update({"val_loss": value}, epoch)
    assert monitor.ranked([1, 2, 3, 4, 7]) == [2, 4, 1, 3, 7]


# A disk that refuses

@pytest.fixture
def refusing(monkeypatch):
    """Return a set of file names that the disk refuses while they are in it."""
    names, fsync = set(), os.fsync

    def refuse(descriptor):
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        if any(f".{refused}.tmp-" in name for refused in names):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    return names


class Filling(Counting):
    """Finds some files refused in given epochs: {epoch: names}."""

    def __init__(self, refusing, schedule, *args, **options):
        super().__init__(*args, **options)
        self.refusing, self.schedule = refusing, schedule

    def validate(self, epoch):
        self.refusing.clear()
        self.refusing.update(self.schedule.get(epoch, ()))
        return super().validate(epoch)


def named(epoch):
    return f"checkpoint-epoch{epoch}.pth"


def test_a_disk_that_is_full_for_a_while_ends_no_training(tmp_path, capsys, refusing):
    schedule = {2: [named(2)], 3: [named(3)]}
    folder = Filling(refusing, schedule, tmp_path, epochs=5, keep_last=1).train()
    assert epochs_in(folder) == [5]
    assert names_in(folder) == [named(5), "config.json", "model_best.pth"]
    told = [line for line in capsys.readouterr().out.splitlines() if "not saved" in line]
    assert len(told) == 2
    assert told[0].startswith(f"epoch 2 is not saved: {folder / named(2)}: cannot write this file "
                              "(No space left on device); it needs about ")
    assert "are free; the training goes on" in told[0]


def test_what_is_owed_is_saved_after_the_next_epoch_whatever_the_period(tmp_path, refusing):
    folder = Filling(refusing, {2: [named(2)]}, tmp_path, epochs=6, save_period=2,
                     verbosity=0).train()
    assert epochs_in(folder) == [3, 4, 6]


def test_a_full_disk_keeps_what_was_there_and_fails_if_it_lasts(tmp_path, refusing):
    schedule = {epoch: [named(epoch)] for epoch in range(2, 9)}
    trainer = Filling(refusing, schedule, tmp_path, epochs=9, keep_last=1, verbosity=0)
    with pytest.raises(UserError) as failed:
        trainer.train()
    folder = trainer.run.folder.model_dir
    assert trainer.last_epoch == 1 + MOST_FAILURES
    assert epochs_in(folder) == [1]
    assert names_in(folder) == [named(1), "config.json"]
    assert str(failed.value).endswith(
        f"make room, and go on with the same command and --resume {folder / named(1)}")


def test_the_last_epoch_does_not_wait(tmp_path, refusing):
    trainer = Filling(refusing, {3: [named(3)]}, tmp_path, epochs=3, verbosity=0)
    with pytest.raises(WriteError, match=r"epoch3.pth: .*go on with .* --resume .*epoch2\.pth"):
        trainer.train()


def test_before_the_first_checkpoint_there_is_nothing_to_go_on_with(tmp_path, refusing):
    trainer = Filling(refusing, {1: [named(1)]}, tmp_path, epochs=1, verbosity=0)
    refusing.add("model_best.pth")
    with pytest.raises(WriteError, match="no checkpoint has been written yet"):
        trainer.train()


def test_a_best_model_that_was_refused_is_written_as_it_was(tmp_path, refusing):
    folder = Filling(refusing, {2: ["model_best.pth"]}, tmp_path, [3.0, 1.0, 2.0, 2.0], epochs=4,
                     monitor="min val_loss", verbosity=0).train()
    assert epochs_in(folder) == [1, 3, 4]  # not 2, whose resumed run would not write the best again
    best = read_checkpoint(folder / "model_best.pth")
    assert best["epoch"] == 2 and best["state_dict"]["weight"].item() == 2


def test_a_checkpoint_that_cannot_be_removed_is_reported(tmp_path, capsys, monkeypatch):
    unlink = Path.unlink

    def refuse(path, **more):
        if path.name == named(1):
            raise PermissionError(errno.EACCES, "Permission denied")
        unlink(path, **more)

    monkeypatch.setattr(Path, "unlink", refuse)
    folder = Counting(tmp_path, epochs=2, keep_last=1).train()
    assert f"{folder / named(1)}: cannot remove this file (Permission denied)" in (
        capsys.readouterr().out)


def test_a_training_removes_what_killed_ones_left(tmp_path):
    folder = Counting(tmp_path, epochs=1, verbosity=0).train()
    (folder / f".{named(2)}.tmp-123").write_bytes(b"half of it")
    (folder / ".other").write_bytes(b"")
    Counting(tmp_path, epochs=1, verbosity=0).train()
    assert names_in(folder) == [".other", named(1), "config.json", "model_best.pth"]


# The rest of what a run writes

def full(*_):
    return OSError(errno.ENOSPC, "No space left on device")


def test_events_wait_for_room_and_are_missed_once(tmp_path, caplog, monkeypatch):
    logger = logging.getLogger("events")
    events = Events(tmp_path, logger)
    with monkeypatch.context() as patch:
        patch.setattr("utils.events.refusal", full)
        for epoch in (1, 2):
            events.add_scalar("loss", 0.5, epoch)
    assert names_in(tmp_path) == []
    events.add_scalar("loss", 0.5, 3)
    events.close()
    assert len(names_in(tmp_path)) == 1
    (record,) = caplog.records
    assert "no TensorBoard events for the time being (No space left on device)" in record.message


class Refused:
    """A writer on a disk that was filled since."""

    def add_scalar(self, *_):
        raise full()

    close = add_scalar


def test_events_survive_a_disk_that_fills_up_under_them(tmp_path, caplog, monkeypatch):
    events = Events(tmp_path, logging.getLogger("events"))
    with monkeypatch.context() as patch:
        patch.setattr(events, "_make_writer", lambda folder: Refused())
        events.add_scalar("loss", 0.5, 1)
    events.add_scalar("loss", 0.5, 2)
    events.close()
    assert len(names_in(tmp_path)) == len(caplog.records) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, which takes nothing")
def test_a_log_that_the_disk_refuses_is_reported_once_and_is_no_error(tmp_path, capsys):
    folder = RunFolder(tmp_path, Path("tiny") / STAMP)
    folder.create({})
    (folder.log_dir / "info.log").symlink_to("/dev/full")
    logger = open_log(folder, 2)
    for line in ("one", "two"):
        logger.info(line)
    open_log(RunFolder(tmp_path, Path("tiny")), 0)  # closes the other
    printed = capsys.readouterr()
    assert printed.out == "one\ntwo\n"
    assert printed.err == (
        f"{folder.log_dir / 'info.log'}: no lines for the time being (No space left on device)\n")


def test_pictures_that_the_disk_refuses_end_no_training(tmp_path, capsys, monkeypatch):
    def refuse(*_):
        raise WriteError("pictures/a.png: cannot write this file (No space left on device)")

    trainer = Counting(tmp_path, epochs=1)
    monkeypatch.setattr(trainer.run, "show", refuse)
    monkeypatch.setattr(trainer, "draw_pictures", lambda epoch: [("a", None)])
    assert epochs_in(trainer.train()) == [1]
    assert "epoch 1 has no pictures: pictures/a.png: cannot" in capsys.readouterr().out


def test_a_folder_that_takes_a_file_and_one_that_does_not(tmp_path):
    assert refusal(tmp_path, 1000) is None
    assert names_in(tmp_path) == []
    assert refusal(tmp_path / "absent", 1000).errno == errno.ENOENT
    assert refusal(tmp_path, 1 << 60).errno in (errno.ENOSPC, errno.EFBIG)
    assert names_in(tmp_path) == []


def test_only_leftovers_are_removed(tmp_path):
    for name in (".a.pth.tmp-77", "a.pth", ".hidden", "a.tmp-77"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert names_in(tmp_path) == [".hidden", "a.pth", "a.tmp-77"]


def test_what_a_file_needs_is_reported(tmp_path, refusing):
    refusing.add("a.bin")
    with pytest.raises(WriteError, match=r"it needs about 3\.0 KiB and .* are free$"):
        write_atomically(tmp_path / "a.bin", lambda file: file.write(b"x" * 3072))


@pytest.mark.parametrize("options", [{"keep_last": -1}, {"keep_best": -1}])
def test_negative_numbers_keep_nothing(options):
    with pytest.raises((ValueError, ConfigError), match="= -1, expected at least 0"):
        TrainerOptions(epochs=1, monitor="min val_loss", **options)


def test_events_need_no_tensorboard(train, embedding_config, monkeypatch):
    """Where it is missing, or anything is wrong with it."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    trained = train(embedding_config(trainer={"epochs": 2, "tensorboardX": True}))
    assert trained.checkpoint(2).exists() and (trained.folder / "results.json").exists()
    assert trained.log.count("no TensorBoard events") == 1
    first_epoch = trained.log.index("    epoch ")
    assert trained.log.index("no TensorBoard events: tensorboard cannot be used (") < first_epoch


def test_a_tensorboard_that_breaks_later_is_reported_once(tmp_path, caplog, monkeypatch):
    def broken(folder):
        raise TypeError("Descriptors cannot be created directly.")

    events = Events(tmp_path, logging.getLogger("events"))
    monkeypatch.setattr(events, "_make_writer", broken)
    for epoch in range(3):
        events.add_scalar("loss", 0.5, epoch)
    events.close()
    (record,) = caplog.records
    assert "(TypeError: Descriptors cannot be created directly.)" in record.message
