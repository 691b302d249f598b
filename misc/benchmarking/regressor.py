"""Fitting landmarks on descriptors that are computed already: five from fifty keypoints each."""

import torch

from misc.benchmarking.subject import Subject
from model import IntermediateKeypointPredictor, regression_loss

NUM_STEPS, BATCH, CHANNELS, CELLS, LANDMARKS = 10, 32, 64, 35, 5


def make_epoch(device):
    """Return a function that takes steps over cached descriptors of SmallNet 64-d."""
    torch.manual_seed(0)
    regressor = IntermediateKeypointPredictor(CHANNELS, LANDMARKS, 50, softargmax_mul=100)
    regressor = regressor.to(device)
    optimizer = torch.optim.Adam(regressor.parameters(), lr=1e-3, amsgrad=True)
    descriptors = torch.randn(NUM_STEPS, BATCH, CHANNELS, CELLS, CELLS)
    targets = 2 * torch.rand(NUM_STEPS, BATCH, LANDMARKS, 2) - 1

    def epoch():
        for batch, target in zip(descriptors, targets):
            loss = regression_loss(regressor(batch.to(device)), target.to(device), alpha=10)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    return epoch


SUBJECT = Subject(
    f"The regressor: {NUM_STEPS} steps of {BATCH}, cached descriptors of SmallNet 64-d",
    {"regressor": make_epoch},
    count=NUM_STEPS * BATCH,
)
