"""Descriptors as colours: one principal component analysis for a whole test set."""

import torch
import torch.nn.functional as F

SHOWN_DEVIATIONS = 2  # a component runs through its colour from -2 to +2 standard deviations


class SharedColours:
    """Collects the moments of all descriptors that it sees, and paints maps by them.

    The same descriptor has the same colour in every image.
    """

    def __init__(self):
        self.count, self.total, self.squared = 0, 0.0, 0.0

    def add(self, maps):
        """Take the cells of maps (B, C, h, w)."""
        cells = maps.detach().transpose(0, 1).flatten(1).double()  # (C, cells)
        self.count += cells.shape[1]
        self.total = self.total + cells.sum(dim=1)
        self.squared = self.squared + cells @ cells.T

    def watch(self, network):
        """Take all maps that a network puts out from now on; returns what ends it by
        ``remove()``.
        """
        return network.register_forward_hook(lambda module, inputs, maps: self.add(maps))

    def components(self):
        """Return the mean (C,), the first three principal axes (C, 3), fewer where C < 3, and the
        deviations along them (3,).

        Of the two directions of an axis, the one in which its largest entry is positive.
        """
        mean = self.total / self.count
        variances, axes = torch.linalg.eigh(self.squared / self.count - mean.outer(mean))
        axes, variances = axes.flip(1)[:, :3], variances.flip(0)[:3]
        largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
        return mean, axes * largest.sign(), variances.clamp(min=0).sqrt()

    def paint(self, maps):
        """Map descriptors (B, C, h, w) to RGB (B, 3, h, w) in [0, 1]; 1/2 is what C < 3 lacks."""
        mean, axes, deviations = self.components()
        along = torch.einsum("bchw,cd->bdhw", maps.double() - mean.view(-1, 1, 1), axes)
        span = (2 * SHOWN_DEVIATIONS * deviations).clamp(min=torch.finfo(torch.float32).tiny)
        colours = (along / span.view(-1, 1, 1) + 0.5).clamp(0, 1).float()
        return F.pad(colours, (0, 0, 0, 0, 0, 3 - colours.shape[1]), value=0.5)
