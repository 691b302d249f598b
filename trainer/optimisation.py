"""Build the optimiser and the learning-rate schedule of a config."""

import inspect
import math

import torch
from torch import nn

from utils.config.mini_run import MINI
from utils.config.objects import attempt, build

# Base classes, and classes that need a closure, a function, a value or other objects.
UNFIT = {"Optimizer", "LBFGS", "LRScheduler", "LambdaLR", "MultiplicativeLR", "ReduceLROnPlateau"}
UNFIT |= {"SequentialLR", "ChainedScheduler"}
MOST_REHEARSED = 1000  # steps of a schedule
ONE_CYCLE = "OneCycleLR"


def _public_subclasses(module, base):
    """Return {name: class} of the subclasses of ``base`` that a config can name."""
    return {
        name: cls
        for name, cls in vars(module).items()
        if inspect.isclass(cls) and issubclass(cls, base) and name not in UNFIT
    }


OPTIMIZERS = _public_subclasses(torch.optim, torch.optim.Optimizer)
SCHEDULERS = _public_subclasses(torch.optim.lr_scheduler, torch.optim.lr_scheduler.LRScheduler)


def build_optimizer(config, model):
    """Return the config's optimiser of the parameters that require gradients.

    The biases of convolutions have the learning rate ``bias_lr``, if it is given.
    """
    biases = {
        id(layer.bias)
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d) and layer.bias is not None
    }
    learning = [p for p in model.parameters() if p.requires_grad]
    if config.bias_lr is None:
        groups = learning
    else:
        groups = [
            {"params": [p for p in learning if id(p) not in biases]},
            {"params": [p for p in learning if id(p) in biases], "lr": config.bias_lr},
        ]
    return build(config.optimizer, OPTIMIZERS, "optimizer", params=groups)


def build_scheduler(config, optimizer, steps_per_epoch):
    """Return the config's learning-rate schedule, or None.

    It steps after each epoch; ``OneCycleLR`` steps after each batch.
    """
    if config.lr_scheduler is None:
        return None
    section = config.lr_scheduler
    _rehearse(config, steps_per_epoch)
    runtime = _planned(config, section["args"], config.trainer.epochs * steps_per_epoch)
    args = {name: value for name, value in section["args"].items() if name not in runtime}
    return build(
        {**section, "args": args}, SCHEDULERS, "lr_scheduler", optimizer=optimizer, **runtime
    )


def _planned(config, args, num_steps):
    """Return the arguments of a one-cycle schedule that other keys of the config give: its length
    in steps, and, beside ``max_lr``, the rate that the biases rise to, ``bias_lr``.
    """
    if config.lr_scheduler["type"] != ONE_CYCLE:
        return {}
    planned = {} if {"total_steps", "epochs"} & args.keys() else {"total_steps": num_steps}
    if config.bias_lr is not None and isinstance(args.get("max_lr"), (int, float)):
        planned["max_lr"] = [args["max_lr"], config.bias_lr]
    return planned


def unreached_milestones(config):
    """Return warnings, [] or one, about milestones of the schedule at or after the last epoch."""
    epochs, section = config.trainer.epochs, config.lr_scheduler or {"args": {}}
    late = [n for n in section["args"].get("milestones", ()) if n >= epochs]
    if not late or config.limits is MINI:
        return []
    return [
        f"lr_scheduler.args.milestones: nothing happens at {', '.join(map(str, late))}, since the "
        f"training ends after epoch {epochs} (trainer.epochs)"
    ]


def _rehearse(config, steps_per_epoch):
    """Raise ``ConfigError`` if a schedule would fail later in the training, or give a learning rate
    that is negative, infinite or NaN.
    """
    section, epochs = config.lr_scheduler, config.raw["trainer"]["epochs"]  # with --mini_train too
    unit, count = "epoch", epochs
    if section["type"] == ONE_CYCLE:
        unit, count = "step", epochs * steps_per_epoch

    def rehearse(args):
        optimizer = build_optimizer(config, nn.Conv2d(1, 1, 1))
        planned = _planned(config, args, count)
        args = {name: value for name, value in args.items() if name not in planned}
        scheduler = build(
            {**section, "args": args}, SCHEDULERS, "lr_scheduler", optimizer=optimizer, **planned
        )
        if getattr(scheduler, "total_steps", count) < count:
            raise ValueError(f"it ends after {scheduler.total_steps} of {count} steps")
        for step in range(1, min(count, MOST_REHEARSED) + 1):
            optimizer.step()
            scheduler.step()
            for rate in (group["lr"] for group in optimizer.param_groups):
                if not 0 <= rate < math.inf:
                    raise ValueError(f"after {unit} {step} the learning rate is {rate}")

    attempt(rehearse, section["args"], "lr_scheduler.args", f"what {section['type']} takes")
