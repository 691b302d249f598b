"""``trainer.compile``: another way to the same step."""

from functools import partial

import pytest
import torch

from base.gradient import step_errors
from base.nonfinite import largest_activation
from trainer.embedding_trainer import EmbeddingTrainer
from utils.checkpoint.save_and_load import read_checkpoint
from utils.errors import UserError


@pytest.fixture
def quick_compiler(monkeypatch):
    """Capture graphs as torch.compile does, without the minute that generating code takes."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


ONE_EPOCH = {"epochs": 1, "tensorboardX": False}
# Adam would make steps of gradients that are nothing but rounding.
PLAIN_STEPS = {"type": "SGD", "args": {"lr": 0.01}}


def test_a_compiled_network_learns_the_same(train, embedding_config, quick_compiler, monkeypatch):
    expected = train(embedding_config(trainer=ONE_EPOCH, optimizer=PLAIN_STEPS))
    steps, train_step = [], EmbeddingTrainer.train_step

    def noting(*arguments):
        steps.append(arguments)
        return train_step(*arguments)

    monkeypatch.setattr(EmbeddingTrainer, "train_step", noting)
    compiled = train(embedding_config(trainer={**ONE_EPOCH, "compile": True},
                                      optimizer=PLAIN_STEPS))
    states = [read_checkpoint(run.checkpoint(1))["state_dict"] for run in (compiled, expected)]
    torch.testing.assert_close(*states, rtol=1e-3, atol=1e-5)
    assert type(steps[-1][0].learner).__name__ == "OptimizedModule"
    assert largest_activation(*steps[-1])[1] > 0  # its layers can still be looked into


def test_what_the_compiler_lacks_is_reported(train, embedding_config, monkeypatch):
    def no_compiler(graph, inputs):
        raise RuntimeError("No working C++ compiler found")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=no_compiler))
    failed = train(embedding_config(trainer={**ONE_EPOCH, "compile": True}), code=2)
    (line,) = failed.finished.stderr.splitlines()
    assert "trainer.compile: torch cannot compile the network here" in line
    assert "No working C++ compiler found" in line and "leave trainer.compile out" in line


def test_other_errors_are_left_alone():
    with pytest.raises(RuntimeError, match="shapes") as caught, step_errors():
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    assert not isinstance(caught.value, UserError)
