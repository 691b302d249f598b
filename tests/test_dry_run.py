"""--dry_run: it tells what a training then does, writes nothing, and multiplies right."""

import re
from dataclasses import replace

import pytest
import torch

from model import HourglassNet, SmallNet
from tests.data_helpers.tiny_runs import run_real_program
from trainer.dry_run import Plan
from trainer.limits import MINI, NO_LIMITS
from trainer.start import Start
from trainer.training import prepare
from trainer.trial import Trial, network_parts
from utils.config import read_config

CPU = torch.device("cpu")


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
def test_it_counts_the_checkpoints_that_stay(plan_with, options, count):
    """Of seven epochs, and the best."""
    text = plan_with("files", epochs=7, options=options)
    assert text.startswith(f"files: {count} checkpoints, of about")


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


def test_a_mini_training_is_told_as_one(plan_of, embedding_config):
    text = plan_of(embedding_config(batch_size=8), "--mini_train")
    assert told(text, "train") == "8 images" and told(text, "test").startswith("4 images")
    assert "an epoch: 2 steps of 4" in text
    assert told(text, "together").endswith(", 1 epoch")


def test_what_is_wrong_is_told_as_in_a_training(call_program, embedding_config):
    done = call_program("train.py", "--config", embedding_config(), "--dry_run", "--set",
                        "batch_size=64")
    assert done.code == 2
    assert "batch_size = 64, but the training set has 16 images" in done.stderr


@pytest.fixture
def plan_with(embedding_config, monkeypatch):
    """Return a function that plans a training of 16 images in steps of 4, and 8 to validate and to
    test on, from given seconds.
    """
    monkeypatch.setattr(Plan, "_evaluation_seconds", lambda plan: 7.0)

    def make(section, limits=NO_LIMITS, seeds=(0,), epochs=3, cache="off", options={}, **seconds):
        trial = Trial([], {}, 0.0, **{"batch_seconds": 10, "step_seconds": 20, "fill_seconds": 0,
                                      "validation_seconds": 1, **seconds}, peak_gib=1,
                      descriptor_bytes=0)
        trainer = {"epochs": epochs, **options}
        config = read_config(embedding_config(trainer=trainer))
        start = Start()
        prepared = prepare(config, start.folder(config), 0, CPU, start, MINI)
        config = replace(config, experiment=replace(config.experiment, cache=cache))
        plan = Plan(config, prepared, limits, list(seeds), trial)
        return "\n".join(getattr(plan, section)())

    return make


@pytest.mark.parametrize("options, epoch, together", [
    ({}, "02:08", "06:31"),  # 4 x (10 + 20) + 8 x 1; 3 x 128 + 7
    ({"seeds": (0, 1)}, "02:08", "13:02"),
    ({"limits": MINI}, "01:08", "01:15"),  # 2 x 30 + 8; once, and 7
    ({"cache": "memory"}, "01:28", "05:11"),  # 4 x 20 + 8; 128 + 2 x 88 + 7
    ({"fill_seconds": 2}, "02:08", "07:19"),  # 24 x 2 more
])
def test_its_arithmetic(plan_with, options, epoch, together):
    text = plan_with("time", **options)
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
