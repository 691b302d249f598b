"""Training steps of the published 64-d runs with DVE: both networks, and the regressor."""

from functools import partial

import torch

from misc.benchmarking.literal_loss import literal_loss
from misc.benchmarking.subject import Subject
from model import (
    DENSE_LOSSES,
    HourglassNet,
    IntermediateKeypointPredictor,
    SmallNet,
    regression_loss,
)
from utils.geometry.warper import Warper
from utils.keyed_random import sample_keys

CHANNELS = 64
FRAMES = {SmallNet: (32, 100, 15), HourglassNet: (16, 136, 20)}  # pairs, imwidth, crop


def warp_grids(width, crop, pairs, device):
    """Return grids (pairs, h, w, 2) of random warps, normalised."""
    warper = Warper(width, width, crop)
    draws = warper.draw_keyed(sample_keys(0, 1, torch.arange(pairs)))
    blank = torch.zeros(pairs, 3, width, width, dtype=torch.uint8, device=device)
    return warper(blank, torch.zeros(pairs, 0, 2, device=device), draws).grid_1to2


def no_loss(first, second, grid):
    """Replace the loss, to time the network alone."""
    return first.square().mean() + second.square().mean()


def make_step(loss, memory_format, device, backbone=SmallNet, unit_length=False):
    """Return a function that makes one training step."""
    pairs, width, crop = FRAMES[backbone]
    torch.manual_seed(0)
    network = backbone(CHANNELS, unit_length=unit_length).to(device, memory_format=memory_format)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, amsgrad=True)
    side = width - 2 * crop
    images = torch.randn(2 * pairs, 3, side, side).to(device)
    grid = warp_grids(width, crop, pairs, device)

    def step():
        scale = {"scale": network.unit_length.scale} if unit_length else {}
        value = loss(*network(images).chunk(2), grid, **scale)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value.item()

    return step


OURS = partial(DENSE_LOSSES["dense_correlation_loss_dve"], normalize_vectors=False)
RECIPE = partial(DENSE_LOSSES["dense_likelihood_loss_dve"], every=2, num_auxiliary=2)
LITERAL = partial(literal_loss, dve=True, normalize_vectors=False)
SUBJECT = Subject(
    "A training step: SmallNet 64-d with DVE, 32 pairs of 70x70, float32",
    {
        "literal": partial(make_step, LITERAL, torch.contiguous_format),
        "literal, memory kept": partial(make_step, LITERAL, torch.contiguous_format),
        "ours": partial(make_step, OURS, torch.channels_last),
        "likelihood": partial(make_step, RECIPE, torch.channels_last, unit_length=True),
        "literal, no loss": partial(make_step, no_loss, torch.contiguous_format),
        "ours, no loss": partial(make_step, no_loss, torch.channels_last),
    },
    ratios=(("literal", "ours"), ("literal, memory kept", "ours"), ("likelihood", "ours")),
    plain=("literal",),
    count=FRAMES[SmallNet][0],
    note='"Literal" is the loss written out pair by pair (`misc/benchmarking/literal_loss.py`), '
    'with memory as torch gets it, and, "memory kept", as all else here and the programs of the '
    'project keep it (`utils/allocator.py`); "likelihood" is the likelihood of every second cell, '
    'with two auxiliary images; "no loss" is the network alone, in the memory layout of each. '
    'Memory is that of the process, torch included; "added" leaves out what it held '
    "before the first step.",
)
HOURGLASS = Subject(
    "A training step: Hourglass 64-d with DVE, 16 pairs of 96x96, float32",
    {
        name: partial(make_step, loss, torch.channels_last, HourglassNet, unit_length)
        for name, loss, unit_length in (
            ("ours", DENSE_LOSSES["dense_correlation_loss_dve"], False),
            ("likelihood", RECIPE, True),
            ("ours, no loss", no_loss, False),
        )
    },
    ratios=(("likelihood", "ours"),),
    count=FRAMES[HourglassNet][0],
)
NUM_STEPS, BATCH, CELLS, LANDMARKS = 10, 32, 35, 5


def make_regressor_epoch(device):
    """Return a function that takes steps of a regressor over cached descriptors of SmallNet."""
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


REGRESSOR = Subject(
    f"The regressor: {NUM_STEPS} steps of {BATCH}, cached descriptors of SmallNet 64-d",
    {"regressor": make_regressor_epoch},
    count=NUM_STEPS * BATCH,
)
