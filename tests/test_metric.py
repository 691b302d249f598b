"""The inter-ocular error, landmark by landmark."""

import math

import pytest
import torch

from model.metric import inter_ocular_error


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
    predicted, target = torch.rand(2, 4, 5, 2, generator=torch.Generator().manual_seed(0))
    pixels = [(points + 1) / 2 * 69 for points in (predicted, target)]
    expected = inter_ocular_error(predicted, target, [0, 1])
    torch.testing.assert_close(inter_ocular_error(*pixels, [0, 1]), expected)
