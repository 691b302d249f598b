"""The figures of docs/method.md: drawn whole, of what the loss computes."""

import json

import pytest
import torch
from PIL import Image

from misc.dev import draw_method, method_figures
from model import SmallNet
from tests.data_helpers.tiny_runs import EMBEDDING
from trainer.datasets import evaluation_dataset
from utils.checkpoint.save_and_load import save_checkpoint
from utils.cli import run_program
from utils.config.read import read_config

CPU = torch.device("cpu")


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The path of a tiny config of generated faces, in place of the demo's."""
    dataset = {"type": "SyntheticFaces", "args": {"imwidth": 32, "crop": 4, "num_images": 20}}
    path = tmp_path / "configs" / "tiny.json"
    path.parent.mkdir()
    raw = {**EMBEDDING, "dataset": dataset}
    raw["trainer"] = {**raw["trainer"], "save_dir": str(tmp_path / "saved")}
    path.write_text(json.dumps(raw))
    monkeypatch.setattr(draw_method, "CONFIG", str(path))
    return path


def call(monkeypatch, *args):
    monkeypatch.setattr("sys.argv", ["draw_method.py", *map(str, args)])
    return run_program(draw_method.main)


def test_all_figures_are_written(config, tmp_path, monkeypatch, capsys):
    save_checkpoint(tmp_path / "one.pth", {"state_dict": SmallNet(8).state_dict()})
    assert call(monkeypatch, "--resume", tmp_path / "one.pth", "--folder", tmp_path) == 0
    written = sorted(tmp_path.glob("*.png"))
    assert [path.name for path in written] == [
        "method-exchange.png", "method-gradients.png", "method-pair.png", "method-protocols.png"]
    for path in written:
        with Image.open(path) as picture:
            assert min(picture.size) > 250
    assert capsys.readouterr().out.count(".png") == 4


def test_without_an_embedding_it_says_where_one_comes_from(config, monkeypatch, capsys):
    assert call(monkeypatch) == 2
    assert "make demo trains one" in capsys.readouterr().err


def test_a_point_is_drawn_where_the_warp_takes_it(config):
    config = read_config(config)
    pair = method_figures.make_pairs(config, evaluation_dataset(config), CPU)
    figure = method_figures.draw_pairs(pair)
    columns = 3
    for row in range(len(pair.first)):
        drawn = torch.tensor(figure.axes[columns * row + 1].collections[-1].get_offsets())
        # A landmark's pixel in x comes from within a pixel of its place in x', where both show it.
        points, truth = pair.keypts_first[row], pair.keypts_second[row]
        inside = ((points > 0) & (points < 23) & (truth > 0) & (truth < 23)).all(dim=1)
        assert inside.any()
        assert (drawn - truth)[inside].norm(dim=1).max() < 1.5
