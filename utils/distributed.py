"""Distributed training in several processes, one for each GPU, with ``torch.distributed``."""

import logging
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from utils.cores import usable_cores
from utils.device import require_gpu, select_device
from utils.errors import UserError
from utils.stopping import Stopped

# How long processes wait for each other: the main one evaluates while the others are done.
PATIENCE = timedelta(hours=6)


@dataclass(frozen=True)
class World:
    """The processes of a training, the rank of this one, and its device.

    A training in one process is a world of one.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def is_main(self):
        """Whether this process writes files and logs."""
        return self.rank == 0

    def share(self, items):
        """Return this process's contiguous part of a list, about as long as the others'."""
        begin, end = (len(items) * rank // self.size for rank in (self.rank, self.rank + 1))
        return items[begin:end]

    def total(self, tensor):
        """Return the sum of a tensor over all processes."""
        if self.size > 1:
            tensor = tensor.clone()
            dist.all_reduce(tensor)
        return tensor

    def agreed(self, value):
        """Return the main process's value, a picklable object, in all processes."""
        held = [value]
        if self.size > 1:
            dist.broadcast_object_list(held)
        return held[0]

    def from_main(self, function):
        """Call a function in the main process and return its result in all processes.

        Its ``UserError`` is raised in all of them too.
        """
        outcome = None
        if self.is_main:
            try:
                outcome = function()
            except UserError as error:
                if self.size == 1:
                    raise
                outcome = error
        outcome = self.agreed(outcome)
        if isinstance(outcome, UserError):
            raise outcome
        return outcome

    def everyones(self, value):
        """Return the values of all processes, picklable objects, a list in order of rank."""
        held = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(held, value)
        return held

    def next_samples(self, tensor):
        """Return, for each sample of this process's part of a batch, the next one of the whole
        batch, and for the last the first; the gradient flows back to where it is from.
        """
        if self.size == 1:
            return tensor.roll(-1, dims=0)
        return torch.cat([tensor[1:], _FromNextProcess.apply(tensor[:1], self)])


class _FromNextProcess(torch.autograd.Function):
    """Gives each process the tensor of the next one; all have the same shape.

    The all_gather of ``torch.distributed.nn.functional`` is deprecated in favour of a private one.
    """

    @staticmethod
    def forward(ctx, tensor, world):
        ctx.world = world
        return _gathered(tensor, world)[(world.rank + 1) % world.size]

    @staticmethod
    def backward(ctx, grad):
        return _gathered(grad, ctx.world)[ctx.world.rank - 1], None


def _gathered(tensor, world):
    tensor = tensor.contiguous()
    parts = [torch.empty_like(tensor) for _ in range(world.size)]
    dist.all_gather(parts, tensor)
    return parts


def parse_devices(text):
    """Return the names in ``--device``: numbers of different GPUs, "cpu" once or several times,
    or "mps" or "xpu" alone; [None] if it is not given.
    """
    names = text.split(",") if text else [None]
    gpus = [name for name in names if name not in (None, "cpu")]
    if len(set(gpus)) < len(gpus) or len(gpus) not in (0, len(names)) or (
        len(gpus) > 1 and not all(map(str.isdigit, gpus))
    ):
        raise UserError(f"--device {text}: expected numbers of different GPUs, such as 0,1")
    for name in gpus:
        require_gpu(name)
    return names


def is_started():
    """Return whether torchrun, or ``launch``, started this process."""
    return "LOCAL_RANK" in os.environ


def was_restarted():
    """Return whether torchrun has restarted the processes after one of them failed."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0


@contextmanager
def joined(device_names):
    """Join the process group, if torchrun or ``launch`` started one; yields the ``World``.

    device_names: from ``parse_devices``. [None] is the CPU; under torchrun, the GPU of this
    process's local rank, if there are GPUs.
    """
    if not is_started():
        (name,) = device_names
        yield World(device=select_device(name))
        return
    local_rank = int(os.environ["LOCAL_RANK"])
    if device_names == [None]:
        device_names = list(map(str, range(torch.cuda.device_count()))) or [None] * (local_rank + 1)
    if local_rank >= len(device_names):
        raise UserError(
            f"--device {','.join(device_names)}: torchrun started process {local_rank + 1} here, "
            "expected a GPU for each"
        )
    device = select_device(device_names[local_rank])
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield World(dist.get_rank(), dist.get_world_size(), device)
        dist.barrier()
    except Stopped:
        dist.destroy_process_group()  # all processes stop, after the same step
        raise
    # Not after another error: it would wait for processes that wait for this one.
    dist.destroy_process_group()


def launch(num_processes):
    """Run this program again in several processes; returns 0, or the first failure's exit code."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // num_processes)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=num_processes,
        run_id=str(os.getpid()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-u", *sys.orig_argv[1:])
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        return failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
    except SignalException as ended:
        return 128 + ended.sigval
    return 0
