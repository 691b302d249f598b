"""Build the optimiser and the learning-rate schedule of a config."""

import inspect
import math

import torch
from torch import nn

from utils.config.mini_run import MINI
from utils.config.objects import attempt, build
from utils.errors import ConfigError

# Base classes, and classes that need a closure, a function, a value or other objects.
UNFIT = {"Optimizer", "LBFGS", "LRScheduler", "LambdaLR", "MultiplicativeLR", "ReduceLROnPlateau"}
UNFIT |= {"SequentialLR", "ChainedScheduler"}
MOST_REHEARSED = 1000  # epochs of a schedule, or steps of a one-cycle schedule
LENGTHS = {"total_steps", "epochs"}  # arguments of a one-cycle schedule


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
    num_steps = config.trainer.epochs * steps_per_epoch
    scheduler = _build(config, config.lr_scheduler["args"], optimizer, num_steps)
    length = getattr(scheduler, "total_steps", num_steps)
    if length < num_steps:
        raise ConfigError(
            f"lr_scheduler.args: the cycle ends after {length} steps, expected at least the "
            f"{num_steps} of the training (without total_steps it is as long)"
        )
    return scheduler


def _build(config, args, optimizer, num_steps):
    """Return the schedule with these arguments.

    Other keys of the config give those of a one-cycle schedule: its length in steps and, beside
    ``max_lr``, the rate that the biases rise to, ``bias_lr``.
    """
    section, planned, idle = config.lr_scheduler, {}, ()
    if section["type"] == "OneCycleLR":
        if not LENGTHS & args.keys():
            # torch divides by zero where the rise is one step long.
            is_one_step = args.get("pct_start", 0.3) * num_steps == 1
            planned["total_steps"] = num_steps + 1 if is_one_step else num_steps
        if config.bias_lr is not None and isinstance(args.get("max_lr"), (int, float)):
            planned["max_lr"] = [args["max_lr"], config.bias_lr]
        idle = ("milestones",)  # as the log says
    args = {name: value for name, value in args.items() if name not in (*planned, *idle)}
    section = {**section, "args": args}
    return build(section, SCHEDULERS, "lr_scheduler", optimizer=optimizer, **planned)


def rehearse_schedule(config):
    """Raise ``ConfigError`` if a schedule would fail in a later epoch, or give a learning rate that
    is negative, infinite or NaN.
    """
    if config.lr_scheduler is None:
        return
    section, epochs = config.lr_scheduler, config.raw["trainer"]["epochs"]  # with --mini_train too

    def rehearse(args):
        # Without initial weights, whose random draws would change those of the backbone.
        layer = nn.utils.skip_init(nn.Conv2d, 1, 1, 1)
        optimizer = build_optimizer(config, layer)
        as_long_as_training = section["type"] == "OneCycleLR" and not LENGTHS & args.keys()
        num_steps = MOST_REHEARSED if as_long_as_training else min(epochs, MOST_REHEARSED)
        scheduler = _build(config, args, optimizer, num_steps)
        for epoch in range(1, num_steps + 1):
            optimizer.step()
            scheduler.step()
            for rate in (group["lr"] for group in optimizer.param_groups):
                if not 0 <= rate < math.inf:
                    unit = "step" if as_long_as_training else "epoch"
                    raise ValueError(f"after {unit} {epoch} the learning rate is {rate}")

    attempt(rehearse, section["args"], "lr_scheduler.args", f"what {section['type']} takes")


def unreached_milestones(config):
    """Return warnings, [] or one, about milestones of the schedule at or after the last epoch."""
    epochs, section = config.trainer.epochs, config.lr_scheduler
    if section is None or section["type"] == "OneCycleLR" or config.limits is MINI:
        return []
    late = [n for n in section["args"].get("milestones", ()) if n >= epochs]
    if not late:
        return []
    return [
        f"lr_scheduler.args.milestones: nothing happens at {', '.join(map(str, late))}, since the "
        f"training ends after epoch {epochs} (trainer.epochs)"
    ]
