"""misc/demo.py with tiny configs: trains, draws, prints figures, and goes on where it was."""

import re

import pytest
import torch
from PIL import Image

from base.monitor import Monitor
from misc import demo
from misc.parts import demo as demo_pictures
from tests.data_helpers.comparing_runs import names_in
from tests.data_helpers.run_contents import COSINE_FIGURES, FIGURES, results_of
from utils.cli import run_program


@pytest.fixture
def tiny_demo(monkeypatch, embedding_config, landmark_config):
    """The demo, with tiny configs for its own."""
    monkeypatch.setattr(demo, "EMBEDDING", str(embedding_config()))
    monkeypatch.setattr(demo, "LANDMARKS", str(landmark_config()))

    def call(*args):
        monkeypatch.setattr("sys.argv", ["demo.py", "--set", "trainer.epochs=1", *args])
        return run_program(demo.main)

    return call


def test_the_demo_trains_draws_prints_figures_and_reuses_its_checkpoints(
        tiny_demo, capsys, tmp_path):
    assert tiny_demo() == 0
    printed = capsys.readouterr().out
    folder = tmp_path / "saved" / "demo"
    kinds = [f"matches-{identity}-{kind}.png" for identity in ("different", "same")
             for kind in ("best", "first", "worst")]
    assert names_in(folder) == ["following.gif", "landmarks.png", *kinds, "overview.png"]
    for name in names_in(folder):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 100
        assert str(folder / name) in printed
    checkpoints = sorted((tmp_path / "saved").rglob("checkpoint-epoch*.pth"))
    assert len(checkpoints) == 2
    table = printed[printed.index("error on faces"):]
    assert all(str(path) in table for path in checkpoints)
    results = {k: v for path in checkpoints for k, v in results_of(path.parent).items()}
    for name in (*FIGURES, *COSINE_FIGURES, "inter_ocular_error_pct"):
        assert f"{results[name]:.2f} " in table

    assert tiny_demo() == 0
    again = capsys.readouterr().out
    assert again.count("using ") == 2
    assert again[again.index("error on faces"):] == table
    assert sorted((tmp_path / "saved").rglob("checkpoint-epoch*.pth")) == checkpoints


def test_the_demo_matches_from_the_face_nearest_to_the_average():
    places = [[0.0, 0.0], [5.0, 4.0], [6.0, 6.0], [9.0, 9.0]]  # on average (5, 4.75)
    items = [{"keypts": torch.tensor([place, place])} for place in places]
    assert demo_pictures.most_typical_first(items) == [1, 0, 2, 3]


def test_an_interrupted_demo_goes_on_where_it_was(tiny_demo, capsys, tmp_path, monkeypatch):
    def interrupted(monitor, values, epoch):
        raise KeyboardInterrupt

    assert tiny_demo() == 0
    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "update", interrupted)
        assert tiny_demo("--set", "trainer.epochs=2") == 130
    capsys.readouterr()
    assert tiny_demo("--set", "trainer.epochs=2") == 0
    first, second = starts(capsys.readouterr().out)
    assert re.fullmatch("continuing .*checkpoint-epoch1.pth after epoch 1", first)
    assert re.fullmatch("backbone weights of .*checkpoint-epoch2.pth .*", second)  # a new detector

    *_, detector = sorted((tmp_path / "saved").rglob("checkpoint-epoch2.pth"))
    (detector.parent / "results.json").unlink()  # as if its evaluation was interrupted
    assert tiny_demo("--set", "trainer.epochs=2") == 0
    assert starts(capsys.readouterr().out) == [f"continuing {detector} after epoch 2"]
    assert results_of(detector.parent)["inter_ocular_error_pct"] > 0


def starts(printed):
    """Return what was printed of the starting points of trainings."""
    return re.findall(r"^start: ((?:continuing|backbone).*)$", printed, re.MULTILINE)
