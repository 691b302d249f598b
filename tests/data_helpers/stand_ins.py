"""Networks whose answers can be worked out by hand, and checkpoints of real ones, untrained."""

import copy

import numpy as np
import torch
from torch import nn

from data_loader.augmentation import MEAN, STD
from model import IntermediateKeypointPredictor, SmallNet
from model.keypoint_regressor import landmark_model
from tests.data_helpers.tiny_runs import EMBEDDING, LANDMARKS, NUM_LANDMARKS
from utils.checkpoint.save_and_load import save_checkpoint

CHANNELS = EMBEDDING["arch"]["args"]["num_output_channels"]


def ramp(width, height):
    """Return a picture (height, width, 3) whose red and green say where a pixel's middle is, as
    shares of the whole.
    """
    y, x = np.indices((height, width))
    shares = np.stack([(x + 0.5) / width, (y + 0.5) / height, 0 * x], axis=-1)
    return (255 * shares).round().astype(np.uint8)


class RampReader(nn.Module):
    """Describes every other pixel by its red and green, as points on two circles: the more alike
    the colours, the larger the cosine.
    """

    def forward(self, inputs):
        angles = torch.pi * colours(inputs)[:, :2, ::2, ::2]
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class LightFinder(nn.Module):
    """Finds one landmark, the centre of light, in images that are their own descriptors."""

    def __init__(self, learned_offset=0.0):
        super().__init__()
        self.learned_offset = learned_offset  # in pixels of the input

    def forward(self, inputs):
        light = colours(inputs).mean(dim=1).clamp(0, 1) ** 2
        H, W = light.shape[1:]
        y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
        sums = [(light * axis).sum(dim=(1, 2)) / light.sum(dim=(1, 2)) for axis in (x, y)]
        points = torch.stack(sums, dim=-1)[:, None] + self.learned_offset
        return points / (torch.tensor([W, H]) - 1) * 2 - 1


def colours(inputs):
    """Return normalised images (B, 3, H, W) as colours in [0, 1]."""
    return inputs * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)


def tiny_networks():
    """Return an embedding, and a landmark model on it, with the shapes of the tiny configs."""
    torch.manual_seed(0)
    backbone = SmallNet(CHANNELS).eval()
    regressor = IntermediateKeypointPredictor(CHANNELS, NUM_LANDMARKS, 5, softargmax_mul=100)
    return backbone, landmark_model(copy.deepcopy(backbone), regressor).eval()


def save_tiny_checkpoint(path, network, kind, root="unused", **changes):
    """Write a checkpoint with the tiny config ``kind``, EMBEDDING or LANDMARKS; returns its path.

    changes: of the checkpoint's entries; None leaves one out.
    """
    config = copy.deepcopy(kind)
    config["dataset"]["args"]["root"] = str(root)
    state = {"state_dict": network.state_dict(), "epoch": 3, "config": config, **changes}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, {name: value for name, value in state.items() if value is not None})
    return path


def save_both(folder, root="unused"):
    """Write an embedding and a landmark model into a folder; returns their paths."""
    backbone, landmarks = tiny_networks()
    return (save_tiny_checkpoint(folder / "embedding.pth", backbone, EMBEDDING, root),
            save_tiny_checkpoint(folder / "landmarks.pth", landmarks, LANDMARKS, root))
