"""Landmarks from frozen descriptors, through virtual keypoints (DVE, section 4.3)."""

import torch
import torch.nn.functional as F
from torch import nn

from utils.geometry.coordinates import lattice


class IntermediateKeypointPredictor(nn.Module):
    """Descriptors (B, C, h, w) to landmarks (B, K, 2), normalised.

    Each landmark owns ``num_intermediate_points`` virtual keypoints: a filter's response over all
    cells, times ``softargmax_mul``, through a softmax, gives an expected place; a linear map takes
    these places to the landmark. Attribute names are the keys of the published checkpoints.

    descriptor_dimension: C; may be left out of a config, the backbone says it.
    num_annotated_points: K; may be left out of a config, the data set says it.
    num_intermediate_points: virtual keypoints of each landmark; at least 1. Published: 50.
    softargmax_mul: responses are multiplied by it before the softmax. Published: 100.
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
        """Return the expected places (B, K, virtual, 2), normalised."""
        h, w = descriptors.shape[-2:]
        filters = self.softargmax_mul * self.inner_conv.weight  # scaled here: the map is far larger
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
    """A backbone that no longer learns: no gradient, always in eval mode."""

    def __init__(self, backbone):
        super().__init__()
        self.wrapped_module = backbone.requires_grad_(False).eval()

    def train(self, mode=True):
        """Switch nothing: the backbone stays in eval mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images):
        return self.wrapped_module(images)


def landmark_model(backbone, regressor, upsample=False):
    """Return backbone, optional x2 upsampling, regressor in sequence, with the published
    checkpoints' keys.
    """
    between = (
        [nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)] if upsample else []
    )
    return nn.Sequential(FrozenBackbone(backbone), *between, regressor)
