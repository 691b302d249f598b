"""SmallNet, the small backbone of the published experiments."""

import torch.nn.functional as F
from torch import nn

from model.unit_length import UnitLength

LEAKY_SLOPE = 0.2


def _block(in_channels, out_channels, kernel_size, padding, dilation=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, dilation=dilation),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
    )


class SmallNet(nn.Module):
    """Maps images (B, 3, H, W) to descriptors (B, C, H // 2, W // 2).

    Six convolutions, dilated after the only pooling. Attribute names are the keys of the published
    checkpoints.

    num_output_channels: C, the dimension of a descriptor; at least 1.
    do_maxpool: halve the resolution after the first convolution; else the output has the input's
        size.
    unit_length: scale descriptors to length 1, and learn the factor of their cosines.
    """

    def __init__(
        self, num_output_channels: int, do_maxpool: bool = True, unit_length: bool = False
    ):
        super().__init__()
        if num_output_channels < 1:
            raise ValueError(f"num_output_channels = {num_output_channels}, expected at least 1")
        self.num_output_channels = num_output_channels
        self.do_maxpool = do_maxpool
        self.conv1 = _block(3, 20, 5, padding=2)
        self.conv2 = _block(20, 48, 5, padding=2)
        self.conv3 = _block(48, 64, 5, padding=4, dilation=2)
        self.conv4 = _block(64, 80, 3, padding=4, dilation=4)
        self.conv5 = _block(80, 256, 3, padding=2, dilation=2)
        self.conv6 = nn.Conv2d(256, num_output_channels, 1)
        self.apply(_initialise)
        self.unit_length = UnitLength() if unit_length else None

    def forward(self, images):
        features = self.conv1(images)
        if self.do_maxpool:
            features = F.max_pool2d(features, 2)
        for layer in (self.conv2, self.conv3, self.conv4, self.conv5, self.conv6):
            features = layer(features)
        return features if self.unit_length is None else self.unit_length(features)


def _initialise(module):
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_normal_(module.weight)
        nn.init.zeros_(module.bias)
