"""The loss with DVE alone, value and gradient: against a literal one, and as its sizes grow."""

from functools import partial

import torch

from misc.benchmarking.literal_loss import literal_loss
from misc.benchmarking.step import RECIPE, warp_grids
from misc.benchmarking.subject import Subject
from model import DENSE_LOSSES

SIZES = {"SmallNet": (32, 100, 15), "Hourglass": (2, 136, 20)}  # pairs, imwidth, crop
CHANNELS, STRIDE = 64, 2
LOSSES = {
    "literal": partial(literal_loss, dve=True),
    "ours": DENSE_LOSSES["dense_correlation_loss_dve"],
    "likelihood": RECIPE,
}


def make_loss(loss, size, device, channels=CHANNELS):
    """Return a function that computes a loss and its gradient; size: pairs, imwidth, crop."""
    pairs, width, crop = size
    cells = (width - 2 * crop) // STRIDE
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, pairs, channels, cells, cells, generator=generator)
    maps = [m.to(device).requires_grad_() for m in maps]
    grid = warp_grids(width, crop, pairs, device)

    def run():
        value = loss(*maps, grid)
        torch.autograd.grad(value, maps)
        return value.item()

    return run


SUBJECT = Subject(
    "The loss alone, with DVE: 32 pairs of SmallNet's maps (64x35x35), 2 of Hourglass's (64x48x48)",
    {
        f"{network}, {name}": partial(make_loss, loss, size)
        for network, size in SIZES.items()
        for name, loss in LOSSES.items()
    },
    ratios=tuple((f"{size}, literal", f"{size}, ours") for size in SIZES),
    plain=tuple(f"{size}, literal" for size in SIZES),
    note="The literal loss has memory as torch gets it. Kept, as the programs of the project keep "
    "it, it is faster, and takes several times as much: see the steps. \"Likelihood\" is that of "
    "every second cell, with two auxiliary images.",
)
IMPLEMENTATIONS = Subject(
    "The loss alone, with DVE, on one device: Triton kernels (fused) and chunks",
    {
        f"{network}, {loss}, {name}": partial(
            make_loss, partial(LOSSES[loss], implementation=name), size
        )
        for network, size in SIZES.items()
        for loss in ("ours", "likelihood")
        for name in ("chunked", "fused")
    },
    ratios=tuple(
        (f"{size}, {loss}, chunked", f"{size}, {loss}, fused")
        for size in SIZES
        for loss in ("ours", "likelihood")
    ),
    note="The kernels take a GPU.",
)
SIDE, CROP = 70, 15
GROWING = [  # pairs, side, dimension: one changed at a time
    *((pairs, SIDE, CHANNELS) for pairs in (8, 16, 32, 64)),
    *((16, side, CHANNELS) for side in (48, SIDE, 96, 140)),
    *((16, SIDE, channels) for channels in (3, 16, 32, CHANNELS)),
]
SCALING = Subject(
    "The loss alone, with DVE: batch, image size and dimension",
    {
        f"{pairs} pairs, {side}x{side}, {channels}-d": partial(
            make_loss, LOSSES["ours"], (pairs, side + 2 * CROP, CROP), channels=channels
        )
        for pairs, side, channels in GROWING
    },
    note="Operations grow with the fourth power of the side, memory with its square.",
)
