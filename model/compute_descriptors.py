"""Descriptors of images, computed by a trained network."""

import torch

# Images that go through a network at a time on the CPU, whose caches then still hold what the next
# layer reads; a GPU takes them all.
CPU_IMAGES = 8


def compute_descriptors(network, inputs):
    """Return the descriptors (B, C, h, w) of inputs (B, 3, H, W), normalised images.

    network: in evaluation mode, in which images of a batch have no influence on each other.
    """
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    if inputs.device.type != "cpu":
        return network(inputs)
    return torch.cat([network(part) for part in inputs.split(CPU_IMAGES)])
