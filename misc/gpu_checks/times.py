"""Milliseconds of the parts of a training step on a GPU, and their share of its arithmetic."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from misc.benchmarking import pairs, step
from misc.gpu_checks.numbers import value_and_gradients
from model import DENSE_LOSSES, SmallNet
from model.fused_loss import why_not_fused

SIDE_OF_MATRICES = 4096


def measure_times(findings, device, batch=32, side=70, repeats=20):
    """Time losses in each implementation, the network in both layouts, and the preparation."""
    maps = torch.randn(2, batch, 64, side // 2, side // 2, device=device)
    grid = step.warp_grids(side + 30, 15, batch, device)
    for name, loss in DENSE_LOSSES.items():
        for how in ["chunked"] + ["fused"] * (why_not_fused(device, channels=64) is None):
            findings.time(
                f"{name}, {how}, {batch} pairs",
                lambda: value_and_gradients(loss, maps, grid, implementation=how), repeats,
            )
    images = torch.randn(2 * batch, 3, side, side, device=device)
    for layout in (torch.contiguous_format, torch.channels_last):
        network = SmallNet(64).to(device, memory_format=layout)
        inputs = images.contiguous(memory_format=layout)
        findings.time(f"SmallNet forward and backward, {layout}",
                      lambda: network(inputs).square().mean().backward(), repeats)
    with FlopCounterMode(display=False) as counter:
        network(inputs).square().mean().backward()
    views = pairs.make_views(batch, device)
    findings.time("warps and augmentation", views, repeats)
    for name, variant in (("step", "ours"), ("step with the likelihood", "likelihood")):
        findings.time(name, step.SUBJECT.variants[variant](device), repeats)
    matrix = torch.randn(SIDE_OF_MATRICES, SIDE_OF_MATRICES, device=device)
    findings.time("product of matrices", lambda: matrix @ matrix, repeats)
    peak = 2 * SIDE_OF_MATRICES**3 / findings.milliseconds["product of matrices"]
    reached = counter.get_total_flops() / findings.milliseconds[
        f"SmallNet forward and backward, {torch.channels_last}"]
    print(f"     SmallNet reaches {100 * reached / peak:.0f} % of the product's float32 arithmetic")
