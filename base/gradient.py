"""Batches in parts that fit the memory, processes that share them, and compiled networks."""

from contextlib import contextmanager, nullcontext

import torch
from torch.nn.parallel import DistributedDataParallel

from utils.errors import UserError
from utils.shortages import shortages_told

WHEN_MEMORY_RUNS_OUT = (
    "lower batch_size, take the batch in parts (trainer.accumulation = 2), or set "
    "trainer.precision = bfloat16"
)


def prepare_learner(module, options, world):
    """Return a module as training calls it: compiled if ``trainer.compile`` says so, and with
    gradients that are averaged over the processes of a world.
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
    """While entered, a backward pass adds to the gradients of this process alone, unless the part
    is the batch's last: then the processes average theirs.
    """
    distributed = isinstance(learner, DistributedDataParallel)
    with learner.no_sync() if distributed and not is_last else nullcontext():
        yield


@contextmanager
def step_errors():
    """Turn two failures of a step into one line each: a lack of memory, and a network that torch
    cannot compile here.
    """
    try:
        with shortages_told(WHEN_MEMORY_RUNS_OUT):
            yield
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        cause = str(error).partition("\n\n")[0].replace("\n", " ")  # then come hints for developers
        raise UserError(
            f"trainer.compile: torch cannot compile the network here ({cause}); it takes a C++ "
            "compiler such as g++, on a GPU Triton too: without them, leave trainer.compile out"
        ) from error
