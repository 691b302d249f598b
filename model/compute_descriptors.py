"""Compute descriptors of images with a trained network."""

import torch

# Images in a forward pass on the CPU, few enough that its caches hold the activations; a GPU takes
# all images at once.
CPU_IMAGES = 8


def compute_descriptors(network, inputs):
    """Return the descriptors (B, C, h, w) of inputs (B, 3, H, W), normalised images.

    network: in eval mode, in which images of a batch do not influence each other.
    """
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    if inputs.device.type != "cpu":
        return network(inputs)
    return torch.cat([network(part) for part in inputs.split(CPU_IMAGES)])
