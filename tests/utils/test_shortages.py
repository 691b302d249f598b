"""Memory that runs out, and worker processes that are killed: one line that says what helps."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from data_loader.landmark_folder import LandmarkFolder
from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT
from utils.errors import UserError
from utils.shortages import memory_errors

WITH_LITTLE_MEMORY = """
import resource, sys
import train, trainer.training, trainer.dry_run  # what main imports late
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (1 << 30),) * 2)
sys.exit(train.run_program(train.main))
"""


def test_a_training_that_is_too_large_for_the_machine(embedding_config):
    arguments = ["--config", embedding_config(), "--set", "dataset.args.imwidth=500"]
    done = subprocess.run(
        [sys.executable, "-c", WITH_LITTLE_MEMORY, *map(str, arguments)], cwd=ROOT,
        env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("error: out of memory: ")


@pytest.mark.parametrize("error", [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: 9"),
    RuntimeError("unable to open shared memory object </torch_1> in read-write mode: Cannot "
                 "allocate memory (12)"),
    RuntimeError("unable to mmap 9 bytes from file </torch_1>: Cannot allocate memory (12)"),
    MemoryError(),
])
def test_a_step_says_which_keys_help(train, embedding_config, monkeypatch, error):
    def too_much(trainer, batch, epoch):
        raise error

    monkeypatch.setattr("trainer.embedding_trainer.EmbeddingTrainer.train_step", too_much)
    failed = train(embedding_config(), code=2)
    assert failed.finished.stderr.startswith("error: out of memory: lower batch_size")
    assert "trainer.accumulation" in failed.finished.stderr


def test_arrays_of_numpy_s_are_told():
    with pytest.raises(UserError, match="^out of memory: free some"), memory_errors():
        np.empty(1 << 60, np.uint8)


def test_a_killed_worker_is_told(train, embedding_config, monkeypatch):
    def killed(dataset, index):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(LandmarkFolder, "__getitem__", killed)
    failed = train(embedding_config(num_workers=1), code=2)
    assert "DataLoader worker (pid" in failed.finished.stderr
    assert "num_workers" in failed.finished.stderr


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="^shapes"), memory_errors():
        raise RuntimeError("shapes do not fit")


# /dev/shm, where worker processes put their batches

WITH_A_SMALL_SHM = """
mount -t tmpfs -o size=4k tmpfs /dev/shm 2> /dev/null || exit 77
exec "$@"
"""


@pytest.mark.parametrize("change", ["num_workers=2", "cache=memory"])
def test_a_small_dev_shm_is_named_with_the_keys_that_help(embedding_config, change):
    private = ["unshare", "--mount", "bash", "-c", WITH_A_SMALL_SHM, "bash"]
    if subprocess.run([*private, "true"], capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    done = subprocess.run(
        [*private, sys.executable, "train.py", "--mini_train", "--config", embedding_config(),
         "--set", change], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith(
        "error: /dev/shm, the memory that processes share, is too small: ")
    assert "num_workers" in done.stderr and "cache = 'memory'" in done.stderr


@pytest.mark.parametrize("error", [
    RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on "
                 "device (28)"),
    RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No such file or "
                 "directory (2)"),  # of torch 2.10, which loses the reason
    RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that "
                 "dataloader's workers are out of shared memory. Please try to raise your shared "
                 "memory limit."),
])
def test_dev_shm_is_told_from_other_memory(error):
    with pytest.raises(UserError, match="^/dev/shm, .*num_workers"), memory_errors():
        raise error
