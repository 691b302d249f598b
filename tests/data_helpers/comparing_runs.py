"""What runs left behind, compared to the last bit."""

import json
import re

import torch

from utils.checkpoint.save_and_load import read_checkpoint


def assert_same(found, expected, where=""):
    """Compare checkpoints, or parts of them, to the last bit."""
    assert type(found) is type(expected), where
    if isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected), where
    elif isinstance(expected, dict):
        assert list(found) == list(expected), where
        for name in expected:
            assert_same(found[name], expected[name], f"{where}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for number, (one, other) in enumerate(zip(found, expected)):
            assert_same(one, other, f"{where}[{number}]")
    else:
        assert found == expected, where


def everything_but_config(path):
    """Read a checkpoint: weights, statistics, optimiser, schedule, monitor, seed and epoch."""
    return {name: value for name, value in read_checkpoint(path).items() if name != "config"}


def assert_same_files(trained, expected, *names):
    assert trained.folder != expected.folder  # a continued run goes on in its own folder
    for name in names:
        assert_same(
            everything_but_config(trained.folder / name),
            everything_but_config(expected.folder / name),
            name,
        )


def figures_of(trained):
    results = json.loads((trained.folder / "results.json").read_text())
    return {name: value for name, value in results.items() if name.endswith(("_px", "_pct"))}


def epochs_in(trained):
    return [int(epoch) for epoch in re.findall(r" -     epoch *: (\d+)$", trained.log, re.M)]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())
