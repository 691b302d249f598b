"""Descriptors of length 1, which are compared by their cosine."""

import math

import torch
import torch.nn.functional as F
from torch import nn

INITIAL_SCALE = 10.0


class UnitLength(nn.Module):
    """Scales descriptors (B, C, h, w) to length 1, in float32 under autocast too.

    It holds the number that cosines are multiplied by before a softmax, which training learns as
    its logarithm. Matching and landmark regressors do without it.
    """

    def __init__(self):
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(INITIAL_SCALE)))

    @property
    def scale(self):
        """The factor of cosines, ()."""
        return self.log_scale.exp()

    def forward(self, descriptors):
        if descriptors.dtype != torch.float64:
            descriptors = descriptors.float()
        return F.normalize(descriptors, dim=1)
