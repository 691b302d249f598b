"""From a config's sections to the parts of a run."""

import inspect
import math
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from data_loader import DATASETS
from data_loader.broken_images import leave_out_broken
from model import BACKBONES, DENSE_LOSSES, LANDMARK_LOSSES, METRICS, REGRESSORS
from model.keypoint_regressor import landmark_model
from model.loss import check_implementation
from utils.build import build, call, check_arguments, look_up
from utils.distributed import World
from utils.errors import ConfigError, EmptySplit, blamed_on
from utils.visualization import EMBEDDING_PICTURES, LANDMARK_PICTURES
from utils.warper import Warper, WarperSingle

WARPERS = {cls.__name__: cls for cls in (Warper, WarperSingle)}
# What a config cannot name: bases, and what takes a closure, a function, a value or other objects.
UNFIT = {"Optimizer", "LBFGS", "LRScheduler", "LambdaLR", "MultiplicativeLR", "ReduceLROnPlateau"}
UNFIT |= {"SequentialLR", "ChainedScheduler"}
MOST_REHEARSED = 1000  # epochs of a schedule


def _public_subclasses(module, base):
    """Return {name: class} of a module's subclasses of ``base`` that a config can name."""
    return {
        name: cls
        for name, cls in vars(module).items()
        if inspect.isclass(cls) and issubclass(cls, base) and name not in UNFIT
    }


OPTIMIZERS = _public_subclasses(torch.optim, torch.optim.Optimizer)
SCHEDULERS = _public_subclasses(torch.optim.lr_scheduler, torch.optim.lr_scheduler.LRScheduler)


def build_dataset(experiment, split, world=World()):
    """Return the config's data set; world: the processes that all build it now."""
    dataset = build(experiment.dataset, DATASETS, "dataset", split=split)
    if experiment.on_broken_image == "skip":
        leave_out_broken(dataset, world)
    else:
        dataset.require_files()
    return dataset


def with_landmarks(experiment):
    """Return the experiment with its data set's landmarks asked for."""
    args = {**experiment.dataset["args"], "use_keypoints": True}
    return replace(experiment, dataset={**experiment.dataset, "args": args})


def evaluation_dataset(experiment, name=None, world=World()):
    """Return the annotated test split that a config is evaluated on.

    Raises ``EmptySplit`` if it has too few landmarks. name: another data set than the one the
    config implies; imwidth and crop stay the config's, and so does the root, if both are of one
    family, else it is the other's default.
    """
    own = look_up(experiment.dataset["type"], DATASETS, "dataset.type")
    check_arguments(own, experiment.dataset["args"], "dataset.args", runtime=("split",))
    args = with_landmarks(experiment).dataset["args"]
    other = look_up(name or own.evaluated_on or own.__name__, DATASETS, "--eval_data")
    if other is not own:
        args = _arguments_for(other, own, args)
        check_arguments(other, args, "--eval_data: dataset.args", runtime=("split",))
    section = {"type": other.__name__, "args": args}
    dataset = build_dataset(replace(experiment, dataset=section), "test", world)
    if not experiment.is_landmark and len(dataset) < 2:
        raise EmptySplit("dataset: matching takes two images, but split 'test' has only one")
    if experiment.is_landmark and not dataset.eye_indices:
        raise ConfigError("dataset: landmark errors are divided by the distance of two, found one")
    return dataset


def _arguments_for(other, own, args):
    """Return the arguments of one data set as far as they mean something to another."""
    taken = {name: args[name] for name in inspect.signature(other).parameters if name in args}
    if other.default_root != own.default_root or "root" not in args:
        taken.pop("root", None)
        if other.default_root is not None:
            taken["root"] = other.default_root
    return taken


def build_backbone(experiment):
    """Return the config's network, with fresh weights."""
    return build(experiment.arch, BACKBONES, "arch").to(memory_format=torch.channels_last)


def build_landmark_model(experiment, num_landmarks):
    """Return the config's backbone, frozen, and its regressor, both with fresh weights."""
    backbone = build_backbone(experiment)
    facts = {
        "descriptor_dimension": backbone.num_output_channels,
        "num_annotated_points": num_landmarks,
    }
    section = experiment.keypoint_regressor
    for name, value in facts.items():
        if section["args"].get(name, value) != value:
            raise ConfigError(
                f"keypoint_regressor.args.{name} = {section['args'][name]}, "
                f"but network and data set give {value}"
            )
    section = {"type": section["type"], "args": {**facts, **section["args"]}}
    regressor = build(section, REGRESSORS, "keypoint_regressor")
    return landmark_model(backbone, regressor, experiment.keypoint_regressor_upsample)


def build_pair_warper(experiment, dataset):
    """Return the warper that makes training pairs."""
    if experiment.warper is None or experiment.warper["type"] == WarperSingle.__name__:
        raise ConfigError("warper: learning an embedding takes pairs, expected type 'Warper'")
    return _build_warper(experiment, dataset)


def build_single_warper(experiment, dataset):
    """Return the warper that augments annotated images, or None.

    Pairs are of no use to a regressor.
    """
    if experiment.warper is None or experiment.warper["type"] == Warper.__name__:
        return None
    return _build_warper(experiment, dataset)


def _build_warper(experiment, dataset):
    S = dataset.imwidth
    return build(experiment.warper, WARPERS, "warper", H=S, W=S, crop=dataset.crop)


def build_loss(experiment, device):
    """Return the config's loss with its arguments bound; what is left are the tensors."""
    registry = LANDMARK_LOSSES if experiment.is_landmark else DENSE_LOSSES
    function = look_up(experiment.loss, registry, "loss")
    tensors = [
        p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty
    ]
    check_arguments(function, experiment.loss_args, "loss_args", runtime=[*tensors, "desc_aux"])
    for name, value in experiment.loss_args.items():
        if type(value) in (int, float) and value <= 0:
            raise ConfigError(f"loss_args.{name} = {value}, expected a positive number")
    with blamed_on("loss_args.implementation"):
        check_implementation(experiment.loss_args.get("implementation", "auto"), device)
    return partial(function, **experiment.loss_args)


def build_metrics(experiment, dataset):
    """Return {name: callable (predicted, target) -> (B,)}."""
    return {
        name: partial(look_up(name, METRICS, "metrics"), eye_indices=dataset.eye_indices)
        for name in experiment.metrics
    }


def checked_pictures(experiment):
    """Return the names of the config's pictures, once they are known to be valid."""
    registry = LANDMARK_PICTURES if experiment.is_landmark else EMBEDDING_PICTURES
    for name in experiment.visualizations:
        look_up(name, registry, "visualizations")
    return experiment.visualizations


def build_optimizer(experiment, model):
    """Return the config's optimiser over what learns.

    The biases of convolutions may have a rate of their own.
    """
    biases = {
        id(layer.bias)
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d) and layer.bias is not None
    }
    learning = [p for p in model.parameters() if p.requires_grad]
    if experiment.bias_lr is None:
        groups = learning
    else:
        groups = [
            {"params": [p for p in learning if id(p) not in biases]},
            {"params": [p for p in learning if id(p) in biases], "lr": experiment.bias_lr},
        ]
    return build(experiment.optimizer, OPTIMIZERS, "optimizer", params=groups)


def build_scheduler(experiment, optimizer):
    """Return the config's learning-rate schedule, stepped after each epoch, or None."""
    if experiment.lr_scheduler is None:
        return None
    _rehearse(experiment)
    return build(experiment.lr_scheduler, SCHEDULERS, "lr_scheduler", optimizer=optimizer)


def unreached_milestones(experiment):
    """Return a line on those milestones of a schedule that lower the rate of no epoch; none where
    there are none.
    """
    epochs = experiment.trainer.get("epochs", math.inf)
    section = experiment.lr_scheduler or {"args": {}}
    late = [n for n in section["args"].get("milestones", ()) if n >= epochs]
    told = f"lr_scheduler.args.milestones: nothing happens at {', '.join(map(str, late))}"
    return (
        [f"{told}, since the training ends after epoch {epochs} (trainer.epochs)"] if late else []
    )


def _rehearse(experiment):
    """Raise ``ConfigError`` where a schedule would fail in a later epoch, or give a rate that is
    none: better now than after days.
    """
    optimizer = build_optimizer(experiment, nn.Conv2d(1, 1, 1))
    scheduler = build(experiment.lr_scheduler, SCHEDULERS, "lr_scheduler", optimizer=optimizer)
    for epoch in range(1, min(experiment.trainer.get("epochs", 1), MOST_REHEARSED) + 1):
        optimizer.step()
        call(scheduler.step, {}, "lr_scheduler.args")
        for group in optimizer.param_groups:
            if not 0 <= group["lr"] < math.inf:
                raise ConfigError(
                    f"lr_scheduler.args: after epoch {epoch} the learning rate is {group['lr']}, "
                    "expected a number >= 0"
                )
