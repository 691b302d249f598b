"""The fused loss: its kernels in a process of their own, and the choice among implementations."""

import os
import subprocess
import sys
from importlib.util import find_spec
from unittest.mock import Mock

import pytest
import torch

from model import fused_loss
from model import loss as losses
from model.chunked_loss import chunked_loss
from model.loss import dense_correlation_loss, dense_correlation_loss_dve
from model.objectives import ExpectedDistance
from tests.data_helpers.loss_cases import random_case
from tests.data_helpers.tiny_runs import ROOT

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def run_cases(**environment):
    """Run the tests of the kernels; Triton chooses its interpreter when it is imported."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         "tests/data_helpers/fused_loss_cases.py"],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_the_kernels_under_the_interpreter():
    run_cases(TRITON_INTERPRET="1", CUDA_VISIBLE_DEVICES="", OMP_NUM_THREADS="1")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_kernels_on_a_gpu():
    run_cases()


# The choice

@pytest.mark.parametrize("function", [dense_correlation_loss, dense_correlation_loss_dve])
def test_chunks_are_what_a_cpu_gets(function):
    case = random_case(2, 3, 3, 4, 2, torch.float32)
    assert torch.equal(function(*case), function(*case, implementation="chunked"))
    with pytest.raises(ValueError, match="'fused' cannot be had here: it takes a GPU"):
        function(*case, implementation="fused")


def test_an_unknown_implementation_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="'fast', expected one of auto, chunked, fused"):
        losses.check_implementation("fast", CPU)


def test_without_triton(monkeypatch):
    monkeypatch.setattr(fused_loss, "find_spec", lambda name: None)
    assert fused_loss.why_not_fused(GPU) == "the package triton is not installed"


TRIED = ExpectedDistance(0.5)


@pytest.mark.parametrize("text, reason", [
    ("first line\nFailed to find C compiler", "RuntimeError: Failed to find C compiler"),
    ("", "RuntimeError: RuntimeError")])
def test_what_kernels_run_into_is_reported(monkeypatch, text, reason):
    monkeypatch.setattr(fused_loss, "fused_loss", Mock(side_effect=RuntimeError(text)))
    fused_loss.why_it_fails.cache_clear()
    assert fused_loss.why_it_fails(CPU, 7, TRIED) == reason


@pytest.mark.parametrize("number, name", list(enumerate(
    ["value", "gradient of a", "gradient of b", "gradient of c"])))
@pytest.mark.parametrize("wrong, error", [(0.0, "1"), (1.01, "0.01"), (float("nan"), "nan")])
def test_kernels_that_store_wrong_numbers_are_not_used(monkeypatch, number, name, wrong, error):
    real = fused_loss._value_and_gradients

    def faulty(loss, *arguments):
        found = list(real(chunked_loss, *arguments))
        found[number] = found[number] * (1 if loss is chunked_loss else wrong)
        return found

    monkeypatch.setattr(fused_loss, "_value_and_gradients", faulty)
    fused_loss.why_it_fails.cache_clear()
    assert fused_loss.why_it_fails(CPU, 5, TRIED) == (
        f"its numbers are wrong here: the {name} is off by {error}")


def test_kernels_that_fail_at_work_are_given_up_once(monkeypatch):
    monkeypatch.setattr(fused_loss, "FAILED_AT_WORK", {})
    monkeypatch.setattr(fused_loss, "fused_loss", Mock(side_effect=RuntimeError("too many blocks")))
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    maps, warped = torch.randn(2, 2, 9 * 15, 3), 20 * torch.rand(2, 9 * 15, 2)
    case = TRIED, fused_loss.TRIAL_CELLS, *maps, None, None, warped, torch.ones(2, 9 * 15)
    with pytest.warns(UserWarning, match="in chunks from now on: RuntimeError: too many blocks"):
        found = fused_loss.fused_or_chunked_loss(*case)
    assert torch.equal(found, chunked_loss(*case))
    if find_spec("triton") is not None:
        assert fused_loss.why_not_fused(CPU) == "RuntimeError: too many blocks"


def test_memory_that_runs_out_is_no_fault_of_the_kernels(monkeypatch):
    monkeypatch.setattr(fused_loss, "FAILED_AT_WORK", {})
    full = Mock(side_effect=torch.OutOfMemoryError("full"))
    monkeypatch.setattr(fused_loss, "fused_loss", full)
    with pytest.raises(torch.OutOfMemoryError):
        fused_loss.fused_or_chunked_loss(TRIED, fused_loss.TRIAL_CELLS, torch.ones(1, 135, 3))
    assert not fused_loss.FAILED_AT_WORK


class OnGpu:
    """What looks like descriptors on a GPU."""

    is_cuda, device, dtype, shape = True, GPU, torch.float32, (2, 12, 3)


@pytest.mark.parametrize("name, reason, chosen", [
    ("auto", None, "fused_or_chunked"), ("auto", "old GPU", "chunked"),
    ("chunked", None, "chunked"), ("fused", None, "fused")])
def test_on_a_gpu_the_choice_is_fused_where_it_can_be_had(
        monkeypatch, recwarn, name, reason, chosen):
    monkeypatch.setattr(losses, "why_not_fused", lambda *kind: reason)
    found = losses._choose(name, OnGpu(), TRIED)
    assert found is getattr(losses, f"{chosen}_loss")
    assert [str(w.message) for w in recwarn] == [
        f"the loss is computed in chunks, 'fused' cannot be had: {r}" for r in [reason] if r]
