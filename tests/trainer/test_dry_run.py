"""--dry_run: it tells what a training then does, writes nothing, and multiplies right."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from model import HourglassNet, SmallNet
from tests.data_helpers.tiny_runs import run_real_program
from trainer.dry_run import file_lines, network_parts, time_lines
from trainer.optimisation import build_optimizer
from utils.config.read import read_config
from utils.run_folder import RunFolder


def told(text, name):
    """Return what the line of a name says."""
    (found,) = re.findall(rf"^ *{re.escape(name)} +(.+)$", text, re.MULTILINE)
    return found


def files_below(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def plan_of(call_program, tmp_path):
    """Return a function that makes a dry run, sees to it that nothing is written, and returns what
    it prints.
    """

    def call(config, *args):
        before = files_below(tmp_path)
        done = call_program("train.py", "--config", config, "--dry_run", *args)
        assert (done.code, done.stderr) == (0, "")
        assert files_below(tmp_path) == before
        assert done.stdout.splitlines()[-1] == "nothing was written"
        return done.stdout

    return call


def test_the_numbers_of_a_training_are_those_that_it_then_has(plan_of, train, embedding_config):
    config = embedding_config()
    changes = "--set", "trainer.epochs=3", "--set", "trainer.save_period=2"
    text = plan_of(config, *changes)
    trained = train(config, *changes)
    parameters = re.search(r"Trainable parameters: (\d+)", trained.log)[1]
    assert f"of which {int(parameters):,} learn" in text
    checkpoints = sorted(trained.folder.glob("*.pth"))
    count, size, unit = re.search(r"^files: (\d+) checkpoints, of about ([\d.]+) (MiB|KiB)$", text,
                                  re.MULTILINE).groups()
    assert int(count) == len(checkpoints) == 3
    size = float(size) * {"KiB": 2**10, "MiB": 2**20}[unit]
    assert checkpoints[0].stat().st_size == pytest.approx(size, rel=0.1)
    assert trained.folder.parent.name in text and "checkpoint-epoch3.pth" in text
    steps = {int(state["step"]) for state in
             torch.load(trained.checkpoint(3))["optimizer"]["state"].values()}
    assert steps == {3 * int(re.search(r"an epoch: (\d+) steps of 4", text)[1])}


@pytest.mark.parametrize("options, count", [
    ({}, 8), ({"save_period": 3}, 4), ({"save_period": 7}, 2), ({"keep_last": 2}, 3),
    ({"keep_last": 2, "keep_best": 3, "monitor": "min val_loss"}, 6),
    ({"keep_best": 1, "monitor": "min val_loss"}, 3), ({"keep_last": 20}, 8),
])
def test_it_counts_the_checkpoints_that_stay(embedding_config, options, count):
    """Of seven epochs, and the best."""
    config = read_config(embedding_config(trainer={"epochs": 7, **options}))
    network = SmallNet(8)
    trainer = SimpleNamespace(model=network, optimizer=build_optimizer(config, network),
                              last_epoch=0, pictures=[])
    first, *_ = file_lines(config, trainer, None, [RunFolder(Path("saved"), Path("tiny"))])
    assert first.startswith(f"files: {count} checkpoints, of about")


def test_it_shows_the_splits_and_every_shape(plan_of, embedding_config):
    text = plan_of(embedding_config(batch_size=3))
    assert "LandmarkFolder: images of 32x32, cropped to 24x24" in text
    assert told(text, "train") == "16 images" and told(text, "val") == "8 images"
    assert told(text, "test") == "8 images of LandmarkFolder"
    assert "an epoch: 5 steps of 3, 1 left over" in text
    features = torch.rand(6, 3, 24, 24)
    network = SmallNet(8)
    for name, layer in network.named_children():
        features = layer(features)
        kind, shape, count = re.split(r"  +", told(text, name))
        assert (kind, shape) == (type(layer).__name__, " x ".join(map(str, features.shape)))
        assert count == f"{sum(p.numel() for p in layer.parameters()):,}"
        features = torch.nn.functional.max_pool2d(features, 2) if name == "conv1" else features
    for name, shape in (("desc1", "3 x 8 x 12 x 12"), ("desc2", "3 x 8 x 12 x 12"),
                        ("grid", "3 x 24 x 24 x 2")):
        assert told(text, name) == shape
    assert "dense_correlation_loss_dve = " in text
    assert "optimizer: Adam, rate 0.001; schedule: MultiStepLR" in text


@pytest.mark.parametrize("cached", [True, False])
def test_a_landmark_config_too(plan_of, landmark_config, trained_embedding, cached):
    config = landmark_config(cache_descriptors=cached)
    text = plan_of(config, "--resume", trained_embedding.checkpoint(3))
    assert text.startswith(f"start: backbone weights of {trained_embedding.checkpoint(3)} (epoch 3")
    assert told(text, "predicted") == told(text, "target") == "4 x 3 x 2"
    assert re.split(r"  +", told(text, "1"))[:2] == ["IntermediateKeypointPredictor", "4 x 3 x 2"]
    assert "0.wrapped_module.conv6" in text
    assert ("descriptors kept: 54.0 KiB" in text) == cached  # 24 images, 8 x 12 x 12 halves
    assert ("once" in text) == cached


def test_a_training_that_goes_on_has_less_to_do(plan_of, trained_embedding):
    config = trained_embedding.config
    text = plan_of(config, "--resume", trained_embedding.checkpoint(2))
    assert text.startswith(f"start: continuing {trained_embedding.checkpoint(2)} after epoch 2")
    assert told(text, "together").endswith(", 1 epoch")
    assert f"  {trained_embedding.folder}: " in text
    text = plan_of(config, "--resume", trained_embedding.checkpoint(3))
    assert told(text, "together").endswith(", 0 epochs")


def test_several_seeds_have_a_folder_each(plan_of, embedding_config):
    text = plan_of(embedding_config(), "--seeds", "0,7")
    assert told(text, "together").endswith(", 3 epochs for each of 2 seeds")
    assert re.findall(r"models/.*/(seed-\d): ", text) == ["seed-0", "seed-7"]


@pytest.mark.parametrize("cache", ["memory", "disk", "device"])
def test_a_cache_is_sized_but_not_made(plan_of, embedding_config, cache):
    text = plan_of(embedding_config(), "--set", f"cache={cache}")
    assert f"images kept ({cache}): {24 * 3 * 32 * 32 / 1024:.1f} KiB" in text


def test_a_mini_training_is_reported_as_one(plan_of, embedding_config):
    text = plan_of(embedding_config(batch_size=8), "--mini_train")
    assert told(text, "train") == "8 images" and told(text, "test").startswith("4 images")
    assert "an epoch: 2 steps of 4" in text
    assert told(text, "together").endswith(", 1 epoch")


def test_what_is_wrong_is_reported_as_in_a_training(call_program, embedding_config):
    done = call_program("train.py", "--config", embedding_config(), "--dry_run", "--set",
                        "batch_size=64")
    assert done.code == 2
    assert "batch_size = 64, but the training set has 16 images" in done.stderr


@pytest.mark.parametrize("changes, epochs, epoch, together", [
    ({}, 3, "02:08", "06:31"),  # 4 x (10 + 20) + 8 x 1; 3 x 128 + 7
    ({"num_seeds": 2}, 3, "02:08", "13:02"),
    ({}, 0, "02:08", "00:07"),
    ({"cache": "memory"}, 3, "01:28", "05:11"),  # 4 x 20 + 8; 128 + 2 x 88 + 7
    ({"fill": 2}, 3, "02:08", "07:19"),  # 24 x 2 more
    ({"num_workers": 3}, 3, "01:28", "04:31"),  # 4 x max(10, 20) + 8; 3 x 88 + 7
])
def test_its_arithmetic(embedding_config, changes, epochs, epoch, together):
    """A step takes 20 s, its batch 10 s; 16 images to train on, 8 to validate, 7 to test, 1 s of
    each.
    """
    config = read_config(embedding_config(cache=changes.get("cache", "off")))
    seconds = {"batch": 10, "step": 20, "fill": changes.get("fill", 0), "val": 1, "test": 1}
    sizes = {"train": 16, "val": 8, "test": 7, "steps": 4, "epochs": epochs}
    trainer = SimpleNamespace(loader=SimpleNamespace(num_workers=changes.get("num_workers", 0)),
                              world=SimpleNamespace(size=1), device=torch.device("cpu"))
    text = "\n".join(time_lines(config, trainer, sizes, seconds, changes.get("num_seeds", 1)))
    assert told(text, "an epoch").startswith(f"{epoch}, of which validation 00:08")
    assert told(text, "together").startswith(f"{together}, ")


def test_parts_of_a_network_of_several_stacks():
    names = [name for name, _ in network_parts(HourglassNet(4, num_stacks=2, num_blocks=1))]
    assert names == ["conv1", "bn1", "layer1", "layer2", "layer3", "hg.0", "hg.1",
                     "output_layers.0", "output_layers.1"]


def test_as_a_process(embedding_config, tmp_path):
    done = run_real_program("train.py", "--config", embedding_config(), "--dry_run", "--mini_train",
                            "--quiet")
    assert (done.code, done.stderr) == (0, "")
    assert "nothing was written" in done.stdout
    assert not (tmp_path / "saved").exists()
