"""Tests of the fused loss, which ``test_fused_loss.py`` runs in a process of its own: on a GPU, or
on the CPU under Triton's interpreter.
"""

from functools import partial

import pytest
import torch

from model import fused_loss
from model.fused_loss import FusedLoss, why_it_fails, why_not_fused
from model.loss import (
    dense_correlation_loss,
    dense_correlation_loss_dve,
    dense_likelihood_loss,
    dense_likelihood_loss_dve,
)
from model.objectives import Cells, ExpectedDistance, NegativeLogLikelihood
from tests.data_helpers.literal_losses import literal_loss, matrix_loss
from tests.data_helpers.loss_cases import (
    ALIKE,
    random_case,
    relative_error,
    value_and_gradients,
)

CELLS = Cells(3, 4, 1)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PLAIN_AND_DVE = pytest.mark.parametrize("dve", [False, True], ids=["plain", "dve"])
FUSED = {False: partial(dense_correlation_loss, implementation="fused"),
         True: partial(dense_correlation_loss_dve, implementation="fused")}


def on_device(case):
    return [tensor.to(DEVICE) for tensor in case]


def assert_equals_the_formula(literal, case, dve, normalize, **arguments):
    """Compare in float32 with the formula in float64."""
    arguments["normalize_vectors"] = normalize
    value, gradient = value_and_gradients(FUSED[dve], *on_device(case), **arguments)
    expected, expected_gradient = value_and_gradients(
        partial(literal, dve=dve), *(tensor.double() for tensor in case), **arguments)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert relative_error(gradient.cpu(), expected_gradient) < (2e-3 if normalize else 1e-4)


@PLAIN_AND_DVE
@pytest.mark.parametrize("B, C, h, w, stride, pow, normalize", [
    (2, 3, 3, 3, 2, 0.5, False), (3, 4, 2, 5, 2, 0.5, True), (2, 1, 4, 3, 1, 1, False),
    (2, 2, 3, 4, 3, 2, False), (2, 5, 5, 2, 4, 0.7, True)])
def test_small_maps(dve, B, C, h, w, stride, pow, normalize):
    case = random_case(B, C, h, w, stride, torch.float32, ALIKE if normalize else 0)
    assert_equals_the_formula(literal_loss, case, dve, normalize, pow=pow)


@PLAIN_AND_DVE
@pytest.mark.parametrize("C, h, w, normalize", [
    (3, 9, 15, False), (16, 8, 8, True), (16, 8, 16, False), (64, 9, 15, False), (64, 9, 15, True),
    (100, 5, 13, False)])
def test_maps_of_several_blocks(dve, C, h, w, normalize):
    case = random_case(2, C, h, w, 2, torch.float32, ALIKE if normalize else 0)
    assert_equals_the_formula(matrix_loss, case, dve, normalize)


@PLAIN_AND_DVE
@pytest.mark.parametrize("C, h, w, scale, sigma", [
    (3, 2, 3, None, 3), (16, 8, 16, None, 1.5), (64, 9, 15, None, 3), (64, 9, 15, 12.0, 3)])
def test_likelihood(dve, C, h, w, scale, sigma):
    loss = dense_likelihood_loss_dve if dve else dense_likelihood_loss
    *maps, grid = random_case(2, C, h, w, 2, torch.float32)
    if scale is not None:
        maps = [torch.nn.functional.normalize(desc, dim=1) for desc in maps]
        scale = torch.tensor(scale)

    def fused(*leaves, **arguments):
        return loss(*leaves, implementation="fused", **arguments)

    arguments = {"sigma": sigma, "scale": None if scale is None else scale.to(DEVICE)}
    value, gradient = value_and_gradients(fused, *on_device((*maps, grid)), **arguments)
    expected, expected_gradient = value_and_gradients(
        partial(matrix_loss, dve=dve), *(tensor.double() for tensor in (*maps, grid)),
        sigma=sigma, scale=scale)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert relative_error(gradient.cpu(), expected_gradient) < 1e-4


def test_several_auxiliary_images_and_some_of_the_cells():
    case = on_device(random_case(3, 8, 9, 15, 2, torch.float32))
    found, expected = (
        value_and_gradients(dense_likelihood_loss_dve, *case, num_auxiliary=2, every=2,
                            implementation=name)
        for name in ("fused", "chunked"))
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=0)
    assert relative_error(found[1], expected[1]) < 1e-4


@pytest.mark.gpu
@PLAIN_AND_DVE
@pytest.mark.skipif(DEVICE.type == "cpu", reason="too slow under the interpreter")
def test_maps_of_a_training(dve):
    case = random_case(4, 64, 35, 35, 2, torch.float32)
    assert_equals_the_formula(matrix_loss, case, dve, normalize=False)


@PLAIN_AND_DVE
def test_results_repeat_to_the_bit(dve):
    case = on_device(random_case(2, 16, 9, 8, 2, torch.float32))
    torch.use_deterministic_algorithms(DEVICE.type == "cuda")  # torch's attention asks for it
    try:
        first, second = (value_and_gradients(FUSED[dve], *case) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])


@PLAIN_AND_DVE
def test_float32_under_autocast(dve):
    case = on_device(random_case(2, 8, 4, 5, 2, torch.float32))
    expected = value_and_gradients(FUSED[dve], *case)
    with torch.autocast(DEVICE.type, torch.bfloat16):
        found = value_and_gradients(FUSED[dve], *case)
    torch.testing.assert_close(found, expected)


@PLAIN_AND_DVE
def test_half_precision_and_any_memory_layout_are_taken(dve):
    *maps, grid = on_device(random_case(2, 8, 4, 5, 2, torch.float32))
    half = [desc.bfloat16().contiguous(memory_format=torch.channels_last) for desc in maps]
    expected = FUSED[dve](*(desc.float() for desc in half), grid)
    torch.testing.assert_close(FUSED[dve](*half, grid), expected)


def test_nothing_of_cells_times_cells_is_kept_for_the_backward_pass():
    *maps, grid = on_device(random_case(2, 8, 12, 14, 2, torch.float32))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor):
        FUSED[True](*(desc.requires_grad_() for desc in maps), grid)
    assert 0 < max(kept) <= maps[0].numel() < (12 * 14) ** 2


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("objective", [
    ExpectedDistance(0.5), NegativeLogLikelihood(2, 0.01)])
def test_gradient_where_only_one_image_wants_it(which, objective):
    a, b = torch.randn(2, 1, 12, 4, device=DEVICE).unbind()
    rest = torch.rand(1, 12, 2, device=DEVICE), torch.rand(1, 12, device=DEVICE)
    both = [points.clone().requires_grad_() for points in (a, b)]
    expected = torch.autograd.grad(FusedLoss.apply(objective, CELLS, *both, *rest), both)[which]
    one = [points.requires_grad_(n == which) for n, points in enumerate((a, b))]
    FusedLoss.apply(objective, CELLS, *one, *rest).backward()
    assert torch.equal(one[which].grad, expected) and one[1 - which].grad is None


def test_what_it_cannot_take_is_reported():
    assert why_not_fused(DEVICE) is None
    case = on_device(random_case(2, 3, 3, 4, 2))
    with pytest.raises(ValueError, match="'fused' cannot be had here: .* float32, .* float64"):
        FUSED[True](*case)
    case = on_device(random_case(2, 129, 3, 4, 2, torch.float32))
    with pytest.raises(ValueError, match="at most 128 channels, these descriptors have 129"):
        FUSED[True](*case)


@pytest.mark.parametrize("objective", [
    ExpectedDistance(0.5), NegativeLogLikelihood(3, 0.01)])
def test_a_trial_goes_well_though_inference_asks_for_it(objective):
    with torch.inference_mode():
        assert why_it_fails(DEVICE, 5, objective) is None


def test_gradients_are_computed_in_chunks_where_their_kernels_fail(monkeypatch):
    case = on_device(random_case(2, 8, 4, 5, 2, torch.float32))
    expected = value_and_gradients(FUSED[True], *case)
    start = fused_loss._start

    def fail(kernel, *arguments):
        if kernel.fn.__name__ == "backward_b":
            raise RuntimeError("out of resources")
        start(kernel, *arguments)

    monkeypatch.setattr(fused_loss, "_start", fail)
    monkeypatch.setattr(fused_loss, "FAILED_AT_WORK", {})
    with pytest.warns(UserWarning, match="from now on: RuntimeError: out of resources"):
        found = value_and_gradients(FUSED[True], *case)
    torch.testing.assert_close(found, expected)
    assert why_not_fused(DEVICE) == "RuntimeError: out of resources"
