"""Each of the 111 published configs trains: on small copies of the published data sets, from
stand-ins for the published checkpoints, all where the configs look for them.
"""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from misc.published import CONFIGS, config_path, load_experiments
from model import BACKBONES
from tests.data_helpers.published_trees import write_published_data, write_stand_in
from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT, Finished
from trainer.datasets import evaluation_dataset
from trainer.resume import StartingPoint
from trainer.training import build_trainer
from utils.config.mini_run import MINI
from utils.config.read import read_config
from utils.run import Run
from utils.run_folder import RunFolder

PUBLISHED = load_experiments()
PATHS = {name: CONFIGS / config_path(name, facts) for name, facts in PUBLISHED.items()}
ONE_PER_FOLDER = {path.parent.name: path for path in sorted(PATHS.values())
                  if "smallnet-3d" in path.stem}
AS_PROCESSES = ("celeba", "300w-ft-keypoints")
PARTIAL = "dataset.args.allow_partial=true"
ONE_BATCH = replace(MINI, images=2, batch_size=2)  # of a pair and its neighbour: Hourglass is slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data/ in it, the data sets and what experiments start from."""
    place = tmp_path_factory.mktemp("published")
    write_published_data(place)
    for seed, (name, facts) in enumerate(PUBLISHED.items()):
        if facts["task"] != "keypoints":
            torch.manual_seed(seed)
            arch = read_config(PATHS[name]).arch
            write_stand_in(place, name, facts, BACKBONES[arch["type"]](**arch["args"]))
    yield place
    shutil.rmtree(place)


def trainer_of(config, start):
    """Return what --mini_train would run, but for the number of images."""
    torch.manual_seed(0)
    config = replace(config.mini(), limits=ONE_BATCH)
    run = Run(RunFolder.new(config.trainer.save_dir, config.name), config)
    return build_trainer(config, start, run)


def take_step(trainer):
    """Train on the first batch."""
    trainer.model.train()
    loss = trainer.train_step(next(iter(trainer.loader)), epoch=1)
    loss.backward()
    trainer.optimizer.step()
    return loss.item()


@pytest.mark.parametrize("name", PATHS)
def test_a_step_of_training(name, place, monkeypatch):
    monkeypatch.chdir(place)
    config = read_config(PATHS[name], [PARTIAL])
    start = StartingPoint.read(config, resume=None)
    trainer = trainer_of(config, start)
    before = {key: tensor.clone() for key, tensor in trainer.model.state_dict().items()}
    if start.checkpoint is not None:
        assert_starts_from(start.checkpoint["state_dict"], before)

    assert 0 < take_step(trainer) < float("inf")

    after = trainer.model.state_dict()
    changed = {key for key in after if not torch.equal(before[key], after[key])}
    if config.is_landmark:  # neither weights nor running means of the backbone
        assert changed == {"1.inner_conv.weight", "1.reg_conv.weight"}
    else:
        assert changed >= {key for key, tensor in after.items() if tensor.ndim == 4}
    assert len(evaluation_dataset(config)) == 4


def assert_starts_from(checkpoint, state):
    backbone = {key.removeprefix("0.wrapped_module."): tensor for key, tensor in state.items()}
    for key, tensor in checkpoint.items():
        assert torch.equal(backbone[key], tensor), key


# Whole commands

@pytest.fixture
def run_command(place, monkeypatch, call_program):
    """Return a function that trains a config: in a process for one of each kind, as users do it;
    in this one for the others, which saves the time that processes take to start.
    """
    def train(folder):
        command = "--config", ONE_PER_FOLDER[folder], "--mini_train", "--set", PARTIAL
        if folder not in AS_PROCESSES:
            monkeypatch.chdir(place)
            return call_program("train.py", *command)
        done = subprocess.run([sys.executable, ROOT / "train.py", *command], cwd=place,
                              env=ENVIRONMENT, text=True, capture_output=True, timeout=600)
        return Finished(done.returncode, done.stdout, done.stderr)

    return train


@pytest.mark.parametrize("folder", sorted({path.parent.name for path in PATHS.values()}))
def test_the_command_that_users_type(folder, place, run_command):
    done, path = run_command(folder), ONE_PER_FOLDER[folder]
    assert done.code == 0, done.stderr
    raw = json.loads(path.read_text())
    start = raw.get("finetune_from")
    assert f"start: {f'backbone weights of {start}' if start else 'from fresh weights'}" \
        in done.stdout
    assert done.run_folder.parent == Path("saved/models") / f"{folder}-{path.stem}"
    results = json.loads((place / done.run_folder / "results.json").read_text())
    figures = ["inter_ocular_error_pct"] if "keypoint_regressor" in raw else [
        "same_identity_px", "different_identity_px"]
    assert all(0 < results[figure] < float("inf") for figure in figures)
    assert results["num_images"] == 4 and results["partial"]
    assert results["dataset"] == ("MAFLAligned" if folder == "celeba" else raw["dataset"]["type"])
