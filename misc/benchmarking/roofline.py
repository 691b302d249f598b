"""The networks' operations per second, forward and backward, as a share of those of a large matrix
product on the same device.
"""

from functools import partial

import torch

from misc.benchmarking.subject import Subject
from model import HourglassNet, SmallNet

SIDE_OF_MATRICES = 2048
INPUTS = {SmallNet: (64, 70), HourglassNet: (32, 96)}  # images, side
PRECISIONS = ("float32", "bfloat16")


def make_product(precision, device):
    """Return a function that multiplies two matrices."""
    dtype = getattr(torch, precision)
    left, right = torch.randn(2, SIDE_OF_MATRICES, SIDE_OF_MATRICES).to(device, dtype)
    return lambda: (left @ right)[0, 0].item()


def make_passes(backbone, precision, device):
    """Return a function that runs a network forward and backward."""
    count, side = INPUTS[backbone]
    torch.manual_seed(0)
    network = backbone(64).to(device, memory_format=torch.channels_last)
    images = torch.randn(count, 3, side, side).to(device, memory_format=torch.channels_last)

    def passes():
        network.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            descriptors = network(images)
        descriptors.float().square().mean().backward()

    return passes


MAKERS = {"matrix product": make_product}
MAKERS.update({backbone.__name__: partial(make_passes, backbone) for backbone in INPUTS})
SUBJECT = Subject(
    "Operations per second of the networks, forward and backward, and of a matrix product",
    {f"{name}, {p}": partial(make, p) for p in PRECISIONS for name, make in MAKERS.items()},
    peaks={f"{name}, {p}": f"matrix product, {p}" for p in PRECISIONS for name in MAKERS},
    note=f"The product is of two matrices of {SIDE_OF_MATRICES}x{SIDE_OF_MATRICES}. Float32 is "
    "exact, without TF32. Operations of convolutions and matrix products alone are counted.",
)
