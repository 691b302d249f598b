"""What a device can do, and what a training says of what it cannot."""

import pytest
import torch

from utils.device import computes_bfloat16


def test_whether_a_cpu_computes_bfloat16_is_told():
    assert computes_bfloat16(torch.device("cpu")) in (False, True)


@pytest.mark.parametrize("computed", [False, True])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_says_that_bfloat16_is_emulated(
        train, embedding_config, monkeypatch, computed, precision):
    monkeypatch.setattr("trainer.training.computes_bfloat16", lambda device: computed)
    trained = train(embedding_config(trainer={"epochs": 1, "tensorboardX": False,
                                              "precision": precision}), "--mini_train")
    told = "trainer.precision: cpu only emulates bfloat16" in trained.finished.stdout
    assert told == (precision == "bfloat16" and not computed)
