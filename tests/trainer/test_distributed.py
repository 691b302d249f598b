"""Several processes train as one does: shares, the exchange across them, the program."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock, patch

import pytest
import torch
from torch import nn

from model import BACKBONES
from model.hourglass import HourglassNet
from tests.data_helpers.pretend_gpu import PretendGpu
from tests.data_helpers.several_processes import in_processes
from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT
from trainer.embedding_trainer import EmbeddingTrainer
from trainer.parts import build_backbone
from trainer.resume import StartingPoint
from trainer.training import build_trainer
from utils.checkpoint.save_and_load import read_checkpoint
from utils.config.read import check_config, read_config
from utils.distributed import World, parse_devices
from utils.errors import UserError
from utils.run import Run
from utils.run_folder import RunFolder

CPU = torch.device("cpu")


class DoubleHourglass(HourglassNet):
    """Computes in float64, and normalises each sample by itself."""

    def __init__(self, num_output_channels: int, unit_length: bool = False):
        super().__init__(num_output_channels, num_blocks=1, planes_conv1=16, planes_block=16,
                         planes_hg=16, use_group_norm=True, unit_length=unit_length)
        self.double()

    def forward(self, images):
        return super().forward(images.double())


class SmoothNetwork(nn.Module):
    """Two convolutions in float32, without kinks, which would enlarge its rounding errors.

    Their gradients are sums of some 10^4 products in two orders: off by sqrt(10^4) * 6e-8 = 6e-6.
    """

    def __init__(self, num_output_channels: int):
        super().__init__()
        self.num_output_channels = num_output_channels
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 4, stride=2, padding=1), nn.Tanh(),
                                    nn.Conv2d(8, num_output_channels, 3, padding=1))

    def forward(self, images):
        return self.layers(images)


class UnitHourglass(DoubleHourglass):
    """Returns descriptors of length 1."""

    def __init__(self, num_output_channels: int):
        super().__init__(num_output_channels, unit_length=True)


NETWORKS = {cls.__name__: cls for cls in (DoubleHourglass, UnitHourglass, SmoothNetwork)}


@patch.dict(BACKBONES, NETWORKS)
def train(world, folder, network, loss, batch_size, accumulation, epochs):
    """Train two steps each epoch; returns losses, the gradient of the last step, weights."""
    torch.manual_seed(0)
    config = check_config("tiny.json", {
        "arch": {"type": network, "args": {"num_output_channels": 4}},
        "dataset": {"type": "SyntheticFaces",
                    "args": {"imwidth": 40, "crop": 4, "num_images": 11}},
        "warper": {"type": "Warper", "args": {}},
        "optimizer": {"type": "SGD", "args": {"lr": 0.002}},
        "loss": loss,
        "loss_args": {"normalize_vectors": False} if "correlation" in loss else
        {"num_auxiliary": 2},
        "trainer": {"epochs": epochs, "tensorboardX": False, "verbosity": 0,
                    "accumulation": accumulation},
        "batch_size": batch_size,
    })
    run = Run(RunFolder(Path(folder), Path("tiny")), config, world)
    with run.open([]):
        trainer = build_trainer(config, StartingPoint(), run)
        values = trainer.fit()
    learned = list(trainer.model.parameters())
    return values, *(torch.cat([tensor.flatten() for tensor in tensors])
                     for tensors in ([p.grad for p in learned], [p.data for p in learned]))


# network, loss, batch_size, accumulation; and what gradients, weights and losses may be off
TRAININGS = {
    ("DoubleHourglass", "dense_correlation_loss", 5, 2): 1e-9,
    ("DoubleHourglass", "dense_correlation_loss_dve", 5, 1): 1e-9,
    ("UnitHourglass", "dense_likelihood_loss_dve", 5, 1): 1e-9,
    ("SmoothNetwork", "dense_correlation_loss_dve", 4, 1): 1e-4,
}


def train_each(world, folder):
    return [train(world, folder / str(number), *arguments, epochs=2)
            for number, arguments in enumerate(TRAININGS)]


def test_two_processes_learn_what_one_does(tmp_path, one_thread):
    alone = train_each(World(), tmp_path / "one")
    for outcome in in_processes(2, train_each, tmp_path / "two"):
        assert not isinstance(outcome, str), outcome
        for (arguments, tolerance), (values, *tensors), (other_values, *other_tensors) in zip(
                TRAININGS.items(), alone, outcome, strict=True):
            assert other_values == pytest.approx(values, rel=tolerance), arguments
            for expected, found in zip(tensors, other_tensors, strict=True):
                assert (found - expected).norm() <= tolerance * expected.norm(), arguments
    for number in range(len(TRAININGS)):
        assert len(list((tmp_path / "two" / str(number)).rglob("checkpoint-epoch*.pth"))) == 2


# Shares


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 6, 11])
def test_shares_are_contiguous_and_about_as_long(size, count):
    items = list(range(count))
    shares = [World(rank, size).share(items) for rank in range(size)]
    assert sum(shares, []) == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def exchange_maps(world, count):
    maps = torch.arange(count, dtype=torch.float64).view(-1, 1, 1, 1).requires_grad_()
    own = world.share(maps)
    following = world.next_samples(own)
    weights = world.share(torch.arange(1.0, count + 1).double().view(-1, 1, 1, 1))
    (weights * following).sum().backward()
    return (following.flatten().tolist(), world.total(maps.grad).flatten().tolist(),
            world.everyones([world.rank, len(own)]))


def test_each_sample_is_given_the_next_one_of_the_whole_batch():
    alone, gradient, counts = exchange_maps(World(), 7)
    assert alone == [1, 2, 3, 4, 5, 6, 0] and gradient == [7, 1, 2, 3, 4, 5, 6]
    assert counts == [[0, 7]]
    outcomes = in_processes(3, exchange_maps, 7)
    assert sum((following for following, *_ in outcomes), []) == alone
    assert all(found == gradient for _, found, _ in outcomes)
    assert all(counts == [[0, 2], [1, 2], [2, 3]] for *_, counts in outcomes)


# Which devices


@pytest.mark.parametrize("text, names", [
    (None, [None]), ("0", ["0"]), ("cpu", ["cpu"]), ("0,1", ["0", "1"]), ("3,1,2", ["3", "1", "2"]),
    ("cpu,cpu", ["cpu", "cpu"]), ("cpu,cpu,cpu", ["cpu"] * 3),
])
def test_devices_are_listed_with_commas(monkeypatch, text, names):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert parse_devices(text) == names


def test_a_gpu_that_is_not_there_is_reported_before_any_process_starts(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="--device 1: no such GPU, 1 found"):
        parse_devices("0,1")


@pytest.mark.parametrize("text", ["0,0", "0,cpu", "cpu,1", "mps,mps", "mps,0", "xpu,cpu"])
def test_a_gpu_takes_one_process(text):
    with pytest.raises(UserError, match=f"--device {text}: expected numbers of different GPUs"):
        parse_devices(text)


# The program


def start_program(*command):
    return subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )


def start_training(config, *args):
    return start_program("train.py", "--config", str(config), "--device", "cpu,cpu", *args)


def helpers_of(pid):
    """Return the processes that a process started."""
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(condition, seconds=100):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
    return found


def assert_one_run(out, models, epochs):
    """Two processes print and write what one does: each line once, one folder, one result."""
    (folder,) = models.iterdir()
    assert len(list(folder.glob("checkpoint-epoch*.pth"))) == epochs
    assert len(re.findall(r"^device: cpu, 2 processes, seed: 0$", out, re.MULTILINE)) == 1
    assert len(re.findall(r"^    epoch +: ", out, re.MULTILINE)) == 1
    assert json.loads((folder / "results.json").read_text())["num_images"] == 8


def learned(before, after):
    """Return by how much a training moved each of a regressor's weights, in float64."""
    names = "inner_conv.weight", "reg_conv.weight"
    return [after[f"1.{name}"].double() - before[f"1.{name}"].double() for name in names]


def test_a_regressor_on_two_devices_is_that_of_one(
        landmark_config, trained_embedding, train, tmp_path):
    """Plain steps: Adam makes whole ones of gradients that are nothing but rounding.

    Responses reach about 300 before their softmax, which float32 rounds by 300 * 6e-8 = 2e-5: so
    far are shares, and gradients, off in another order of sums. A wrong share of a batch, or a
    wrong factor, moves a gradient by its own size.
    """
    config = landmark_config(optimizer={"type": "SGD", "args": {"lr": 0.01}})
    start = ("--resume", str(trained_embedding.checkpoint(3)))
    alone = train(config, *start)
    program = start_training(config, *start)
    _, err = program.communicate(timeout=200)
    assert (program.returncode, err) == (0, "")
    (path,) = (tmp_path / "saved" / "models").glob("*/*/checkpoint-epoch3.pth")
    first, expected, found = (read_checkpoint(p)["state_dict"] for p in (
        alone.checkpoint(1), alone.checkpoint(3), path))
    for moved, other in zip(learned(first, expected), learned(first, found)):
        assert moved.norm() > 0 and (other - moved).norm() < 1e-2 * moved.norm()


def test_a_mistake_in_one_process_ends_all_with_one_line(embedding_config):
    config = embedding_config(batch_size=1)
    program = start_training(config)
    _, err = program.communicate(timeout=200)
    assert program.returncode == 2
    assert set(err.splitlines()) == {
        f"error: {config}: batch_size = 1, but 2 processes share it: "
        "expected at least one image for each"}


def test_a_killed_process_ends_all_and_the_training_goes_on_later_in_one_run(
        embedding_config, tmp_path):
    config = embedding_config(trainer={"epochs": 200, "tensorboardX": False})
    program = start_training(config)
    models = tmp_path / "saved" / "models" / "tiny-embedding"
    wait_for(lambda: list(models.glob("*/checkpoint-epoch2.pth")))
    os.kill(helpers_of(program.pid)[1], signal.SIGKILL)
    program.communicate(timeout=60)
    assert program.returncode == 128 + signal.SIGKILL
    checkpoints = sorted(models.glob("*/checkpoint-epoch*.pth"), key=lambda p: p.stat().st_mtime_ns)
    last = int(re.search(r"\d+$", checkpoints[-1].stem)[0])
    again = start_training(config, "--resume", str(checkpoints[-1]), "--set",
                           f"trainer.epochs={last + 1}")
    out, err = again.communicate(timeout=200)
    assert (again.returncode, err) == (0, "")
    assert f"after epoch {last}" in out and re.search(rf"^    epoch +: {last + 1}$", out, re.M)
    assert_one_run(out, models, last + 1)


# After a restart by torchrun


def test_a_restarted_training_goes_on_after_its_last_checkpoint(
        call_program, embedding_config, tmp_path, monkeypatch):
    config = embedding_config()
    assert call_program("train.py", "--config", config, "--set", "trainer.epochs=2").code == 0
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    done = call_program("train.py", "--config", config)
    assert "after epoch 2" in done.stdout
    (folder,) = (tmp_path / "saved" / "models" / "tiny-embedding").iterdir()
    assert (folder / "checkpoint-epoch3.pth").exists()


def test_a_training_that_failed_before_its_first_checkpoint_begins_anew(
        call_program, embedding_config, tmp_path, monkeypatch):
    """Though an older run has checkpoints."""
    config = embedding_config()
    assert call_program("train.py", "--config", config, "--mini_train").code == 0
    empty = tmp_path / "saved" / "models" / "tiny-embedding" / "2999-01-01_00-00-00"
    empty.mkdir()
    os.utime(empty, (time.time() + 1,) * 2)  # later, however coarse the file system's clock is
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    done = call_program("train.py", "--config", config, "--mini_train")
    assert (done.code, done.stdout.splitlines()[0]) == (0, "start: from fresh weights")


class Built(Exception):
    """The backbone is there."""


@pytest.mark.parametrize("num_gpus, changes, is_synchronised", [
    (2, {}, True), (2, {"trainer": {"epochs": 1, "sync_batchnorm": False}}, False), (1, {}, False)])
def test_several_gpus_normalise_over_the_whole_batch(
        embedding_config, num_gpus, changes, is_synchronised):
    config = read_config(embedding_config(loss_args={"implementation": "chunked"}, **changes))
    start, images = Mock(), SimpleNamespace(imwidth=32, crop=4)
    start.load_backbone.side_effect = Built
    with PretendGpu() as gpu, pytest.raises(Built):
        run = SimpleNamespace(device=gpu.device, world=World(size=num_gpus))
        EmbeddingTrainer.from_config(config, images, range(9), start, run)
    backbone, = start.load_backbone.call_args.args
    layers = [layer for layer in backbone.modules() if hasattr(layer, "running_mean")]
    kind = nn.SyncBatchNorm if is_synchronised else nn.BatchNorm2d
    assert len(layers) == 5 and {type(layer) for layer in layers} == {kind}
    # A checkpoint of either is one of the other.
    assert backbone.state_dict().keys() == build_backbone(config).state_dict().keys()
