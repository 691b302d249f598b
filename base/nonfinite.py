"""Handle NaN or infinite gradients: report the batch, then halt, skip the step, or roll back."""

from contextlib import nullcontext

import torch

from utils.checkpoint.save_and_load import save_checkpoint
from utils.disk import WriteError
from utils.errors import UserError

MOST_IN_A_ROW = 10  # steps skipped or rolled back before the training halts
NUM_SHOWN = 8  # indices of images in a message


class NonfiniteGuard:
    """Checks the gradients of a training before each step.

    If one is NaN or infinite, the batch is written to the run's folder, and the training halts. The
    policies "skip" and "rollback" skip the step or roll back instead, at most ten times in a row.
    """

    def __init__(self, policy):
        self.policy, self.in_a_row = policy, 0
        self._buffers = None  # what a step that is skipped must not change

    def before(self, trainer):
        """Save what a skipped step must not change; call it before the forward pass."""
        if self.policy == "skip":
            self._buffers = [buffer.clone() for buffer in trainer.model.buffers()]

    def passes(self, trainer, batch, epoch, loss):
        """Return whether the step can be taken; raises ``UserError`` to halt."""
        norm = torch.nn.utils.get_total_norm(
            p.grad for p in trainer.model.parameters() if p.grad is not None
        )
        if torch.isfinite(norm):
            self.in_a_row = 0
            return True
        self.in_a_row += 1
        report = _report(trainer, batch, epoch, loss, norm)
        if self.policy == "halt" or self.in_a_row > MOST_IN_A_ROW:
            raise UserError(report)
        trainer.run.logger.warning(f"{report}: {self.policy}")
        if self._buffers is not None:
            for buffer, before in zip(trainer.model.buffers(), self._buffers):
                buffer.copy_(before)
        return False


def _report(trainer, batch, epoch, loss, norm):
    """Save a batch, and return one line about it."""
    step = trainer.step + 1
    kept = _keep(trainer, batch, epoch, step)
    layer, largest = largest_activation(trainer, batch, epoch)
    indices = batch["index"].tolist()
    more = f" and {len(indices) - NUM_SHOWN} more" if len(indices) > NUM_SHOWN else ""
    return (
        f"epoch {epoch}, step {step}: the gradient is {norm.item()}, the loss {loss.item():.6g}; "
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
