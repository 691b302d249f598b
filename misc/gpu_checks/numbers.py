"""Everything that a training and an evaluation compute, on a GPU and on the CPU in float64."""

import inspect
from functools import partial

import torch

from base.precision import Precision, fast_precisions
from data_loader.augmentation import Augmentation, augment_pair
from model import BACKBONES, DENSE_LOSSES, IntermediateKeypointPredictor
from model.fused_loss import why_not_fused
from model.matching import cosine_at_pixels, match_landmarks
from utils.geometry.warper import Warper
from utils.keyed_random import sample_keys

CPU = torch.device("cpu")
CHANNELS, SIDES = (3, 16, 32, 48, 64, 100, 128), (23, 24, 35)  # of maps
# Largest relative errors: rounding of float32 in sums of some 1000 numbers, and of 8 and 11 bits.
EXACT, PRODUCTS = 1e-5, 1e-4
# Coefficients of JPEG halfway between two steps, many in noise, are rounded to either: two orders
# of the same sums differ by 0.5 to 0.7 %.
JPEG = 3e-2
NETWORKS = {"float32": 1e-4, "tfloat32": 1e-2, "float16": 2e-2, "bfloat16": 1e-1}


def check_images(findings, device, pairs, width):
    """Compare warps and augmentation of a batch; returns its views on the CPU."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (pairs, 3, width, width), dtype=torch.uint8, generator=generator)
    points = width * torch.rand(pairs, 5, 2, generator=generator)
    keys = sample_keys(0, 1, torch.arange(pairs))
    warper = Warper(width, width, width // 7)
    draws = warper.draw_keyed(keys)
    here, there = (warper(images.to(d), points.to(d), draws) for d in (CPU, device))
    for name, tolerance in (("grid_1to2", EXACT), ("first", 1e-2), ("keypts_second", 1e-2)):
        found, expected = (getattr(pair, name).float() for pair in (there, here))
        findings.compare(f"warp: {name}", lambda: found, expected, tolerance)
    drawn = Augmentation.draw(keys, range(2), warper.side)
    canvases = [augmentation.canvas for augmentation in drawn]

    def augmented(where):
        views = [view.to(where) for view in (here.first, here.second)]
        return augment_pair(views, [one.numbers.to(where) for one in drawn], canvases)

    expected = augmented(CPU)
    findings.compare("augmentation", lambda: augmented(device), expected, JPEG)
    return expected


def check_networks(findings, device, views):
    """Compare both networks in every precision that the device is fast in."""
    for name, kind in BACKBONES.items():
        torch.manual_seed(0)
        network, exact = kind(num_output_channels=64), kind(num_output_channels=64).double()
        exact.load_state_dict(network.state_dict())
        inputs = views[:2]
        expected = exact(inputs.double())
        network = network.to(device, memory_format=torch.channels_last)
        for precision in ("float32", *fast_precisions(device)):
            def compute():
                with Precision(precision, device).network():
                    return network(inputs.to(device))

            findings.compare(f"{name}, {precision}", compute, expected, NETWORKS[precision])


def value_and_gradients(loss, maps, grid, **arguments):
    """Return a loss of two maps, and its gradients."""
    maps = [desc.clone().requires_grad_() for desc in maps]
    value = loss(*maps, grid, **arguments)
    return value, *torch.autograd.grad(value, maps)


def check_losses(findings, device, channels=CHANNELS, sides=SIDES):
    """Compare values and gradients of all dense losses at odd sizes, in each implementation."""
    generator = torch.Generator().manual_seed(0)
    for count in channels:
        reason = why_not_fused(device, channels=count)
        if reason is not None:
            print(f"     not fused, {count}-d: {reason}")
        for side in sides:
            maps = torch.randn(2, 2, count, side, side, generator=generator, dtype=torch.float64)
            maps *= min(1, 8 / count**0.5)
            grid = 2.4 * torch.rand(2, 2 * side, 2 * side, 2, generator=generator) - 1.2
            for name, loss in DENSE_LOSSES.items():
                if "normalize_vectors" in inspect.signature(loss).parameters:
                    loss = partial(loss, normalize_vectors=False)  # which would add rounding
                expected = value_and_gradients(loss, maps, grid, implementation="chunked")
                for how in ["chunked"] + ["fused"] * (reason is None):
                    findings.compare(
                        f"{name}, {how}, {count}-d, {side}x{side}",
                        lambda: value_and_gradients(
                            loss, maps.float().to(device), grid.to(device), implementation=how
                        ),
                        expected,
                        PRODUCTS,
                    )


def check_landmarks(findings, device):
    """Compare the regressor, and matches in both protocols."""
    torch.manual_seed(0)
    regressor = IntermediateKeypointPredictor(64, 5, 50, softargmax_mul=100)
    source, target = torch.randn(2, 4, 64, 12, 12)
    expected = regressor.double()(source.double())
    regressor = regressor.float().to(device)
    findings.compare("regressor", lambda: regressor(source.to(device)), expected, 1e-3)
    points = 22 * torch.rand(4, 5, 2)

    def matched(where, prepare, stride):
        maps = [prepare(desc.to(where)) for desc in (source, target)]
        return match_landmarks(maps[0], points.to(where), maps[1], stride).float()

    for name, prepare, stride in (
        ("published", lambda desc: desc, 2),
        ("cosine", lambda desc: cosine_at_pixels(desc, 2, (24, 24)), 1),
    ):
        expected = matched(CPU, prepare, stride)
        findings.compare(f"matching, {name}", lambda: matched(device, prepare, stride), expected, 0)
