"""Gradients that are no numbers: named, kept, and halted, skipped or gone back from."""

import re

import pytest
import torch

from tests.data_helpers.comparing_runs import assert_same_files, epochs_in, names_in
from trainer.embedding_trainer import EmbeddingTrainer
from utils.checkpoint.save_and_load import read_checkpoint


@pytest.fixture
def broken_at(monkeypatch):
    """Return a function that makes the loss of given steps no number, each once."""
    train_step = EmbeddingTrainer.train_step

    def arrange(*numbers, every_time=False):
        calls = iter(range(1, 1000))

        def step(trainer, batch, epoch):
            loss = train_step(trainer, batch, epoch)
            if not torch.is_grad_enabled():
                return loss  # the guard looks at activations
            return loss * (torch.nan if every_time or next(calls) in numbers else 1)

        monkeypatch.setattr(EmbeddingTrainer, "train_step", step)

    return arrange


def options(**changes):
    return {"epochs": 3, "tensorboardX": False, **changes}


def all_finite(path):
    state = read_checkpoint(path)["state_dict"]
    return all(torch.isfinite(value).all() for value in state.values())


def test_a_training_halts_and_says_where_and_with_what(train, embedding_config, broken_at):
    broken_at(6)  # the second step of epoch 2, of four
    halted = train(embedding_config(), code=2)
    assert names_in(halted.folder) == [
        "checkpoint-epoch1.pth", "config.json", "nonfinite-epoch2-step2.pt"]
    kept = torch.load(halted.folder / "nonfinite-epoch2-step2.pt", weights_only=True)
    indices = ", ".join(map(str, kept["batch"]["index"].tolist()))
    assert kept["batch"]["image"].shape == (4, 3, 32, 32)
    (line,) = halted.finished.stderr.splitlines()
    assert re.search(
        r"epoch 2, step 2: the gradient is nan, the loss nan; images " + indices
        + r"; learning rate 0\.0001; largest activation \d\S*, in conv\d\S*; the batch is kept in "
        + re.escape(str(halted.folder / "nonfinite-epoch2-step2.pt")), line)


def test_a_step_is_skipped_as_if_it_had_not_been(train, embedding_config, broken_at):
    config = embedding_config(trainer=options(on_nonfinite="skip"))
    broken_at(6)
    skipped = train(config)
    assert "the batch is kept in" in skipped.log and ": skip\n" in skipped.log
    assert epochs_in(skipped) == [1, 2, 3]
    assert all(all_finite(skipped.checkpoint(epoch)) for epoch in (1, 2, 3))
    untouched = train(config)  # the sixth call was another training's
    assert_same_files(skipped, untouched, "checkpoint-epoch1.pth")
    steps = [next(iter(read_checkpoint(t.checkpoint(3))["optimizer"]["state"].values()))["step"]
             for t in (skipped, untouched)]
    assert steps == [11, 12]


def test_statistics_of_a_skipped_step_are_put_back(train, embedding_config, monkeypatch):
    """Batch norm would remember what no gradient says."""
    train_step, seen = EmbeddingTrainer.train_step, []

    def poisoned(trainer, batch, epoch):
        seen.append(torch.is_grad_enabled())
        if sum(seen) == 6:
            trainer.model.conv1[1].running_mean.fill_(torch.nan)
            return train_step(trainer, batch, epoch) * torch.nan
        return train_step(trainer, batch, epoch)

    monkeypatch.setattr(EmbeddingTrainer, "train_step", poisoned)
    skipped = train(embedding_config(trainer=options(on_nonfinite="skip")))
    assert all_finite(skipped.checkpoint(3))


def test_a_training_goes_back_with_half_the_rate(train, embedding_config, broken_at):
    config = embedding_config(trainer=options(on_nonfinite="rollback"), lr_scheduler=None)
    broken_at(7)
    back = train(config)
    assert f"back to {back.checkpoint(1)}, with half the learning rate" in back.log
    assert epochs_in(back) == [1, 2, 3]
    rates = [float(rate) for rate in re.findall(r" -     lr *: (\S+)$", back.log, re.M)]
    assert rates == [0.001, 0.0005, 0.0005]
    assert all_finite(back.checkpoint(3))


@pytest.mark.parametrize("name, args", [
    ("CosineAnnealingWarmRestarts", {"T_0": 2}),
    ("CyclicLR", {"base_lr": 0.0005, "max_lr": 0.001, "step_size_up": 2, "cycle_momentum": False}),
    ("ExponentialLR", {"gamma": 0.5}),
])
def test_half_the_rate_is_half_of_what_a_schedule_gives_later(
        train, embedding_config, broken_at, name, args):
    section = {"type": name, "args": args}
    config = embedding_config(trainer=options(on_nonfinite="rollback", epochs=4),
                              lr_scheduler=section)
    whole = train(config)
    broken_at(7)  # in epoch 2
    back = train(config)
    usual, halved = ([float(rate) for rate in re.findall(r" -     lr *: (\S+)$", run.log, re.M)]
                     for run in (whole, back))
    assert halved == pytest.approx([usual[0], *(rate / 2 for rate in usual[1:])], rel=1e-5)


def test_going_back_keeps_the_checkpoint_that_was_resumed(train, embedding_config, broken_at):
    config = embedding_config(trainer=options(on_nonfinite="rollback", keep_last=1, epochs=2))
    first = train(config)
    broken_at(7)  # in the second of two more epochs
    train(config, "--set", f"trainer.save_dir={first.folder.parents[2]}",
          "--set", "trainer.epochs=5", "--resume", first.checkpoint(2))
    assert [n for n in names_in(first.folder) if n.startswith("checkpoint")] == [
        "checkpoint-epoch2.pth", "checkpoint-epoch5.pth"]


def test_a_training_never_goes_back_to_what_lies_ahead(train, embedding_config, broken_at):
    """A run that was resumed from an early checkpoint has later ones in its folder."""
    config = embedding_config(trainer=options(on_nonfinite="rollback"))
    whole = train(config)
    broken_at(2)
    again = train(config, "--set", f"trainer.save_dir={whole.folder.parents[2]}",
                  "--resume", whole.checkpoint(1))
    assert again.folder == whole.folder
    assert f"back to {whole.checkpoint(1)}, with half" in again.finished.stdout


def test_there_may_be_nothing_to_go_back_to(train, embedding_config, broken_at):
    broken_at(2)
    failed = train(embedding_config(trainer=options(on_nonfinite="rollback")), code=2)
    assert "there is no checkpoint to go back to" in failed.finished.stderr


def test_going_back_halves_the_top_of_a_one_cycle_schedule(train, embedding_config, broken_at):
    section = {"type": "OneCycleLR", "args": {"max_lr": 0.008}}
    config = embedding_config(trainer=options(on_nonfinite="rollback"), lr_scheduler=section)
    broken_at(6)  # in epoch 2
    gone_back = train(config)
    tops = [read_checkpoint(gone_back.checkpoint(epoch))["optimizer"]["param_groups"][0]["max_lr"]
            for epoch in (1, 2, 3)]
    assert tops == [0.008, 0.004, 0.004]


@pytest.mark.parametrize("policy, kept", [("skip", 11), ("rollback", 1)])
def test_a_training_that_is_beyond_help_is_given_up(
        train, embedding_config, broken_at, monkeypatch, policy, kept):
    config = embedding_config(trainer=options(on_nonfinite=policy, epochs=9))
    start = train(config, "--set", "trainer.epochs=1")
    broken_at(every_time=True)
    failed = train(config, "--set", f"trainer.save_dir={start.folder.parents[2]}", "--resume",
                   start.checkpoint(1), code=2)
    assert "the gradient is nan" in failed.finished.stderr
    assert len(list(start.folder.glob("nonfinite-*"))) == kept
