"""misc/ablation.py: figures with and without the exchange, for each seed."""

import json

import numpy as np
import pytest
import torch

from misc import ablation
from tests.data_helpers.run_contents import FIGURES
from trainer.datasets import evaluation_dataset
from trainer.evaluation import matching
from utils.checkpoint.save_and_load import read_checkpoint
from utils.cli import run_program
from utils.config.read import read_config


def test_the_ablation_compares_with_and_without_the_exchange(
        monkeypatch, embedding_config, capsys, tmp_path):
    configs = {
        "without DVE": embedding_config(name="plain", loss="dense_correlation_loss"),
        "with DVE": embedding_config(name="exchange"),
    }
    monkeypatch.setattr(ablation, "CONFIGS", configs)
    output = tmp_path / "ablation.json"
    monkeypatch.setattr("sys.argv", ["ablation.py", "--seeds", "0,3", "--output", str(output),
                                     "--set", "trainer.epochs=1"])
    assert run_program(ablation.main) == 0
    kept = json.loads(output.read_text())
    assert kept["seeds"] == [0, 3]
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [line.count("|") for line in table] == [6] * 5
    for name, row in zip(configs, table[2:4]):
        figures = [seed[figure] for seed in kept["results"][name] for figure in FIGURES]
        assert row == f"| {name} | " + " | ".join(f"{value:.2f} px" for value in figures) + " |"
    without, with_dve = (kept["results"][name] for name in configs)
    ratio = with_dve[1]["different_identity_px"] / without[1]["different_identity_px"]
    assert table[4].endswith(f" {ratio:.2f} |")
    finals = [read_checkpoint(path)["state_dict"]["conv6.weight"]
              for path in (tmp_path / "saved").rglob("checkpoint-epoch1.pth")]
    assert len(finals) == 4
    assert len({str(weight.flatten()[:8].tolist()) for weight in finals}) == 4


def test_an_output_that_cannot_be_is_told_before_the_trainings(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").touch()
    output = tmp_path / "file" / "ablation.json"
    monkeypatch.setattr("sys.argv", ["ablation.py", "--output", str(output)])
    assert run_program(ablation.main) == 2
    captured = capsys.readouterr()
    assert captured.err == f"error: {output.parent}: File exists\n" and captured.out == ""


def test_landmarks_that_stay_where_they_were(monkeypatch, embedding_config):
    still = {name: 0 for name in matching.EVALUATION_WARPS}
    monkeypatch.setattr(matching, "EVALUATION_WARPS", still)
    config = read_config(embedding_config())
    dataset = evaluation_dataset(config)
    points = np.stack([dataset[n]["keypts"].round() for n in range(len(dataset))])
    apart = np.linalg.norm(points[0::2] - points[1::2], axis=-1).mean() * 70 / (32 - 2 * 4)
    unmoved = ablation.unmoved_error(config, torch.device("cpu"))
    assert unmoved["same_identity_px"] == pytest.approx(0, abs=1e-3)
    assert unmoved["different_identity_px"] == pytest.approx(apart, rel=1e-4)
