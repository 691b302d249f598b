"""The likelihood loss, and every dense loss of descriptors of length 1, against their formulas."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from model import chunked_loss
from model.loss import (
    dense_correlation_loss,
    dense_correlation_loss_dve,
    dense_likelihood_loss,
    dense_likelihood_loss_dve,
)
from tests.data_helpers.literal_losses import literal_likelihood, literal_loss, matrix_loss
from tests.data_helpers.loss_cases import random_case

LIKELIHOODS = (dense_likelihood_loss, dense_likelihood_loss_dve)
EXCHANGING = (dense_correlation_loss_dve, dense_likelihood_loss_dve)
PLAIN_AND_DVE = pytest.mark.parametrize("function", LIKELIHOODS, ids=["plain", "dve"])
SCALE = 7.0
# function, scale: all that test_loss.py does not compare.
KINDS = pytest.mark.parametrize("function, scale", [
    *((function, None) for function in LIKELIHOODS),
    *((function, SCALE) for function in (dense_correlation_loss, *LIKELIHOODS,
                                         dense_correlation_loss_dve))])
# B, C, h, w, stride, sigma or pow
CASES = [(2, 3, 3, 3, 2, 3), (3, 4, 2, 5, 2, 1.5), (2, 1, 4, 3, 1, 0.7), (4, 2, 3, 4, 3, 2)]


def loss_of(function, scale, case, parameter=None):
    """Return callables of leaves, the loss and two references, and the leaves: two maps, and the
    scale if there is one.
    """
    likely = function in LIKELIHOODS
    arguments = {} if parameter is None else {"sigma" if likely else "pow": parameter}
    literal = literal_likelihood if likely else literal_loss

    def ours(desc1, desc2, scale=None, **more):
        return function(desc1, desc2, case[2], scale=scale, **arguments, **more,
                        **({} if likely else {"normalize_vectors": False}))

    def expected(literal, desc1, desc2, scale=None, dve=function in EXCHANGING):
        return literal(desc1, desc2, case[2].double(), dve=dve, scale=scale, **arguments)

    leaves = [F.normalize(desc, dim=1) if scale else desc for desc in case[:2]]
    leaves += [torch.tensor(scale, dtype=case[0].dtype)] if scale else []
    return ours, partial(expected, literal), partial(expected, matrix_loss), leaves


def value_and_gradients(function, leaves):
    leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    value = function(*leaves)
    return value.detach(), torch.autograd.grad(value, leaves)


def assert_near(found, expected, tolerance):
    """Compare values and gradients, each gradient with its norm."""
    assert found[0].item() == pytest.approx(expected[0].item(), rel=tolerance)
    for gradient, right in zip(found[1], expected[1], strict=True):
        assert (gradient - right).norm() <= tolerance * right.norm()


@KINDS
@pytest.mark.parametrize("B, C, h, w, stride, parameter", CASES)
def test_float64_loss_and_gradients_equal_the_formula(
        function, scale, B, C, h, w, stride, parameter):
    *maps, grid = random_case(B, C, h, w, stride)
    ours, literal, matrices, leaves = loss_of(function, scale, (*maps, grid.double()), parameter)
    expected = value_and_gradients(literal, leaves)
    assert expected[1][0].norm() > 1e-3 or C == 1
    for found in (value_and_gradients(ours, leaves), value_and_gradients(matrices, leaves)):
        assert found[0].dtype == torch.float64
        assert found[0].item() == pytest.approx(expected[0].item(), rel=1e-9)
        for gradient, right in zip(found[1], expected[1], strict=True):
            torch.testing.assert_close(gradient, right, rtol=1e-9, atol=1e-12)


@KINDS
def test_float32_on_maps_of_a_training(function, scale):
    case = random_case(2, 64, 35, 30, 2, torch.float32)
    ours, _, matrices, leaves = loss_of(function, scale, case, 3 if function in LIKELIHOODS else 1)
    expected = value_and_gradients(matrices, [leaf.double() for leaf in leaves])
    assert_near(value_and_gradients(ours, leaves), expected, 1e-4)


@KINDS
def test_gradcheck(function, scale):
    ours, _, _, leaves = loss_of(function, scale, random_case(2, 3, 2, 3, 2))
    assert torch.autograd.gradcheck(ours, [leaf.requires_grad_() for leaf in leaves])


@KINDS
@pytest.mark.parametrize("samples", [0.01, 1, 2, 3, 100])
def test_the_size_of_chunks_does_not_change_anything(function, scale, samples, monkeypatch):
    ours, _, _, leaves = loss_of(function, scale, random_case(5, 4, 3, 4, 2))
    expected = value_and_gradients(ours, leaves)
    monkeypatch.setattr(chunked_loss, "chunk_limit", lambda device: int(samples * 12**2))
    torch.testing.assert_close(value_and_gradients(ours, leaves), expected)


@KINDS
def test_the_value_is_the_same_where_no_gradient_is_wanted(function, scale):
    ours, _, _, leaves = loss_of(function, scale, random_case(2, 3, 3, 4, 2))
    expected = value_and_gradients(ours, leaves)[0]
    with torch.no_grad():
        assert torch.equal(ours(*leaves), expected)


@PLAIN_AND_DVE
def test_the_loss_is_bounded_where_every_match_is_far_away(function):
    """A logit of 400 at the wrong place: the likelihood is below the least float32."""
    grid = random_case(2, 1, 4, 4, 2)[2].clamp(-0.9, -0.8)  # all at the first cell
    desc = torch.zeros(2, 16, 4, 4)
    desc[:, 0] = 20
    far = -desc
    far[:, 0, 3, 3] = 20
    leaves = [desc, far]
    value, gradients = value_and_gradients(
        lambda a, b: function(a, b, grid, sigma=0.5, outlier=1e-6), leaves)
    assert value.item() == pytest.approx(-math.log(1e-6), rel=1e-5)
    assert all(torch.equal(gradient, torch.zeros(2, 16, 4, 4)) for gradient in gradients)


@PLAIN_AND_DVE
def test_cells_that_leave_the_frame_have_no_influence(function):
    desc1, desc2, grid = random_case(3, 4, 3, 4, 2)
    outside = (grid[:, ::2, ::2].abs() > 1).any(dim=-1)
    assert 0 < outside.sum() < outside.numel()
    moved = grid.clone()
    moved[:, ::2, ::2][outside] *= 1.5
    assert torch.equal(function(desc1, desc2, moved), function(desc1, desc2, grid))


@PLAIN_AND_DVE
def test_a_pair_without_a_cell_in_the_frame_counts_as_zero(function):
    desc1, desc2, grid = random_case(2, 4, 3, 4, 2)
    grid = grid.double()
    grid[1] = 1.1
    value, (grad1, grad2) = value_and_gradients(
        lambda a, b: function(a, b, grid), [desc1, desc2])
    alone = matrix_loss(desc1, desc2, grid, sigma=4.5,
                        dve=function is dense_likelihood_loss_dve)
    assert value.item() == pytest.approx(alone.item(), rel=1e-9)
    assert not grad2[1].any() and grad1.isfinite().all()


@PLAIN_AND_DVE
def test_descriptors_that_say_nothing_are_told_to_look_near(function):
    """With p uniform, the likelihood is the mean of the Gaussian over all cells."""
    desc, grid = torch.zeros(2, 3, 3, 5), torch.zeros(2, 6, 10, 2)
    near = [math.exp(-((2 * x - 4.5) ** 2 + (2 * y - 2.5) ** 2) / (2 * 4**2))
            for x in range(5) for y in range(3)]
    expected = -math.log(3 + sum(near) / 15)
    assert function(desc, desc, grid, sigma=4).item() == pytest.approx(expected, rel=1e-5)


def test_the_exchange_needs_two_pairs_or_an_auxiliary_image():
    desc1, desc2, grid = random_case(1, 3, 3, 4, 2)
    with pytest.raises(ValueError, match="at least two pairs"):
        dense_likelihood_loss_dve(desc1, desc2, grid)
    assert dense_likelihood_loss_dve(desc1, desc2, grid, desc_aux=[desc2]).isfinite()


@pytest.mark.parametrize("function", EXCHANGING)
@pytest.mark.parametrize("num_auxiliary, scale", [(2, None), (3, SCALE)])
def test_auxiliary_images_take_turns_from_cell_to_cell(function, num_auxiliary, scale, monkeypatch):
    *maps, grid = random_case(4, 3, 3, 3, 2)
    ours, literal, _, leaves = loss_of(function, scale, (*maps, grid.double()))
    ours = partial(ours, num_auxiliary=num_auxiliary)
    expected = value_and_gradients(partial(literal, dve=num_auxiliary), leaves)
    torch.testing.assert_close(value_and_gradients(ours, leaves), expected, rtol=1e-9, atol=1e-12)
    monkeypatch.setattr(chunked_loss, "chunk_limit", lambda device: 20)  # two cells at a time
    torch.testing.assert_close(value_and_gradients(ours, leaves), expected, rtol=1e-9, atol=1e-12)


@PLAIN_AND_DVE
@pytest.mark.parametrize("every", [2, 5])
def test_some_of_the_cells_are_matched(function, every):
    *maps, grid = random_case(3, 3, 3, 4, 2)
    ours, _, _, leaves = loss_of(function, SCALE, (*maps, grid.double()))
    dve = 2 if function is dense_likelihood_loss_dve else 0
    more = {"num_auxiliary": 2} if dve else {}
    found = value_and_gradients(partial(ours, every=every, **more), leaves)
    expected = value_and_gradients(
        lambda *leaves: literal_likelihood(*leaves[:2], grid.double(), 4.5, dve, leaves[2], every),
        leaves)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_a_small_batch_has_fewer_auxiliary_images():
    case = random_case(3, 3, 3, 4, 2)
    most, all_others = (dense_likelihood_loss_dve(*case, num_auxiliary=n) for n in (9, 2))
    assert torch.equal(most, all_others)


def test_auxiliary_images_of_other_processes_are_given_as_a_list():
    desc1, desc2, grid = random_case(4, 3, 3, 4, 2)
    given = dense_likelihood_loss_dve(
        desc1, desc2, grid, desc_aux=[desc1.roll(-n, dims=0) for n in (1, 2)])
    assert torch.equal(given, dense_likelihood_loss_dve(desc1, desc2, grid, num_auxiliary=2))
