"""Optimisers and learning-rate schedules, built from a config's sections."""

import inspect
import math

import torch
from torch import nn

from utils.config.mini_run import MINI
from utils.config.objects import attempt, build

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


def build_optimizer(config, model):
    """Return the config's optimiser over what learns.

    The biases of convolutions may have a rate of their own.
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


def build_scheduler(config, optimizer):
    """Return the config's learning-rate schedule, stepped after each epoch, or None."""
    if config.lr_scheduler is None:
        return None
    _rehearse(config)
    return build(config.lr_scheduler, SCHEDULERS, "lr_scheduler", optimizer=optimizer)


def unreached_milestones(config):
    """Return a warning, in a list, if milestones of the schedule lie at or beyond the last epoch,
    where they lower no rate.
    """
    epochs, section = config.trainer.epochs, config.lr_scheduler or {"args": {}}
    late = [n for n in section["args"].get("milestones", ()) if n >= epochs]
    if not late or config.limits is MINI:
        return []
    return [
        f"lr_scheduler.args.milestones: nothing happens at {', '.join(map(str, late))}, since the "
        f"training ends after epoch {epochs} (trainer.epochs)"
    ]


def _rehearse(config):
    """Raise ``ConfigError`` where a schedule would fail in a later epoch, or give a rate that is
    none: better now than after days.
    """
    section, epochs = config.lr_scheduler, config.raw["trainer"]["epochs"]  # with --mini_train too

    def rehearse(args):
        optimizer = build_optimizer(config, nn.Conv2d(1, 1, 1))
        scheduler = build(
            {**section, "args": args}, SCHEDULERS, "lr_scheduler", optimizer=optimizer
        )
        for epoch in range(1, min(epochs, MOST_REHEARSED) + 1):
            optimizer.step()
            scheduler.step()
            for rate in (group["lr"] for group in optimizer.param_groups):
                if not 0 <= rate < math.inf:
                    raise ValueError(f"after epoch {epoch} the learning rate is {rate}")

    attempt(rehearse, section["args"], "lr_scheduler.args", f"what {section['type']} takes")
