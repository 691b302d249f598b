"""Running means over the samples of an epoch, without waiting for the device."""

import torch

from utils.transfer import sum_dtype


class RunningMean:
    """A weighted mean of tensors, which stays on their device until it is read."""

    def __init__(self):
        self.total, self.weight = 0.0, 0

    def add(self, value, weight):
        """Add the mean of ``weight`` samples."""
        self.total = self.total + value.detach().to(sum_dtype(value.device)) * weight
        self.weight += weight

    def add_each(self, values):
        """Add values of samples, (B,), except NaN."""
        count = (~values.isnan()).sum()
        self.add(values.nanmean().masked_fill(count == 0, 0), count)

    @property
    def value(self):
        """The mean so far, a float."""
        return float(self.total) / max(int(self.weight), 1)

    def over(self, world, device):
        """Return the ``RunningMean`` over the samples of all processes of a world."""
        everyone = RunningMean()
        sums = [float(self.total), int(self.weight)]
        sums = torch.tensor(sums, dtype=sum_dtype(device), device=device)
        everyone.total, weight = world.total(sums)
        everyone.weight = int(weight)
        return everyone
