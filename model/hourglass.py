"""HourglassNet, the large backbone of the published experiments (Newell et al., ECCV 2016)."""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from model.unit_length import UnitLength

DEPTH = 4  # poolings, hence levels, of one hourglass
EXPANSION = 2  # a residual block returns this many times its inner width
NORM_GROUPS = 16  # of use_group_norm
INITIAL_NORM = 20.0  # of scaled_norm_output


class Bottleneck(nn.Module):
    """A pre-activation residual block: (B, in_channels, H, W) to (B, EXPANSION * planes, H, W)."""

    def __init__(self, in_channels, planes, norm):
        super().__init__()
        out_channels = EXPANSION * planes
        self.bn1 = norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, planes, 1)
        self.bn2 = norm(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1)
        self.bn3 = norm(planes)
        self.conv3 = nn.Conv2d(planes, out_channels, 1)
        self.downsample = nn.Identity()
        if in_channels != out_channels:
            self.downsample = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, features):
        inner = self.conv1(F.relu(self.bn1(features), inplace=True))
        inner = self.conv2(F.relu(self.bn2(inner), inplace=True))
        inner = self.conv3(F.relu(self.bn3(inner), inplace=True))
        return inner + self.downsample(features)


def _stage(in_channels, planes, num_blocks, norm):
    """Return residual blocks in sequence, of which the first sets the width."""
    widths = [in_channels] + [EXPANSION * planes] * (num_blocks - 1)
    return nn.Sequential(*(Bottleneck(width, planes, norm) for width in widths))


class Hourglass(nn.Module):
    """An hourglass of four levels: (B, in_channels, H, W) to (B, EXPANSION * planes, H, W).

    Level 4 is the outermost. ``layer<level>_1`` computes the skip, ``_2`` follows the pooling,
    ``_3`` precedes the upsampling; ``layer1_4`` is the innermost.
    """

    def __init__(self, in_channels, planes, num_blocks, norm):
        super().__init__()
        width = EXPANSION * planes
        for level in range(DEPTH, 0, -1):
            self.add_module(f"layer{level}_1", _stage(in_channels, planes, num_blocks, norm))
            self.add_module(f"layer{level}_2", _stage(width, planes, num_blocks, norm))
            in_channels = width
        self.layer1_4 = _stage(width, planes, num_blocks, norm)
        for level in range(1, DEPTH + 1):
            self.add_module(f"layer{level}_3", _stage(width, planes, num_blocks, norm))

    def forward(self, features):
        skips = []
        for level in range(DEPTH, 0, -1):
            skips.append(getattr(self, f"layer{level}_1")(features))
            features = getattr(self, f"layer{level}_2")(F.max_pool2d(skips[-1], 2))
        features = self.layer1_4(features)
        for level in range(1, DEPTH + 1):
            features = getattr(self, f"layer{level}_3")(features)
            skip = skips.pop()
            # To the skip's size, not by 2: pooling drops the last row or column of an odd map.
            features = F.interpolate(features, size=skip.shape[-2:], mode="nearest") + skip
        return features


class HourglassNet(nn.Module):
    """Maps images (B, 3, H, W) to descriptors (B, C, ceil(H / 2), ceil(W / 2)).

    H and W are at least 31. Attribute names are the keys of the published checkpoints.

    num_output_channels: C, the dimension of a descriptor; at least 1.
    num_stacks: hourglasses in sequence. Each has an output layer, but only the last one's is used,
        so that the others are not trained.
    num_blocks: residual blocks per stage of an hourglass and before the output.
    planes_conv1: inner width of the stem and of the first block.
    planes_block: inner width of the next two blocks.
    planes_hg: inner width of the hourglasses.
    use_group_norm: normalise in 16 groups of channels instead of over the batch.
    output_layer_weight_mul: factor of the last convolution's initial weights.
    scaled_norm_output: L2-normalise descriptors and multiply them by a learned scalar, initially
        20.
    unit_length: scale descriptors to length 1, and learn the factor of their cosines.
    """

    def __init__(self, num_output_channels: int = 16, num_stacks: int = 1, num_blocks: int = 4,
                 planes_conv1: int = 64, planes_block: int = 128, planes_hg: int = 128,
                 use_group_norm: bool = False, output_layer_weight_mul: float = 1,
                 scaled_norm_output: bool = False, unit_length: bool = False):
        super().__init__()
        if scaled_norm_output and unit_length:
            raise ValueError("unit_length = True, expected False with scaled_norm_output, "
                             "which gives descriptors another length")
        _check_counts(num_output_channels=num_output_channels, num_stacks=num_stacks,
                      num_blocks=num_blocks)
        _check_widths(use_group_norm, planes_conv1=planes_conv1, planes_block=planes_block,
                      planes_hg=planes_hg)
        _check_multiplier(output_layer_weight_mul)
        self.num_output_channels = num_output_channels
        norm = partial(nn.GroupNorm, NORM_GROUPS) if use_group_norm else nn.BatchNorm2d
        self.conv1 = nn.Conv2d(3, planes_conv1, 7, stride=2, padding=3)
        self.bn1 = norm(planes_conv1)
        self.layer1 = _stage(planes_conv1, planes_conv1, 1, norm)
        self.layer2 = _stage(EXPANSION * planes_conv1, planes_block, 1, norm)
        self.layer3 = _stage(EXPANSION * planes_block, planes_block, 1, norm)
        widths = [EXPANSION * planes_block] + [EXPANSION * planes_hg] * (num_stacks - 1)
        self.hg = nn.ModuleList(Hourglass(width, planes_hg, num_blocks, norm) for width in widths)
        self.output_layers = nn.ModuleList(
            _output_layer(planes_hg, num_output_channels, num_blocks, norm) for _ in widths)
        # Unused; DistributedDataParallel stops at a parameter that never gets its gradient.
        self.output_layers[:-1].requires_grad_(False)
        with torch.no_grad():
            self.output_layers[-1][-1].weight.mul_(output_layer_weight_mul)
        self.normscale = nn.Parameter(torch.tensor(INITIAL_NORM)) if scaled_norm_output else None
        self.unit_length = UnitLength() if unit_length else None

    def forward(self, images):
        _check_size(images)
        features = F.relu(self.bn1(self.conv1(images)), inplace=True)
        for layer in (self.layer1, self.layer2, self.layer3, *self.hg):
            features = layer(features)
        descriptors = self.output_layers[-1](features)
        if self.unit_length is not None:
            return self.unit_length(descriptors)
        if self.normscale is None:
            return descriptors
        return self.normscale * F.normalize(descriptors, dim=1)


def _output_layer(planes, num_output_channels, num_blocks, norm):
    width = EXPANSION * planes
    return nn.Sequential(
        _stage(width, planes, num_blocks, norm),
        nn.Conv2d(width, width, 1),
        norm(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, num_output_channels, 1),
    )


def _check_counts(**counts):
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} = {value}, expected at least 1")


def _check_widths(use_group_norm, **widths):
    _check_counts(**widths)
    for name, value in widths.items():
        if use_group_norm and value % NORM_GROUPS:
            raise ValueError(f"{name} = {value}, expected a multiple of {NORM_GROUPS} "
                             "with use_group_norm")


def _check_multiplier(value):
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"output_layer_weight_mul = {value}, expected a positive number")


def _check_size(images):
    smallest = 2 ** (DEPTH + 1) - 1  # the stem rounds up, each pooling down
    if min(images.shape[-2:]) < smallest:
        raise ValueError(f"images of {images.shape[-2]} x {images.shape[-1]} (height x width), "
                         f"expected at least {smallest} x {smallest}")
