"""Gradient accumulation, distributed data-parallel and compiled networks, errors of a step."""

from contextlib import contextmanager, nullcontext

import torch
from torch.nn.parallel import DistributedDataParallel

from utils.errors import UserError
from utils.shortages import memory_errors

WHEN_MEMORY_RUNS_OUT = (
    "lower batch_size, take the batch in parts (trainer.accumulation = 2), or set "
    "trainer.precision = bfloat16"
)


def prepare_learner(module, options, world):
    """Return a module as training calls it: compiled if ``trainer.compile`` is set, and wrapped in
    ``DistributedDataParallel`` if there are several processes.
    """
    if options.compile:
        module = torch.compile(module)
    if world.size > 1:
        devices = [world.device] if world.device.type == "cuda" else None
        module = DistributedDataParallel(module, device_ids=devices)
    return module


def batch_parts(batch, count):
    """Split a batch, a dictionary of tensors, into ``count`` parts of about the same size."""
    chunks = {name: tensor.tensor_split(max(1, count)) for name, tensor in batch.items()}
    return [dict(zip(chunks, tensors)) for tensors in zip(*chunks.values())]


@contextmanager
def accumulating(learner, is_last):
    """Average gradients over the processes in the backward pass of a batch's last part only."""
    distributed = isinstance(learner, DistributedDataParallel)
    with learner.no_sync() if distributed and not is_last else nullcontext():
        yield


@contextmanager
def step_errors():
    """Raise ``UserError`` if a step runs out of memory, or torch cannot compile the network."""
    try:
        with memory_errors(WHEN_MEMORY_RUNS_OUT):
            yield
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        cause = str(error).partition("\n\n")[0].replace("\n", " ")  # then come hints for developers
        raise UserError(
            f"trainer.compile: torch cannot compile the network here ({cause}); it takes a C++ "
            "compiler such as g++, on a GPU Triton too: without them, leave trainer.compile out"
        ) from error
