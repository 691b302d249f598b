"""The switch ``deterministic``: torch is told while a training runs, and what it cannot do is
said.
"""

import os

import pytest
import torch

from tests.data_helpers.comparing_runs import assert_same_files
from trainer.embedding_trainer import EmbeddingTrainer
from utils.device import determinism
from utils.errors import UserError


@pytest.fixture
def states(monkeypatch):
    """Return what torch was told, noted at each step of a training."""
    train_step, noted = EmbeddingTrainer.train_step, []

    def step(trainer, batch, epoch):
        noted.append(torch.are_deterministic_algorithms_enabled())
        return train_step(trainer, batch, epoch)

    monkeypatch.setattr(EmbeddingTrainer, "train_step", step)
    return noted


@pytest.mark.parametrize("wanted", [False, True])
def test_a_training_is_deterministic_if_wanted(train, embedding_config, states, wanted):
    train(embedding_config(deterministic=wanted), "--mini_train")
    assert states == [wanted] * 2
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_dry_run_meets_what_a_training_would(call_program, embedding_config, states):
    config = embedding_config(deterministic=True)
    assert call_program("train.py", "--config", config, "--dry_run").code == 0
    assert states == [True] * 3
    assert not torch.are_deterministic_algorithms_enabled()


def test_on_the_cpu_it_changes_nothing(train, embedding_config):
    plain, deterministic = (
        train(embedding_config(), "--set", "trainer.epochs=1", "--set", f"deterministic={wanted}")
        for wanted in ("false", "true"))
    assert_same_files(deterministic, plain, "checkpoint-epoch1.pth")


def test_an_operation_that_has_no_such_algorithm_is_named():
    with pytest.raises(UserError, match="^deterministic = true: put_ does not have a determ"):
        with determinism(True):
            torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))
    assert not torch.are_deterministic_algorithms_enabled()


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="^oh$"), determinism(True):
        raise RuntimeError("oh")


def test_products_on_a_gpu_are_set_through_the_environment(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with determinism(True):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        assert not torch.backends.cudnn.benchmark
