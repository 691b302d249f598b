"""The landmark regressor cell by cell; what of a landmark model learns."""

import math
from itertools import product

import pytest
import torch
from torch import nn

from model.keypoint_regressor import FrozenBackbone, IntermediateKeypointPredictor, landmark_model
from model.smallnet import SmallNet


def random_descriptors(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def regressor_of(*arguments, seed=0):
    torch.manual_seed(seed)
    return IntermediateKeypointPredictor(*arguments)


def literal_virtual_keypoint(descriptors, kernel, softargmax_mul):
    """Expected (x, y) of a filter's softmax over the cells of one map (C, h, w)."""
    _, h, w = descriptors.shape
    response = {(i, j): softargmax_mul * sum(
        k * d for k, d in zip(kernel.tolist(), descriptors[:, i, j].tolist()))
        for i, j in product(range(h), range(w))}
    largest = max(response.values())
    share = {cell: math.exp(value - largest) for cell, value in response.items()}
    total = sum(share.values())
    x = sum(s * (-1 + 2 * j / (w - 1)) for (_, j), s in share.items()) / total
    y = sum(s * (-1 + 2 * i / (h - 1)) for (i, _), s in share.items()) / total
    return x, y


@pytest.mark.parametrize("softargmax_mul", [1, 100])
def test_landmarks_are_linear_in_their_own_virtual_keypoints(softargmax_mul):
    C, K, V, h, w = 4, 3, 5, 4, 6
    regressor = regressor_of(C, K, V, softargmax_mul).double()
    descriptors = random_descriptors(2, C, h, w).double()
    found, virtual = regressor(descriptors), regressor.virtual_keypoints(descriptors)
    assert found.shape == (2, K, 2) and virtual.shape == (2, K, V, 2)
    kernels = regressor.inner_conv.weight.detach().view(K, V, C)
    linear = regressor.reg_conv.weight.detach().view(K, 2, 2 * V)
    for b, k in product(range(2), range(K)):
        places = [literal_virtual_keypoint(descriptors[b], kernels[k, v], softargmax_mul)
                  for v in range(V)]
        torch.testing.assert_close(virtual[b, k], torch.tensor(places, dtype=torch.float64))
        interleaved = [coordinate for place in places for coordinate in place]
        for axis in range(2):
            expected = sum(a * p for a, p in zip(linear[k, axis].tolist(), interleaved))
            assert found[b, k, axis].item() == pytest.approx(expected, abs=1e-6)


def test_a_filter_that_answers_at_one_cell_gives_its_place():
    regressor = regressor_of(1, 1, 1, 50)
    nn.init.ones_(regressor.inner_conv.weight)
    descriptors = torch.zeros(1, 1, 5, 9)
    descriptors[0, 0, 3, 2] = 1
    place = regressor.virtual_keypoints(descriptors)[0, 0, 0]
    torch.testing.assert_close(place, torch.tensor([-0.5, 0.5]), rtol=0, atol=1e-5)


def test_default_multiplier_and_initial_weights():
    regressor = regressor_of(64, 5, 50)
    assert regressor.softargmax_mul == 50
    assert regressor.inner_conv.weight.std().item() == pytest.approx(1, abs=0.03)
    assert regressor.inner_conv.bias is None and regressor.reg_conv.bias is None
    bound = 1 / math.sqrt(100)  # torch's default for a linear map of 100 inputs
    assert regressor.reg_conv.weight.abs().max().item() == pytest.approx(bound, rel=0.02)


@pytest.mark.parametrize("arguments, name", [
    ((0, 5, 50), "descriptor_dimension"),
    ((64, 0, 50), "num_annotated_points"),
    ((64, 5, -1), "num_intermediate_points"),
])
def test_sizes_must_be_positive(arguments, name):
    with pytest.raises(ValueError, match=name):
        IntermediateKeypointPredictor(*arguments)


# Landmark models

def trained_one_step(model, images):
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    model(images).square().sum().backward()
    gradients = {name for name, p in model.named_parameters() if p.grad is not None}
    optimizer.step()
    return gradients, {name for name, t in model.state_dict().items()
                       if not torch.equal(t, before[name])}


@pytest.mark.parametrize("upsample, number", [(False, 1), (True, 2)])
def test_only_the_regressor_learns(upsample, number):
    model = landmark_model(SmallNet(4), regressor_of(4, 3, 5, 2), upsample)
    gradients, changed = trained_one_step(model, random_descriptors(2, 3, 20, 24))
    own = {f"{number}.inner_conv.weight", f"{number}.reg_conv.weight"}
    assert gradients == changed == own  # batch-norm statistics too stay as they were


def test_frozen_backbone_stays_in_eval_mode_and_gives_no_gradient():
    frozen = FrozenBackbone(SmallNet(4))
    model = nn.Sequential(frozen).train()
    assert not any(module.training for module in frozen.modules())
    output = model(random_descriptors(1, 3, 20, 24).requires_grad_())
    assert not output.requires_grad
    assert not any(p.requires_grad for p in frozen.parameters())


@pytest.mark.parametrize("upsample, number", [(False, 1), (True, 2)])
def test_keys_are_those_of_published_checkpoints(upsample, number):
    model = landmark_model(SmallNet(16), regressor_of(16, 5, 50), upsample)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert shapes.pop(f"{number}.inner_conv.weight") == (250, 16, 1, 1)
    assert shapes.pop(f"{number}.reg_conv.weight") == (10, 100, 1, 1)
    backbone = SmallNet(16).state_dict()
    assert set(shapes) == {f"0.wrapped_module.{name}" for name in backbone}


def test_upsampling_is_by_two_and_not_corner_aligned():
    model = landmark_model(nn.Identity(), regressor_of(1, 1, 1), upsample=True)
    found = model[:-1](torch.tensor([[[[0.0, 4.0]]]]))
    torch.testing.assert_close(found, torch.tensor([[[[0.0, 1.0, 3.0, 4.0]] * 2]]).view(1, 1, 2, 4))
