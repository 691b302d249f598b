"""What trainers are made of: optimisers, schedules, monitor, means."""

import math
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR, OneCycleLR, StepLR
from torch.utils.data import DataLoader

from base.base_trainer import BaseTrainer
from base.monitor import Monitor
from base.running_mean import RunningMean
from base.schedule import resume_schedule
from data_loader.batches import make_loader
from data_loader.synthetic_faces import SyntheticFaces
from model import DENSE_LOSSES
from model.loss import regression_loss
from model.smallnet import SmallNet
from trainer.landmark_trainer import LandmarkTrainer
from trainer.optimisation import build_optimizer, build_scheduler
from trainer.parts import build_landmark_model, loss_implementation
from trainer.resume import StartingPoint
from trainer.training import build_trainer
from utils.config.read import check_config
from utils.errors import ConfigError, UserError
from utils.run import Run
from utils.run_folder import RunFolder

CPU = torch.device("cpu")
CONFIG = check_config("tiny.json", {
    "arch": {"type": "SmallNet", "args": {"num_output_channels": 4}},
    "dataset": {"type": "SyntheticFaces", "args": {"imwidth": 24, "crop": 4, "num_images": 7}},
    "optimizer": {"type": "Adam", "args": {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True}},
    "loss": "dense_correlation_loss",
    "trainer": {"epochs": 1},
})
LANDMARK_CONFIG = replace(
    CONFIG,
    keypoint_regressor={"type": "IntermediateKeypointPredictor",
                        "args": {"num_intermediate_points": 3, "softargmax_mul": 100}},
    loss="regression_loss",
    batch_size=2,
)


def faces(count=7):
    return SyntheticFaces("train", imwidth=24, crop=4, use_keypoints=True, num_images=count)


def with_options(config, **options):
    return replace(config, trainer=replace(config.trainer, **options))


def run_in(folder, config):
    return Run(RunFolder(folder, Path("tiny")), config)


# Optimisers

def names_of(model, group):
    members = set(map(id, group["params"]))
    return {name for name, parameter in model.named_parameters() if id(parameter) in members}


def test_bias_lr_is_for_the_biases_of_convolutions_alone():
    model = SmallNet(4)
    optimizer = build_optimizer(replace(CONFIG, bias_lr=1e-5), model)
    rest, biases = optimizer.param_groups
    convolutions = [f"conv{n}.0" for n in range(1, 6)] + ["conv6"]
    assert names_of(model, biases) == {f"{name}.bias" for name in convolutions}
    assert names_of(model, rest) | names_of(model, biases) == dict(model.named_parameters()).keys()
    assert not names_of(model, rest) & names_of(model, biases)
    assert (rest["lr"], biases["lr"]) == (0.01, 1e-5)
    for group in (rest, biases):
        assert group["weight_decay"] == 0.1 and group["amsgrad"]


def test_without_bias_lr_all_learn_at_one_rate():
    model = SmallNet(4)
    (group,) = build_optimizer(CONFIG, model).param_groups
    assert names_of(model, group) == dict(model.named_parameters()).keys()
    assert group["lr"] == 0.01


@pytest.mark.parametrize("bias_lr", [None, 1e-5])
def test_only_what_learns_is_given_to_the_optimiser(bias_lr):
    model = build_landmark_model(LANDMARK_CONFIG, 5)
    optimizer = build_optimizer(replace(LANDMARK_CONFIG, bias_lr=bias_lr), model)
    given = set.union(*(names_of(model, group) for group in optimizer.param_groups))
    assert given == {"1.inner_conv.weight", "1.reg_conv.weight"}


def test_a_bias_moves_at_its_own_rate():
    model = nn.Sequential(nn.Conv2d(1, 1, 1))
    section = {"type": "SGD", "args": {"lr": 0.5}}
    optimizer = build_optimizer(replace(CONFIG, optimizer=section, bias_lr=0.125), model)
    weight, bias = (parameter.item() for parameter in model.parameters())
    model(torch.full((1, 1, 1, 1), 3.0)).sum().backward()
    optimizer.step()
    assert model[0].weight.item() == pytest.approx(weight - 0.5 * 3)
    assert model[0].bias.item() == pytest.approx(bias - 0.125)


def test_the_fused_optimiser_takes_the_same_steps():
    after = []
    for more in ({}, {"fused": True}):
        torch.manual_seed(0)
        model = SmallNet(4).double()
        section = {"type": "Adam", "args": {**CONFIG.optimizer["args"], **more}}
        optimizer = build_optimizer(replace(CONFIG, optimizer=section), model)
        for _ in range(3):
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()
        assert optimizer.param_groups[0]["fused"] == more.get("fused")
        after.append(list(model.parameters()))
    torch.testing.assert_close(*after)


# Schedules and the loop

class Recorder(BaseTrainer):
    """Notes the learning rates of its steps; its validation values are given."""

    def __init__(self, run, val_losses=()):
        config, model = run.config, nn.Conv2d(1, 1, 1)
        optimizer = build_optimizer(config, model)
        loader = make_loader(faces(), 3, CPU, training=True)
        scheduler = build_scheduler(config, optimizer, len(loader.batch_sampler))
        super().__init__(model, model, optimizer, scheduler, loader, None, run)
        self.rates, self.val_losses = {}, val_losses

    def train_step(self, batch, epoch):
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self.rates.setdefault(epoch, []).append(rates)
        return self.model.weight.sum()

    def validate(self, epoch):
        return {"val_loss": self.val_losses[epoch - 1]} if self.val_losses else {}


def recorded(config, folder, val_losses=(), **options):
    config = with_options(config, tensorboardX=False, verbosity=0, **options)
    trainer = Recorder(run_in(folder, config), val_losses)
    with trainer.run.open([], events=False):
        trainer.fit()
    return trainer


def test_a_milestone_lowers_the_rate_from_the_next_epoch_on(tmp_path):
    section = {"type": "MultiStepLR", "args": {"gamma": 0.1, "milestones": [2, 4]}}
    config = replace(CONFIG, lr_scheduler=section, bias_lr=1e-3)
    rates = recorded(config, tmp_path, epochs=6).rates
    for epoch, factor in ((1, 1), (2, 1), (3, 0.1), (4, 0.1), (5, 0.01), (6, 0.01)):
        assert len(rates[epoch]) == 2  # steps: 7 images, the incomplete third batch dropped
        for step in rates[epoch]:
            assert step == pytest.approx([0.01 * factor, 1e-3 * factor])


def one_cycle_rate(step, num_steps, top, warm_up=0.3, start=25, end=1e4):
    """The learning rate of a step, counted from 0, as Smith and Topin's policy has it."""
    peak = warm_up * num_steps - 1
    low, high, at, length = top / start, top, step, peak
    if step > peak:
        low, high, at, length = top, top / start / end, step - peak, num_steps - 1 - peak
    return high + (low - high) / 2 * (1 + math.cos(math.pi * at / length))


def test_a_one_cycle_schedule_steps_with_each_batch_to_a_top_for_each_group(tmp_path):
    section = {"type": "OneCycleLR", "args": {"max_lr": 0.03}}
    config = replace(CONFIG, lr_scheduler=section, bias_lr=1e-4)
    rates = recorded(config, tmp_path, epochs=5).rates  # two steps in each
    steps = [step for epoch in range(1, 6) for step in rates[epoch]]
    assert len(steps) == 10
    for number, step in enumerate(steps):
        assert step == pytest.approx([one_cycle_rate(number, 10, top) for top in (0.03, 1e-4)])


def test_a_one_cycle_schedule_that_ends_early_is_refused_at_once(tmp_path):
    section = {"type": "OneCycleLR", "args": {"max_lr": 0.03, "total_steps": 5999}}
    config = replace(CONFIG, lr_scheduler=section)
    with pytest.raises(ConfigError, match="lr_scheduler.args: the cycle ends after 5999 steps, "
                       "expected at least the 6000 of the training"):
        recorded(config, tmp_path, epochs=3000)


def one_cycle(num_steps):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    return OneCycleLR(optimizer, 0.03, num_steps)


def take_steps(scheduler, count):
    for _ in range(count):
        scheduler.optimizer.step()
        scheduler.step()


def checkpoint_of(scheduler, state=None):
    """Return what a checkpoint says of a schedule, or of none."""
    section = scheduler and {"type": type(scheduler).__name__, "args": {}}
    state = state or (scheduler and scheduler.state_dict())
    return {"config": {"lr_scheduler": section}, "scheduler": state}


@pytest.mark.parametrize("num_steps", [8, 16])
def test_a_one_cycle_schedule_takes_the_length_of_the_training_that_goes_on(num_steps):
    begun, longer = one_cycle(12), one_cycle(num_steps)
    take_steps(begun, 5)
    warning = resume_schedule(longer, checkpoint_of(begun), "a.pth")
    assert f"planned for 12 steps and is for {num_steps} now" in warning
    for step in range(5, num_steps):
        assert longer.optimizer.param_groups[0]["lr"] == pytest.approx(
            one_cycle_rate(step, num_steps, 0.03))
        take_steps(longer, 1)
    assert resume_schedule(begun, checkpoint_of(begun), "a.pth") is None


def test_a_loss_of_ones_own_names_no_implementation(monkeypatch):
    def own_loss(desc1, desc2, grid, side, power: float = 2):
        return (desc1 - desc2).abs().pow(power).mean()

    monkeypatch.setitem(DENSE_LOSSES, "own_loss", own_loss)
    gpu = torch.device("cuda:0")
    assert loss_implementation(replace(CONFIG, loss="own_loss"), gpu, 4) == (None, None)
    chunked = replace(CONFIG, loss_args={"implementation": "chunked"})
    assert loss_implementation(chunked, gpu, 4) == ("chunked", None)
    assert loss_implementation(CONFIG, torch.device("mps"), 4) == ("chunked", None)


def test_a_schedule_that_does_not_fit_is_refused():
    cycle = one_cycle(12)
    beyond = {**cycle.state_dict(), "total_steps": 40, "last_epoch": 13}
    with pytest.raises(UserError, match="a.pth: is at step 13 of .* this training has 12 steps; "):
        resume_schedule(cycle, checkpoint_of(cycle, beyond), "a.pth")
    for state in ([1], {}, None, {**beyond, "last_epoch": "2"}):
        with pytest.raises(UserError, match="a.pth: 'scheduler' is not the state of a learning-"):
            resume_schedule(cycle, {**checkpoint_of(cycle), "scheduler": state}, "a.pth")
    kinds = cycle, StepLR(cycle.optimizer, 3), ExponentialLR(cycle.optimizer, 0.9), None
    for begun, now in permutations(kinds, 2):
        names = ["none" if kind is None else type(kind).__name__ for kind in (begun, now)]
        expected = "a.pth: its learning-rate schedule is {}, that of lr_scheduler is {}; "
        with pytest.raises(UserError, match=expected.format(*names)):
            resume_schedule(now, checkpoint_of(begun), "a.pth")
    assert resume_schedule(None, checkpoint_of(None), "a.pth") is None


def test_without_a_schedule_the_rate_stays(tmp_path):
    rates = recorded(CONFIG, tmp_path, epochs=3).rates
    assert rates == {epoch: [[0.01]] * 2 for epoch in (1, 2, 3)}


def test_training_stops_when_patience_runs_out_and_keeps_the_best(tmp_path):
    values = [5.0, 3, 4, 4, 3, 1, 0]
    trainer = recorded(CONFIG, tmp_path, values, epochs=7, monitor="min val_loss", patience=3,
                       save_period=4)
    assert trainer.last_epoch == 5
    files = {path.name for path in trainer.run.folder.model_dir.glob("*.pth")}
    assert files == {"checkpoint-epoch4.pth", "checkpoint-epoch5.pth", "model_best.pth"}
    best = torch.load(trainer.run.folder.model_dir / "model_best.pth", weights_only=True)
    assert best["epoch"] == 2


# Monitor and means

def followed(monitor, values):
    return [(monitor.update({"val_loss": value, "other": 0}, epoch), monitor.exhausted)
            for epoch, value in enumerate(values, 1)]


def test_monitor_finds_the_least():
    found = followed(Monitor("min val_loss", 2), [3, 2, 2, 1, 5, 1.5, 0])
    assert found == [(True, False), (True, False), (False, False), (True, False), (False, False),
                     (False, True), (True, False)]


def test_monitor_finds_the_largest():
    found = followed(Monitor("max val_loss", 0), [-3, -2, -2, -5, 0])
    assert found == [(True, False), (True, False), (False, False), (False, False), (True, False)]


def test_monitor_that_is_off_takes_every_epoch_for_the_best():
    assert followed(Monitor("off", 0), [1, 2, 3]) == [(True, False)] * 3


def test_a_value_that_is_no_number_is_never_better():
    assert [better for better, _ in followed(Monitor("min val_loss", 0), [math.nan, 2, math.nan])] \
        == [False, True, False]


def test_monitor_names_the_values_there_are():
    Monitor("min val_loss", 0).check(("loss", "val_loss"))
    Monitor("off", 0).check(())
    with pytest.raises(ConfigError, match="no value 'val_los', expected one of loss, val_loss"):
        Monitor("min val_los", 0).check(("loss", "val_loss"))


def test_monitor_goes_on_where_another_was():
    values = [3, 2, 4, 2.5, 1, 6, 7]
    whole, first, second = (Monitor("min val_loss", 2) for _ in range(3))
    beginning = followed(first, values[:3])
    second.load_state_dict(first.state_dict())
    assert followed(whole, values) == beginning + followed(second, values[3:])


def test_running_mean_is_weighted():
    mean = RunningMean()
    values, weights = np.random.default_rng(0).uniform(0, 9, 50), np.arange(1, 51)
    for value, weight in zip(values, weights):
        mean.add(torch.tensor(value, requires_grad=True), int(weight))
    assert mean.value == pytest.approx(np.average(values, weights=weights), rel=1e-12)
    assert mean.weight == weights.sum() and isinstance(mean.value, float)
    assert not mean.total.requires_grad


def test_running_mean_of_many_float32_numbers_keeps_its_digits():
    mean = RunningMean()
    for _ in range(3000):
        mean.add(torch.tensor(0.1), 1000)
    assert mean.value == pytest.approx(float(np.float32(0.1)), rel=1e-12)


# A batch in parts

class MeanSquare(BaseTrainer):
    """Learns to map images to nothing; its loss is a plain mean over samples."""

    def train_step(self, batch, epoch):
        self.sizes.append(len(batch["index"]))
        return self.model(batch["image"].double() / 255).square().mean()


@pytest.mark.parametrize("accumulation, sizes", [
    (1, [7]), (2, [4, 3]), (3, [3, 2, 2]), (9, [3, 2, 2])])
def test_a_batch_in_parts_takes_the_same_step(tmp_path, accumulation, sizes):
    loader = make_loader(faces(), 7, CPU)
    (batch,) = loader
    after = []
    for count in (1, accumulation):
        torch.manual_seed(0)
        model = nn.Conv2d(3, 2, 3).double()  # parts are summed in another order
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        run = run_in(tmp_path, with_options(CONFIG, accumulation=count))
        trainer = MeanSquare(model, model, optimizer, None, loader, None, run)
        trainer.sizes = []
        loss = trainer.optimise(batch, 1)
        after.append([loss, *model.parameters()])
    assert trainer.sizes == sizes
    for whole, in_parts in zip(*after):
        torch.testing.assert_close(in_parts, whole)


def test_more_parts_than_a_batch_has_pairs(tmp_path):
    config = with_options(replace(CONFIG, batch_size=4), accumulation=3)
    with pytest.raises(ConfigError, match="trainer.accumulation = 3, expected at most 2: .* of 4"):
        build_trainer(config, StartingPoint(), run_in(tmp_path, config))


# Fitting landmarks

@pytest.mark.parametrize("cache", ["off", "memory", "disk", "device"])
def test_few_annotations_with_and_without_a_cache(tmp_path, cache):
    config = replace(LANDMARK_CONFIG, restrict_annos=3, cache=cache)
    start = StartingPoint("embedding.pth", {"state_dict": SmallNet(4).state_dict()})
    config = with_options(config, verbosity=0, save_dir=str(tmp_path))
    with run_in(tmp_path, config).open([], events=False) as run:
        trainer = build_trainer(config, start, run)
    batches = list(trainer.loader)
    assert [len(batch["index"]) for batch in batches] == [2] * 3


def test_bfloat16_is_for_backbones_not_for_the_regressor(tmp_path):
    """Its logits are multiplied by 100: in bfloat16 virtual keypoints land far off."""
    torch.manual_seed(0)
    coarse, target = torch.randn(8, 4, 4, 4), torch.rand(8, 5, 2) - 0.5
    batch = {"descriptors": F.interpolate(coarse, (12, 12), mode="bilinear", align_corners=True),
             "target": target, "index": torch.arange(8)}
    model, losses = build_landmark_model(LANDMARK_CONFIG, 5), []
    for precision in ("float32", "bfloat16"):
        run = run_in(tmp_path, with_options(LANDMARK_CONFIG, precision=precision))
        trainer = LandmarkTrainer(model, None, None, DataLoader(range(8), 8), None, run,
                                  loss=regression_loss, metrics={})
        losses.append(trainer.train_step(batch, 1).item())
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
