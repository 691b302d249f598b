"""Handle NaN or infinite gradients: report the batch, then halt, skip the step, or roll back."""

import math
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch

from utils.checkpoint.save_and_load import save_checkpoint
from utils.disk import WriteError
from utils.errors import UserError

MOST_IN_A_ROW = 10  # steps skipped or rolled back before the training halts
NUM_SHOWN = 8  # indices of images in a message
# Learning rates of an optimiser's group, and of a schedule.
OF_GROUP, OF_SCHEDULE = ("lr", "initial_lr", "max_lr", "min_lr"), ("base_lrs", "max_lrs")


class RolledBack(Exception):
    """Ends an epoch with a NaN or infinite gradient, to roll back to the last checkpoint."""


@dataclass(frozen=True)
class Step:
    """What a message tells of a step: its batch, and its loss and gradient norm on the device."""

    batch: dict
    epoch: int
    number: int
    loss: torch.Tensor
    norm: torch.Tensor


class NonfiniteGuard:
    """Checks the gradients of a training before each step.

    If one is NaN or infinite, the batch is written to the run's folder, and the training halts. The
    policies "skip" and "rollback" skip the step or roll back instead, at most ten times in a row.

    On a GPU it looks at one step in twenty, together with all since the last look, so that the host
    need not wait for each. Steps that were taken can no longer be skipped, so with the policy
    "skip" it looks at each step.
    """

    def __init__(self, policy):
        self.policy, self.in_a_row = policy, 0
        self._buffers = None  # what a step that is skipped must not change
        self._unseen = []  # steps

    def before(self, trainer):
        """Save what a skipped step must not change; call it before the forward pass."""
        if self.policy == "skip":
            self._buffers = [buffer.clone() for buffer in trainer.model.buffers()]

    def passes(self, trainer, batch, epoch, loss):
        """Return whether the step can be taken; raises as ``look``."""
        norm = torch.nn.utils.get_total_norm(
            p.grad for p in trainer.model.parameters() if p.grad is not None
        )
        if trainer.precision.overflows(norm):
            return False
        self._unseen.append(Step(batch, epoch, trainer.step + 1, loss, norm))
        return self.look(trainer) if trainer.reads_this_step or self.policy == "skip" else True

    def look(self, trainer):
        """Return whether the gradients of the steps since the last look are finite.

        Raises ``UserError`` to halt, ``RolledBack`` to roll back.
        """
        steps, self._unseen = self._unseen, []
        norms = torch.stack([step.norm for step in steps]).tolist() if steps else []
        bad = next((step for step, norm in zip(steps, norms) if not math.isfinite(norm)), None)
        if steps and bad is not steps[0]:
            self.in_a_row = 0
        if bad is None:
            return True
        self.in_a_row += 1
        report = _report(trainer, bad)
        if self.policy == "halt" or self.in_a_row > MOST_IN_A_ROW:
            raise UserError(report)
        trainer.run.logger.warning(f"{report}: {self.policy}")
        if self.policy == "rollback":
            raise RolledBack
        for buffer, before in zip(trainer.model.buffers(), self._buffers):
            buffer.copy_(before)
        return False


@contextmanager
def halved_rates(optimizer, scheduler):
    """Set each learning rate to half of the lower of its values before and after the context.

    These are the rates of an optimiser, and those from which its schedule (or None) computes them.
    """
    before = [rates[key] for rates, key in _rates(optimizer, scheduler)]
    yield
    for (rates, key), rate in zip(_rates(optimizer, scheduler), before):
        rates[key] = min(rate, rates[key]) / 2


def _rates(optimizer, scheduler):
    """Return [(dictionary or list, key)] of all learning rates."""
    lists = [vars(scheduler).get(name, []) for name in OF_SCHEDULE] if scheduler else []
    places = [(rates, number) for rates in lists for number in range(len(rates))]
    return places + [
        (group, name) for group in optimizer.param_groups for name in OF_GROUP if name in group
    ]


def _report(trainer, step):
    """Save the batch of a step, and return one line about it."""
    batch, epoch, norm, loss = step.batch, step.epoch, step.norm.item(), step.loss.item()
    kept = _keep(trainer, batch, epoch, step.number)
    layer, largest = largest_activation(trainer, batch, epoch)
    indices = batch["index"].tolist()
    more = f" and {len(indices) - NUM_SHOWN} more" if len(indices) > NUM_SHOWN else ""
    return (
        f"epoch {epoch}, step {step.number}: the gradient is {norm}, the loss {loss:.6g}; "
        f"images {', '.join(map(str, indices[:NUM_SHOWN]))}{more}; "
        f"learning rate {trainer.optimizer.param_groups[0]['lr']:g}; "
        f"largest activation {largest:.3g}, in {layer}; {kept}"
    )


def _keep(trainer, batch, epoch, step):
    """Write a batch to the run's folder; returns words of a message that name the file."""
    path = trainer.run.folder.model_dir / f"nonfinite-epoch{epoch}-step{step}.pt"
    if trainer.world.is_main:
        try:
            save_checkpoint(path, {"epoch": epoch, "step": step, "batch": batch})
        except WriteError as error:
            return f"the batch is not kept: {error}"
    return f"the batch is kept in {path}"


@torch.no_grad()
def largest_activation(trainer, batch, epoch):
    """Return the name of the layer with the largest output on a batch, and that output."""
    found = {}

    def note(name):
        return lambda module, inputs, output: found.update({name: output.abs().max().item()})

    layers = [pair for pair in trainer.model.named_modules() if not list(pair[1].children())]
    hooks = [layer.register_forward_hook(note(name)) for name, layer in layers]
    compiled = trainer.options.compile  # compiled layers do not call hooks
    try:
        with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            trainer.train_step(batch, epoch)
    finally:
        for hook in hooks:
            hook.remove()
    return max(found.items(), key=lambda pair: (pair[1] != pair[1], pair[1]))  # NaN before all
