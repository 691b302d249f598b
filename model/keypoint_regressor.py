"""The landmark regressor on frozen descriptors, with virtual keypoints (DVE, section 4.3)."""

import torch
import torch.nn.functional as F
from torch import nn

from utils.geometry.coordinates import lattice


class IntermediateKeypointPredictor(nn.Module):
    """Maps descriptors (B, C, h, w) to landmarks (B, K, 2), normalised.

    Each landmark has ``num_intermediate_points`` virtual keypoints. One is the soft-argmax of a
    filter's responses over all cells; a linear map takes those of a landmark to its coordinates.
    Attribute names are the keys of the published checkpoints.

    descriptor_dimension: C; may be left out of a config: the backbone's.
    num_annotated_points: K; may be left out of a config: the data set's.
    num_intermediate_points: virtual keypoints of each landmark; at least 1. Published: 50.
    softargmax_mul: factor of the responses before the softmax. Published: 100.
    """

    def __init__(
        self,
        descriptor_dimension: int,
        num_annotated_points: int,
        num_intermediate_points: int,
        softargmax_mul: float = 50,
    ):
        super().__init__()
        for name, value in (
            ("descriptor_dimension", descriptor_dimension),
            ("num_annotated_points", num_annotated_points),
            ("num_intermediate_points", num_intermediate_points),
        ):
            if value < 1:
                raise ValueError(f"{name} = {value}, expected at least 1")
        K, virtual = num_annotated_points, num_intermediate_points
        self.num_annotated_points, self.softargmax_mul = K, softargmax_mul
        self.inner_conv = nn.Conv2d(descriptor_dimension, virtual * K, 1, bias=False)
        self.reg_conv = nn.Conv2d(2 * virtual * K, 2 * K, 1, groups=K, bias=False)
        nn.init.normal_(self.inner_conv.weight)

    def virtual_keypoints(self, descriptors):
        """Return the virtual keypoints (B, K, virtual, 2), normalised."""
        h, w = descriptors.shape[-2:]
        filters = self.softargmax_mul * self.inner_conv.weight  # smaller than the map to scale
        heat = F.conv2d(descriptors, filters).flatten(2)
        heat = heat if heat.dtype == torch.float64 else heat.float()
        places = heat.softmax(dim=-1) @ lattice(h, w, heat.device).to(heat.dtype)
        return places.unflatten(1, (self.num_annotated_points, -1))

    def forward(self, descriptors):
        places = self.virtual_keypoints(descriptors).flatten(1)  # x, y interleaved per landmark
        return (
            self.reg_conv(places[:, :, None, None])
            .flatten(1)
            .unflatten(1, (self.num_annotated_points, 2))
        )


class FrozenBackbone(nn.Module):
    """A backbone without gradients, always in eval mode."""

    def __init__(self, backbone):
        super().__init__()
        self.wrapped_module = backbone.requires_grad_(False).eval()

    def train(self, mode=True):
        """Stay in eval mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images):
        return self.wrapped_module(images)


def landmark_model(backbone, regressor, upsample=False):
    """Return backbone, optional upsampling by two, and regressor in sequence.

    Parameters are named as in the published checkpoints.
    """
    between = (
        [nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)] if upsample else []
    )
    return nn.Sequential(FrozenBackbone(backbone), *between, regressor)
