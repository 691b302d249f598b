"""The errors of landmarks, landmark by landmark, and their means."""

import math

import pytest
import torch

from base.running_mean import RunningMean
from model.metric import inter_ocular_error, landmark_pixel_error


@pytest.mark.parametrize("eyes", [(0, 1), (36, 45)])
def test_inter_ocular_error_equals_the_sum_over_landmarks(eyes):
    generator = torch.Generator().manual_seed(0)
    predicted, target = torch.rand(2, 3, 68, 2, generator=generator, dtype=torch.float64)
    found = inter_ocular_error(predicted, target, eyes)
    assert found.shape == (3,)
    for p, t, error in zip(predicted.tolist(), target.tolist(), found.tolist()):
        distances = [math.dist(a, b) for a, b in zip(p, t)]
        between = math.dist(t[eyes[0]], t[eyes[1]])
        assert error == pytest.approx(100 * sum(distances) / 68 / between)


def test_known_inter_ocular_error():
    target = torch.tensor([[[0.0, 0.0], [0.0, 4.0], [1.0, 1.0]]])
    predicted = target + torch.tensor([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]])
    error = inter_ocular_error(predicted, target, (0, 1))
    torch.testing.assert_close(error, torch.tensor([100 * 5 / 3 / 4]))
    assert inter_ocular_error(target, target, (0, 1)).item() == 0


def test_the_error_does_not_depend_on_the_unit():
    generator = torch.Generator().manual_seed(0)
    predicted, target = torch.rand(2, 4, 5, 2, generator=generator, dtype=torch.float64)
    pixels = [(points + 1) / 2 * 69 for points in (predicted, target)]
    expected = inter_ocular_error(predicted, target, [0, 1])
    torch.testing.assert_close(inter_ocular_error(*pixels, [0, 1]), expected)


def test_coinciding_eyes_leave_the_error_of_that_image_undefined():
    target = torch.tensor([[[1.0, 2.0], [1.0, 2.0]], [[0.0, 0.0], [0.0, 4.0]]])
    for predicted in (target, target + 1):
        error = inter_ocular_error(predicted, target, (0, 1))
        assert error.isnan().tolist() == [True, False]
    assert error[1].item() == pytest.approx(100 * math.sqrt(2) / 4)


def test_a_prediction_that_is_not_finite_is_not_taken_for_an_undefined_error():
    target = torch.tensor([[[0.0, 0.0], [0.0, 1.0]]] * 2)
    predicted = target.clone()
    predicted[1, 0, 0] = torch.nan
    assert inter_ocular_error(predicted, target, (0, 1)).tolist() == [0, math.inf]
    assert landmark_pixel_error(predicted, target, 70).tolist() == [0, math.inf]


@pytest.mark.parametrize("side, K", [(70, 1), (96, 3)])
def test_pixel_error_equals_the_sum_over_landmarks(side, K):
    generator = torch.Generator().manual_seed(0)
    predicted, target = torch.rand(2, 4, K, 2, generator=generator, dtype=torch.float64) * 2 - 1
    found = landmark_pixel_error(predicted, target, side)
    for p, t, error in zip(predicted.tolist(), target.tolist(), found.tolist()):
        pixels = [[((x + 1) / 2 * (side - 1), (y + 1) / 2 * (side - 1)) for x, y in points]
                  for points in (p, t)]
        distances = [math.dist(a, b) for a, b in zip(*pixels)]
        assert error == pytest.approx(sum(distances) / K * 70 / side)


def test_a_running_mean_of_single_values_leaves_out_those_that_are_nan():
    values = torch.rand(50, generator=torch.Generator().manual_seed(0)) * 30
    values[[3, 20, 21, 22, 23, 49]] = torch.nan
    mean = RunningMean()
    for part in (values[:20], values[20:24], values[24:]):  # nothing of the second counts
        mean.add_each(part)
    sound = [value for value in values.tolist() if value == value]
    assert mean.weight == 44 and mean.value == pytest.approx(sum(sound) / 44, rel=1e-6)
    whole, single = RunningMean(), RunningMean()
    whole.add(values[24:49].mean(), 25)
    single.add_each(values[24:49])
    assert whole.value == single.value  # to the bit: figures do not move
    assert math.isinf(value_of(torch.tensor([1.0, torch.inf])))


def value_of(values):
    mean = RunningMean()
    mean.add_each(values)
    return mean.value
