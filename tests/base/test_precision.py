"""How networks compute: flags and data types within them, exact ones outside, scaled gradients."""

import pytest
import torch
from torch import nn

from base.precision import Precision, fast_precisions, slow_line, tf32
from tests.data_helpers.comparing_runs import assert_same, everything_but_config
from tests.data_helpers.pretend_gpu import PretendGpu
from tests.data_helpers.run_contents import values_in
from utils.checkpoint.save_and_load import read_checkpoint

CPU = torch.device("cpu")
OPTIONS = {"epochs": 1, "tensorboardX": False}


def allowed():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture
def forbidden():
    """TF32 is forbidden at the beginning, and afterwards as it was."""
    parts = torch.backends.cuda.matmul, torch.backends.cudnn
    before = allowed()
    for part in parts:
        part.allow_tf32 = False
    yield
    for part, was in zip(parts, before):
        part.allow_tf32 = was


class Spy(torch.autograd.Function):
    """Notes whether TF32 is allowed when it is called, forward and backward."""

    @staticmethod
    def forward(ctx, tensor, seen):
        ctx.seen = seen
        seen.append(allowed())
        return tensor.clone()

    @staticmethod
    def backward(ctx, grad):
        ctx.seen.append(allowed())
        return grad, None


@pytest.mark.parametrize("name", ["float32", "tfloat32"])
def test_tf32_is_for_the_network_alone(name, forbidden):
    precision, seen = Precision(name, CPU), []
    with precision.network():
        output = Spy.apply(torch.ones(2, requires_grad=True), seen)
    assert allowed() == (False, False)
    precision.backward(output.sum())
    assert seen == [(name == "tfloat32",) * 2] * 2 and allowed() == (False, False)


def test_tf32_is_forbidden_again_after_an_error(forbidden):
    with pytest.raises(ValueError), tf32():
        raise ValueError
    assert allowed() == (False, False)


@pytest.mark.parametrize("name, dtype", [
    ("float32", torch.float32), ("tfloat32", torch.float32), ("bfloat16", torch.bfloat16),
    ("float16", torch.float16)])
def test_networks_compute_in_the_data_type(name, dtype):
    with Precision(name, CPU).network():
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == dtype


@pytest.mark.parametrize("capability, fast", [
    ((6, 1), []), ((7, 5), ["float16"]), ((8, 6), ["tfloat32", "bfloat16", "float16"]),
    ((9, 0), ["tfloat32", "bfloat16", "float16"])])
def test_what_is_fast_on_a_gpu(capability, fast):
    with PretendGpu(capability=capability) as gpu:
        assert fast_precisions(gpu.device) == fast
        for name in ("float32", "tfloat32", "bfloat16", "float16"):
            assert (slow_line(name, gpu.device) is None) == (name == "float32" or name in fast)
    assert "cpu has no TF32" in slow_line("tfloat32", CPU)


def step_once(precision, weight, factor, optimizer):
    precision.backward((weight * factor).sum())
    precision.unscale(optimizer)
    norm = weight.grad.norm()
    if not precision.overflows(norm):
        precision.step(optimizer)
    optimizer.zero_grad()
    return norm.item()


def test_gradients_are_scaled_while_they_are_computed_and_steps_too_large_are_left_out():
    """In float32, the scaler's first factor, 2^16, makes 2^113 infinite, and not 2^111."""
    precision, weight = Precision("float16", CPU), torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=2.0**-111)
    assert step_once(precision, weight, 2.0**111, optimizer) == 2.0**111
    assert weight.item() == -1
    assert step_once(precision, weight, 2.0**113, optimizer) == torch.inf and weight.item() == -1
    assert precision.state_dict()["scale"] == 2.0**15
    precision.load_state_dict({**precision.state_dict(), "scale": 1.0})
    precision.backward((weight * torch.inf).sum())
    precision.unscale(optimizer)
    assert not precision.overflows(weight.grad.norm())  # no factor is to blame


def test_a_scalers_factor_is_kept_in_checkpoints(train, embedding_config):
    config = embedding_config(trainer={**OPTIONS, "epochs": 2, "precision": "float16"})
    small = "--set", "dataset.args.imwidth=16", "--set", "dataset.args.crop=2"
    whole = train(config, *small)
    state = read_checkpoint(whole.checkpoint(1))["grad_scaler"]
    assert state["scale"] == 2.0**16 and state["_growth_tracker"] == 4
    expected = everything_but_config(whole.checkpoint(2))
    whole.checkpoint(2).unlink()
    again = train(config, *small, "--resume", whole.checkpoint(1))
    assert_same(everything_but_config(again.checkpoint(2)), expected)


@pytest.mark.parametrize("name", ["tfloat32", "float16"])
def test_a_training_comes_near_that_in_float32(train, embedding_config, name):
    losses = []
    for precision in ("float32", name):
        config = embedding_config(trainer={**OPTIONS, "precision": precision}, num_workers=0)
        with PretendGpu():
            trained = train(config, "--device", "0", "--mini_train",
                            "--set", "loss_args.implementation=chunked")
        losses += values_in(trained.log, "loss")
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert (losses[1] == losses[0]) == (name == "tfloat32")  # which a CPU does not have


def test_a_dry_run_tells_what_is_fast(call_program, embedding_config):
    config = embedding_config(trainer={**OPTIONS, "precision": "tfloat32"}, num_workers=0,
                              loss_args={"implementation": "chunked"})
    with PretendGpu(capability=(7, 5)):
        done = call_program(
            "train.py", "--config", config, "--device", "0", "--dry_run", "--mini_train")
    assert "precision    tfloat32; faster than float32 here: float16\n" in done.stdout
    assert "trainer.precision: cuda:0 has no TF32, and computes exact float32" in done.stdout
