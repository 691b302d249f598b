"""The networks against the published state dicts, and against recomputations from weights alone."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from model.hourglass import HourglassNet
from model.keypoint_regressor import IntermediateKeypointPredictor, landmark_model
from model.smallnet import SmallNet
from tests.data_helpers.published import published_shapes, published_state_dict, save_published
from tests.data_helpers.recomputed_networks import (
    looped_landmarks,
    recomputed_hourglass,
    recomputed_smallnet,
    upsampled_by_two,
)
from utils.checkpoint.foreign import read_foreign_checkpoint
from utils.checkpoint.parts import backbone_state, regressor_state

BACKBONES = {"smallnet64": SmallNet, "hourglass64": HourglassNet}
NARROW = {"num_output_channels": 5, "num_blocks": 1,
          "planes_conv1": 16, "planes_block": 32, "planes_hg": 16}


def shapes_of(module):
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def parameter_count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def randomised(network, seed=0):
    """Return the network in eval mode, float64, its norms no longer trivial."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        elif tensor.ndim == 1:
            tensor.add_(0.3 * torch.randn(tensor.shape, generator=generator))
    return network.double().eval()


def random_images(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# The published state dicts

@pytest.mark.parametrize("model", BACKBONES)
def test_backbone_has_exactly_the_published_parameters(model):
    assert shapes_of(BACKBONES[model](64)) == published_shapes(model)


@pytest.mark.parametrize("model", BACKBONES)
@pytest.mark.parametrize("zip_format", [False, True], ids=["legacy", "zip"])
def test_published_embedding_loads_strictly(tmp_path, model, zip_format):
    path, state = tmp_path / "checkpoint.pth", published_state_dict(model)
    save_published(path, {f"module.{name}": tensor for name, tensor in state.items()}, zip_format)
    network = BACKBONES[model](64)
    checkpoint = read_foreign_checkpoint(path)
    network.load_state_dict(backbone_state(checkpoint["state_dict"]), strict=True)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_landmark_model_has_the_published_parameters_and_not_the_unused_ones():
    published = published_shapes("regressor")
    model = landmark_model(SmallNet(16), IntermediateKeypointPredictor(16, 5, 50))
    unused = published.keys() - shapes_of(model).keys()
    assert unused == {"1.descriptors", *(f"1.linear.{landmark}.weight" for landmark in range(5))}
    assert shapes_of(model).items() <= published.items()


@pytest.mark.parametrize("num_landmarks", [5, 68])
@pytest.mark.parametrize("upsample", [False, True])
def test_landmark_model_keys_for_all_landmarks_and_upsampling(num_landmarks, upsample):
    regressor = IntermediateKeypointPredictor(64, num_landmarks, 50, softargmax_mul=100)
    shapes = shapes_of(landmark_model(SmallNet(64), regressor, upsample))
    place, backbone = 2 if upsample else 1, published_shapes("smallnet64")
    assert shapes == {
        **{f"0.wrapped_module.{name}": shape for name, shape in backbone.items()},
        f"{place}.inner_conv.weight": (50 * num_landmarks, 64, 1, 1),
        f"{place}.reg_conv.weight": (2 * num_landmarks, 100, 1, 1),
    }


def test_published_regressor_loads_strictly():
    state = published_state_dict("regressor")
    backbone, regressor = SmallNet(16), IntermediateKeypointPredictor(16, 5, 50)
    backbone.load_state_dict(backbone_state(state), strict=True)
    regressor.load_state_dict(regressor_state(state), strict=True)
    assert torch.equal(backbone.conv6.bias, state["0.wrapped_module.conv6.bias"])
    assert torch.equal(regressor.reg_conv.weight, state["1.reg_conv.weight"])


@pytest.mark.parametrize("channels, count", [
    (3, 334_875), (16, 338_216), (32, 342_328), (64, 350_552)])
def test_parameters_of_smallnet(channels, count):
    assert parameter_count(SmallNet(channels)) == count


def test_parameters_of_hourglass():
    assert parameter_count(HourglassNet(64)) == 12_609_472


# Sizes

SIZES = [(70, 70), (96, 96), (136, 136), (71, 63), (64, 97), (31, 45)]


@pytest.mark.parametrize("height, width", SIZES)
def test_descriptor_maps_have_half_the_size(height, width):
    images = torch.zeros(1, 3, height, width)
    with torch.no_grad():
        smallnet = SmallNet(7).eval()(images)
        hourglass = HourglassNet(**NARROW).eval()(images)
    assert smallnet.shape == (1, 7, height // 2, width // 2)
    assert hourglass.shape == (1, 5, (height + 1) // 2, (width + 1) // 2)


def test_image_that_cannot_be_pooled_four_times_is_an_error():
    network = HourglassNet(**NARROW).eval()
    with pytest.raises(ValueError, match="30 x 64.*at least 31 x 31"):
        network(torch.zeros(1, 3, 30, 64))


# Recomputation from the state dict alone

@torch.no_grad()
def assert_recomputed(network, recompute, images, **options):
    expected = recompute(network.state_dict(), images, **options)
    torch.testing.assert_close(network(images), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("height, width", [(70, 70), (31, 46)])
def test_smallnet_equals_its_recomputation(height, width):
    network = randomised(SmallNet(16))
    assert_recomputed(network, recomputed_smallnet, random_images(2, 3, height, width))


@pytest.mark.parametrize("height, width", [(96, 64), (70, 53)])
def test_published_hourglass_equals_its_recomputation(height, width):
    network = randomised(HourglassNet(64))
    assert_recomputed(network, recomputed_hourglass, random_images(1, 3, height, width))


@pytest.mark.parametrize("options", [
    {}, {"use_group_norm": True}, {"scaled_norm_output": True}, {"num_stacks": 3},
    {"num_blocks": 2, "planes_hg": 32, "planes_conv1": 32},
    {"use_group_norm": True, "scaled_norm_output": True, "num_stacks": 2},
], ids=str)
def test_hourglass_with_options_equals_its_recomputation(options):
    network = randomised(HourglassNet(**{**NARROW, **options}))
    assert_recomputed(network, recomputed_hourglass, random_images(2, 3, 45, 64),
                      num_stacks=options.get("num_stacks", 1))


@torch.no_grad()
def test_hourglass_upsampling_by_two_where_the_original_worked():
    """On multiples of 32, to the skip's size is the same as by a factor of two."""
    network, images = randomised(HourglassNet(**NARROW)), random_images(1, 3, 64, 96)
    ours, interpolate = network(images), F.interpolate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "interpolate",
                      lambda x, size, mode: interpolate(x, scale_factor=2, mode=mode))
        assert torch.equal(network(images), ours)


@torch.no_grad()
def test_regressor_equals_its_recomputation():
    regressor = IntermediateKeypointPredictor(6, 3, 4, softargmax_mul=2).double()
    descriptors = random_images(2, 6, 7, 9)
    expected = looped_landmarks(regressor.state_dict(), descriptors, softargmax_mul=2)
    torch.testing.assert_close(regressor(descriptors), expected, rtol=1e-9, atol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("upsample", [False, True])
def test_landmark_model_is_backbone_upsampling_and_regressor(upsample):
    regressor = IntermediateKeypointPredictor(4, 3, 5, softargmax_mul=2)
    model = landmark_model(SmallNet(4), regressor, upsample).double().train()
    images = random_images(2, 3, 20, 24)
    descriptors = recomputed_smallnet(backbone_state(model.state_dict()), images)
    if upsample:
        descriptors = upsampled_by_two(descriptors)
    expected = looped_landmarks(regressor.state_dict(), descriptors, softargmax_mul=2)
    torch.testing.assert_close(model(images), expected, rtol=1e-9, atol=1e-9)


# Options and errors

def test_output_layer_weight_mul_scales_only_the_last_weights():
    torch.manual_seed(0)
    plain = HourglassNet(**NARROW).state_dict()
    torch.manual_seed(0)
    scaled = HourglassNet(**NARROW, output_layer_weight_mul=0.25).state_dict()
    for name, tensor in plain.items():
        factor = 0.25 if name == "output_layers.0.4.weight" else 1
        assert torch.equal(scaled[name], factor * tensor), name


def test_scaled_norm_output_is_learned_and_starts_at_20():
    network = HourglassNet(**NARROW, scaled_norm_output=True).eval()
    norms = network(torch.randn(1, 3, 40, 40)).norm(dim=1)
    torch.testing.assert_close(norms, torch.full_like(norms, 20.0), rtol=1e-5, atol=0)
    network.load_state_dict({**network.state_dict(), "normscale": torch.tensor([7.0])})
    network(torch.randn(1, 3, 40, 40)).sum().backward()
    assert network.normscale.item() == 7 and network.normscale.grad is not None


@pytest.mark.parametrize("num_stacks", [1, 3])
def test_every_trainable_parameter_gets_a_gradient(num_stacks):
    network = HourglassNet(**NARROW, num_stacks=num_stacks)
    network(torch.randn(2, 3, 40, 40)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    trainable = {name.split(".")[1] for name, parameter in network.named_parameters()
                 if parameter.requires_grad and name.startswith("output_layers")}
    assert trainable == {str(num_stacks - 1)}


@pytest.mark.parametrize("arguments, message", [
    ({"num_output_channels": 0}, "num_output_channels = 0.*at least 1"),
    ({"num_stacks": 0}, "num_stacks = 0.*at least 1"),
    ({"num_blocks": -1}, "num_blocks = -1.*at least 1"),
    ({"planes_conv1": 0}, "planes_conv1 = 0.*at least 1"),
    ({"planes_block": 24, "use_group_norm": True}, "planes_block = 24.*multiple of 16"),
    ({"planes_hg": 8, "use_group_norm": True}, "planes_hg = 8.*multiple of 16"),
    ({"output_layer_weight_mul": -1.0}, "output_layer_weight_mul = -1.0.*positive"),
    ({"output_layer_weight_mul": float("nan")}, "output_layer_weight_mul = nan.*positive"),
])
def test_hourglass_refuses_what_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        HourglassNet(**arguments)


# Descriptors of length 1


@pytest.mark.parametrize("network", [SmallNet, partial(HourglassNet, **NARROW)])
def test_descriptors_of_length_1_are_the_plain_ones_divided_by_their_length(network):
    arguments = {"num_output_channels": 5}
    plain, unit = (randomised(network(**arguments, unit_length=on)) for on in (False, True))
    own = shapes_of(unit)
    assert own.pop("unit_length.log_scale") == () and own == shapes_of(plain)
    plain.load_state_dict({name: tensor for name, tensor in unit.state_dict().items()
                           if name != "unit_length.log_scale"})
    images = random_images(2, 3, 40, 36)
    expected, found = plain(images), unit(images)
    lengths = expected.square().sum(dim=1, keepdim=True).sqrt()
    torch.testing.assert_close(found, expected / lengths)
    factor = unit.unit_length
    assert factor.scale.item() == pytest.approx(math.exp(factor.log_scale.item()))


def test_lengths_are_1_in_float32_under_autocast_too():
    network = SmallNet(5, unit_length=True).eval()
    with torch.autocast("cpu", torch.bfloat16):
        found = network(random_images(1, 3, 16, 16).float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.norm(dim=1), torch.ones(1, 8, 8))


def test_cosines_are_multiplied_by_10_at_first():
    assert SmallNet(5, unit_length=True).unit_length.scale.item() == pytest.approx(10)


def test_only_one_length_can_be_chosen():
    with pytest.raises(ValueError, match="unit_length = True, expected False"):
        HourglassNet(**NARROW, scaled_norm_output=True, unit_length=True)
