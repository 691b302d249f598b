"""Functions run in several processes at once, as torchrun would start them."""

import multiprocessing
import os
import pickle
import socket
import traceback

import torch

from utils.distributed import joined


def _work(rank, count, port, function, arguments, outcomes):
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(count), LOCAL_WORLD_SIZE=str(count),
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), CUDA_VISIBLE_DEVICES="",
    )
    torch.set_num_threads(1)
    try:
        with joined([None]) as world:
            outcome = function(world, *arguments)
    except Exception:
        outcome = traceback.format_exc()
    outcomes.put((rank, pickle.dumps(outcome)))  # tensors by value: this process ends


def in_processes(count, function, *arguments):
    """Return what ``function(world, *arguments)`` returns in each of ``count`` processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["trainer.training"])  # once, since importing torch takes long
    outcomes = context.Queue()
    processes = [
        context.Process(target=_work, args=(rank, count, port, function, arguments, outcomes))
        for rank in range(count)
    ]
    for process in processes:
        process.start()
    found = dict(outcomes.get(timeout=120) for _ in processes)
    for process in processes:
        process.join(30)
    return [pickle.loads(found[rank]) for rank in range(count)]
