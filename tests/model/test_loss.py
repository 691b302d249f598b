"""The losses against their formulas, term by term in float64: values and gradients."""

import json
import math
from functools import partial
from itertools import accumulate, product

import pytest
import torch

from model import chunked_loss
from model.loss import dense_correlation_loss, dense_correlation_loss_dve, regression_loss
from model.smallnet import SmallNet
from tests.data_helpers.literal_losses import literal_loss, matrix_loss
from tests.data_helpers.loss_cases import (
    ALIKE,
    random_case,
    relative_error,
    value_and_gradients,
)

PLAIN_AND_DVE = pytest.mark.parametrize(
    "function", [dense_correlation_loss, dense_correlation_loss_dve], ids=["plain", "dve"])
# B, C, h, w, stride, pow, normalize_vectors
CASES = [
    (2, 3, 3, 3, 2, 0.5, False),
    (3, 4, 2, 5, 2, 0.5, True),
    (2, 1, 4, 3, 1, 1, False),
    (4, 2, 3, 4, 3, 2, False),
    (2, 5, 5, 2, 4, 0.7, True),
]


def literal_value_and_gradients(function, *case, **arguments):
    literal = partial(literal_loss, dve=function is dense_correlation_loss_dve)
    return value_and_gradients(literal, *(tensor.double() for tensor in case), **arguments)


@PLAIN_AND_DVE
@pytest.mark.parametrize("B, C, h, w, stride, pow, normalize", CASES)
def test_float64_loss_and_gradient_equal_the_formula(function, B, C, h, w, stride, pow, normalize):
    *descriptors, grid = random_case(B, C, h, w, stride, alike=ALIKE if normalize else 0)
    case = *descriptors, grid.double()
    arguments = {"pow": pow, "normalize_vectors": normalize}
    value, gradient = value_and_gradients(function, *case, **arguments)
    expected, expected_gradient = literal_value_and_gradients(function, *case, **arguments)
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(expected.item(), rel=1e-9)
    assert relative_error(gradient, expected_gradient) < 1e-9


@PLAIN_AND_DVE
@pytest.mark.parametrize("B, C, h, w, stride, pow, normalize", CASES)
def test_the_reference_in_matrices_equals_sums_over_cells(
        function, B, C, h, w, stride, pow, normalize):
    *descriptors, grid = random_case(B, C, h, w, stride, alike=ALIKE if normalize else 0)
    case = *descriptors, grid.double()
    dve = function is dense_correlation_loss_dve
    arguments = {"pow": pow, "normalize_vectors": normalize, "dve": dve}
    value, gradient = value_and_gradients(matrix_loss, *case, **arguments)
    expected, expected_gradient = value_and_gradients(literal_loss, *case, **arguments)
    assert value.item() == pytest.approx(expected.item(), rel=1e-9)
    assert relative_error(gradient, expected_gradient) < 1e-9


@PLAIN_AND_DVE
@pytest.mark.parametrize("B, C, h, w, stride, pow, normalize",
                         [*CASES, (2, 16, 4, 6, 2, 0.5, False), (2, 16, 4, 6, 2, 0.5, True)])
def test_float32_loss_and_gradient_equal_the_formula(function, B, C, h, w, stride, pow, normalize):
    case = random_case(B, C, h, w, stride, torch.float32, ALIKE if normalize else 0)
    arguments = {"pow": pow, "normalize_vectors": normalize}
    value, gradient = value_and_gradients(function, *case, **arguments)
    expected, expected_gradient = literal_value_and_gradients(function, *case, **arguments)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert relative_error(gradient, expected_gradient) < (2e-3 if normalize else 1e-4)


@PLAIN_AND_DVE
@pytest.mark.parametrize("normalize", [True, False])
def test_float32_loss_and_gradient_on_maps_of_a_training(function, normalize):
    case = random_case(2, 64, 35, 30, 2, torch.float32, ALIKE if normalize else 0)
    value, gradient = value_and_gradients(function, *case, normalize_vectors=normalize)
    literal = partial(matrix_loss, dve=function is dense_correlation_loss_dve)
    expected, expected_gradient = value_and_gradients(
        literal, *(tensor.double() for tensor in case), normalize_vectors=normalize)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert relative_error(gradient, expected_gradient) < (2e-3 if normalize else 1e-4)


@PLAIN_AND_DVE
@pytest.mark.parametrize("normalize", [True, False])
def test_bfloat16_autocast_changes_the_loss_by_less_than_a_percent(function, normalize):
    torch.manual_seed(0)
    network = SmallNet(16).train()
    images = torch.nn.functional.interpolate(torch.randn(8, 3, 10, 10), size=(28, 36))
    grid = random_case(4, 1, 14, 18, 2)[2]
    expected = function(*network(images).chunk(2), grid, normalize_vectors=normalize)
    with torch.autocast("cpu", torch.bfloat16):
        descriptors = network(images)
    value = function(*descriptors.chunk(2), grid, normalize_vectors=normalize)
    assert descriptors.dtype == torch.bfloat16
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected.item(), rel=0.01)


@PLAIN_AND_DVE
@pytest.mark.parametrize("normalize", [True, False])
def test_the_loss_stays_in_float32_when_called_under_autocast(function, normalize):
    case = random_case(2, 8, 4, 5, 2, torch.float32)
    expected = value_and_gradients(function, *case, normalize_vectors=normalize)
    with torch.autocast("cpu", torch.bfloat16):
        found = value_and_gradients(function, *case, normalize_vectors=normalize)
    torch.testing.assert_close(found, expected)


@PLAIN_AND_DVE
@pytest.mark.parametrize("pow, normalize", [(0.5, False), (0.5, True), (1, False), (2, True)])
def test_gradcheck(function, pow, normalize):
    case = random_case(2, 3, 2, 3, 2, alike=ALIKE if normalize else 0, requires_grad=True)
    assert torch.autograd.gradcheck(
        partial(function, pow=pow, normalize_vectors=normalize), case)


@pytest.mark.parametrize("which", [0, 1])
def test_gradient_where_only_one_image_wants_it(which):
    case = random_case(2, 3, 3, 4, 2)
    case[which].requires_grad_()
    dense_correlation_loss(*case).backward()
    gradients = value_and_gradients(dense_correlation_loss, *case)[1].chunk(2)
    torch.testing.assert_close(case[which].grad.flatten(), gradients[which])


def test_gradient_is_finite_where_a_distance_is_zero():
    desc1, desc2, _ = random_case(2, 3, 3, 3, 1, requires_grad=True)
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, 3)] * 2, indexing="ij")
    still = torch.stack([x, y], dim=-1).expand(2, -1, -1, -1)
    dense_correlation_loss_dve(desc1, desc2, still).backward()
    assert desc1.grad.isfinite().all() and desc2.grad.isfinite().all()


@PLAIN_AND_DVE
def test_the_value_is_the_same_where_no_gradient_is_wanted(function):
    case = random_case(2, 3, 3, 4, 2, requires_grad=True)
    with torch.no_grad():
        value = function(*case)
    assert not value.requires_grad
    torch.testing.assert_close(value, function(*case).detach())


@PLAIN_AND_DVE
@pytest.mark.parametrize("arguments", [
    {"fold_corr": True}, {"fold_corr": False}, {"pow": 0.5, "normalize_vectors": True}])
def test_fold_corr_and_spelt_out_defaults_do_not_change_the_answer(function, arguments):
    case = random_case(3, 4, 3, 4, 2)
    expected, found = (value_and_gradients(function, *case, **more) for more in ({}, arguments))
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])


@PLAIN_AND_DVE
@pytest.mark.parametrize("samples", [0.01, 1, 2, 3, 100])
def test_the_size_of_chunks_does_not_change_anything(function, samples, monkeypatch):
    case = random_case(5, 4, 3, 4, 2)
    expected = value_and_gradients(function, *case)
    monkeypatch.setattr(chunked_loss, "chunk_limit", lambda device: int(samples * 12**2))
    torch.testing.assert_close(value_and_gradients(function, *case), expected)


@PLAIN_AND_DVE
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_no_matrix_over_all_cell_pairs_is_kept_for_the_backward_pass(function, memory_format):
    desc1, desc2, grid = random_case(2, 8, 12, 14, 2, torch.float32)
    desc1, desc2 = (desc.to(memory_format=memory_format).requires_grad_()
                    for desc in (desc1, desc2))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor):
        function(desc1, desc2, grid)
    assert kept and max(kept) <= desc1.numel() < 2 * (12 * 14) ** 2


def peak_allocation(run, trace):
    """Return the most bytes that a call holds at a time, everything inside operators included."""
    with torch.profiler.profile(profile_memory=True) as profiler:
        run()
    profiler.export_chrome_trace(str(trace))
    events = [e for e in json.loads(trace.read_text())["traceEvents"] if e["name"] == "[memory]"]
    changes = [e["args"]["Bytes"] for e in sorted(events, key=lambda e: e["ts"])]
    return max(accumulate(changes))


@PLAIN_AND_DVE
def test_memory_grows_with_the_number_of_cells_not_with_its_square(
        function, monkeypatch, tmp_path):
    monkeypatch.setattr(chunked_loss, "chunk_limit", lambda device: 1 << 15)
    sizes, peaks = [(20, 20), (20, 40), (40, 40)], []
    for h, w in sizes:
        case = random_case(3, 16, h, w, 1, torch.float32)
        peaks.append(peak_allocation(lambda: value_and_gradients(function, *case),
                                     tmp_path / "trace.json"))
    # Twice the cells: twice the step if memory is linear, four times if it is quadratic.
    assert 0 < peaks[2] - peaks[1] < 2.5 * (peaks[1] - peaks[0])
    assert peaks[2] < 4 * 1600**2  # one matrix of cells times cells


def test_plain_loss_does_not_depend_on_the_order_of_pairs():
    case = random_case(4, 3, 3, 4, 2)
    shuffled = [tensor[[2, 0, 3, 1]] for tensor in case]
    torch.testing.assert_close(dense_correlation_loss(*shuffled), dense_correlation_loss(*case))


def test_dve_loss_depends_on_neighbourhood_in_the_batch_alone():
    case = random_case(4, 3, 3, 4, 2)
    value = dense_correlation_loss_dve(*case)
    rolled = dense_correlation_loss_dve(*(tensor.roll(1, dims=0) for tensor in case))
    torch.testing.assert_close(rolled, value)
    swapped = dense_correlation_loss_dve(*(tensor[[1, 0, 2, 3]] for tensor in case))
    assert abs(swapped - value) > 1e-4


def test_descriptors_that_say_nothing_give_the_mean_distance():
    desc = torch.zeros(2, 3, 3, 5)
    grid = random_case(2, 1, 3, 5, 2)[2]
    expected = []
    for b, i, j in product(range(2), range(3), range(5)):
        x, y = grid[b, 2 * i, 2 * j].tolist()
        expected += [math.dist((2 * l, 2 * k), ((x + 1) / 2 * 9, (y + 1) / 2 * 5))
                     for k, l in product(range(3), range(5))]
    for function in (dense_correlation_loss, dense_correlation_loss_dve):
        found = function(desc, desc, grid, pow=1, normalize_vectors=False)
        assert found.item() == pytest.approx(sum(expected) / len(expected), rel=1e-5)


@PLAIN_AND_DVE
def test_perfect_descriptors_have_no_loss(function):
    """Each cell of every image has a code of its own, and nothing moves."""
    desc = torch.eye(12).view(1, 12, 3, 4).expand(2, -1, -1, -1)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 3), torch.linspace(-1, 1, 4), indexing="ij")
    still = torch.stack([x, y], dim=-1).expand(2, -1, -1, -1)
    assert function(desc, desc, still).item() < 1e-3


@PLAIN_AND_DVE
@pytest.mark.parametrize("features, size", [((3, 4), (6, 9)), ((3, 4), (7, 8)), ((3, 4), (6, 12)),
                                            ((6, 8), (3, 4))])
def test_input_must_be_a_whole_multiple_of_the_features(function, features, size):
    desc = torch.randn(2, 3, *features)
    with pytest.raises(ValueError, match="whole multiple"):
        function(desc, desc, torch.zeros(2, *size, 2))


def test_exchange_needs_two_pairs():
    case = random_case(1, 3, 3, 4, 2)
    with pytest.raises(ValueError, match="at least two pairs"):
        dense_correlation_loss_dve(*case)
    assert dense_correlation_loss(*case).isfinite()


@pytest.mark.parametrize("alpha", [1, 10])
def test_regression_loss_is_smooth_l1_of_scaled_coordinates(alpha):
    predicted, target = torch.rand(2, 3, 5, 2, generator=torch.Generator().manual_seed(0)).double()
    terms = []
    for p, t in zip(predicted.flatten().tolist(), target.flatten().tolist()):
        difference = alpha * abs(p - t)
        terms.append(difference**2 / 2 if difference < 1 else difference - 0.5)
    assert any(term > 0.5 for term in terms) == (alpha == 10)
    found = regression_loss(predicted, target, alpha=alpha)
    assert found.item() == pytest.approx(sum(terms) / len(terms), rel=1e-9)
    assert torch.equal(regression_loss(predicted, target), regression_loss(predicted, target, 1))
