"""What a device can do, and what a training says of what it cannot."""

import ctypes
import os
import resource
import subprocess
import sys
from unittest.mock import Mock

import pytest
import torch

from tests.data_helpers.pretend_gpu import PretendGpu
from utils import device as devices
from utils.allocator import SETTINGS
from utils.device import computes_bfloat16, select_device
from utils.errors import UserError

FAULTS_OF_LARGE_TENSORS = """
import resource
import torch
from utils.device import select_device

if {selected}:
    select_device("cpu")
for step in range(30):
    if step == 20:  # whatever is to be kept is there by now
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(1 << 24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_whether_a_cpu_computes_bfloat16_is_reported():
    assert computes_bfloat16(torch.device("cpu")) in (False, True)


@pytest.mark.parametrize("computed", [False, True])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_says_that_bfloat16_is_emulated(
        train, embedding_config, monkeypatch, computed, precision):
    monkeypatch.setattr("base.precision.computes_bfloat16", lambda device: computed)
    trained = train(embedding_config(trainer={"epochs": 1, "tensorboardX": False,
                                              "precision": precision}), "--mini_train")
    told = "trainer.precision: cpu only emulates bfloat16" in trained.finished.stdout
    assert told == (precision == "bfloat16" and not computed)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_a_program_on_the_cpu_does_not_fetch_the_memory_of_large_tensors_anew():
    kept, as_it_comes = (
        faults_of(FAULTS_OF_LARGE_TENSORS.format(selected=selected)) for selected in (True, False))
    pages_of_a_tensor = (1 << 26) // resource.getpagesize()
    assert kept < pages_of_a_tensor < as_it_comes


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_the_environment_has_the_last_word_on_memory():
    program = FAULTS_OF_LARGE_TENSORS.format(selected=True)
    faults = faults_of(program, MALLOC_MMAP_MAX_="65536", MALLOC_TRIM_THRESHOLD_="131072")
    assert faults > (1 << 26) // resource.getpagesize()


def faults_of(program, **settings):
    """Return the number that a program prints, run with settings of glibc in its environment."""
    environment = {k: v for k, v in os.environ.items() if k not in SETTINGS} | settings
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True)
    return int(done.stdout)


@pytest.mark.parametrize("name", ["mps", "xpu"])
def test_other_kinds_of_gpu_are_taken_where_torch_has_them(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(devices, "OTHER_GPUS", {"mps": lambda: False, "xpu": lambda: False})
    with pytest.raises(UserError) as error:
        select_device(name)
    assert str(error.value) == f"--device {name}: torch finds no such device, only cpu, 0, 1"
    with PretendGpu(name):
        assert select_device(name) == torch.device(name)


@pytest.mark.parametrize("said", [
    "CUDA error: no kernel image is available for execution on the device\nmore",
    "The NVIDIA driver on your system is too old (found version 12020). Please"])
def test_a_gpu_that_torch_cannot_compute_on_is_named_in_one_line(monkeypatch, said):
    """As with an old driver, or with a card that torch has no kernels for."""
    with PretendGpu():
        assert select_device("0") == torch.device("cuda:0")
        monkeypatch.setattr(torch, "ones", Mock(side_effect=RuntimeError(said)))
        with pytest.raises(UserError) as error:
            select_device("0")
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"--device 0: torch {torch.__version__} cannot compute on it ("
                           + said.splitlines()[0])
    if torch.version.cuda is not None:
        assert "compute capabilities " in line and f"CUDA {torch.version.cuda}" in line
