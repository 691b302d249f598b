"""The gradient of a batch: summed over parts that fit the memory, averaged over all processes."""

from contextlib import nullcontext

import torch
from torch.nn.parallel import DistributedDataParallel

from base.compiling import compile_errors
from utils.shortages import shortages_told

WHEN_MEMORY_RUNS_OUT = (
    "lower batch_size, take the batch in parts (trainer.accumulation = 2), or set "
    "trainer.precision = bfloat16"
)


class BatchGradient:
    """Gives what learns the gradient of whole batches.

    module: what learns; run: the ``Run`` it belongs to; batch_size: of all processes together.
    ``learner`` is the module as training is to call it: compiled where the config says so, its
    gradients averaged over processes.
    """

    def __init__(self, module, run, batch_size):
        self.options, self.world, self.device = run.options, run.world, run.device
        self.share = batch_size / self.world.size  # of a process, on average
        if self.options.compile:
            module = torch.compile(module)
        if self.world.size > 1:
            devices = [self.device] if self.device.type == "cuda" else None
            module = DistributedDataParallel(module, device_ids=devices)
        self.learner = module

    def form(self, batch, mean_loss):
        """Add the gradient of a batch to the parameters', which are zero before; returns its loss.

        mean_loss: of a dictionary of tensors, as the batch is.
        """
        with compile_errors(), shortages_told(WHEN_MEMORY_RUNS_OUT):
            return self._accumulate(batch, mean_loss)

    def _accumulate(self, batch, mean_loss):
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        size = len(batch["index"])
        parts = _split(batch, min(self.options.accumulation, int(self.share) // 2))
        for number, part in enumerate(parts, 1):
            with self._exchanging(number == len(parts)):
                loss, weight = mean_loss(part), len(part["index"])
                # By the average share: gradients are averaged over processes, whose shares may
                # differ by a sample.
                (loss * (weight / self.share)).backward()
            total += loss.detach() * (weight / size)
        return total

    def _exchanging(self, wanted):
        """The context of a part of a batch, in which processes exchange their gradients or not."""
        distributed = isinstance(self.learner, DistributedDataParallel)
        return self.learner.no_sync() if distributed and not wanted else nullcontext()


def _split(batch, count):
    """Split a batch, a dictionary of tensors, into parts of about the same size."""
    chunks = {name: tensor.tensor_split(max(1, count)) for name, tensor in batch.items()}
    return [dict(zip(chunks, tensors)) for tensors in zip(*chunks.values())]
