"""Training from images that are on the device already: warps, augmentation and steps, beside the
steps alone.
"""

from functools import partial
from itertools import product

import torch

from data_loader.augmentation import augment
from misc.benchmarking.step import CHANNELS, FRAMES, OURS
from misc.benchmarking.subject import Subject
from model import SmallNet
from utils.geometry.warper import Warper
from utils.keyed_random import sample_keys

_, WIDTH, CROP = FRAMES[SmallNet]
NUM_PAIRS, BATCHES = 128, (32, 128)


def make_views(batch, device):
    """Return a function without arguments that returns both augmented views of a batch of images,
    and the grid between them.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (NUM_PAIRS, 3, WIDTH, WIDTH)
    cache = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).to(device)
    no_points = torch.zeros(batch, 0, 2, device=device)
    warper = Warper(WIDTH, WIDTH, CROP)

    def views():
        index = torch.randperm(NUM_PAIRS, generator=generator)[:batch]
        keys = sample_keys(0, 1, index)
        pair = warper(cache[index.to(device)], no_points, warper.draw_keyed(keys))
        both = [augment(view, keys, n) for n, view in enumerate((pair.first, pair.second))]
        return torch.cat(both).contiguous(memory_format=torch.channels_last), pair.grid_1to2

    return views


def make_training(batch, precision, end_to_end, device):
    """Return a function that trains on as many pairs as there are images."""
    torch.manual_seed(0)
    network = SmallNet(CHANNELS).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, amsgrad=True)
    views = make_views(batch, device)
    ready = views()

    def train():
        for _ in range(NUM_PAIRS // batch):
            images, grid = views() if end_to_end else ready
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                first, second = network(images).chunk(2)
            value = OURS(first, second, grid)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        return value.item()

    return train


KINDS = list(product(BATCHES, ("float32", "bfloat16")))
NAME = "batches of {}, {}, {}".format
WHOLE, STEPS = "from the cache on the device", "steps alone"
SUBJECT = Subject(
    f"Training on {NUM_PAIRS} pairs, SmallNet 64-d with DVE: cache on the device, warps, "
    "augmentation, steps",
    {
        NAME(*kind, what): partial(make_training, *kind, what == WHOLE)
        for kind in KINDS
        for what in (WHOLE, STEPS)
    },
    ratios=tuple((NAME(*kind, STEPS), NAME(*kind, WHOLE)) for kind in KINDS),
    count=NUM_PAIRS,
    note="A ratio near 1 says that images, warps and augmentation take next to no time.",
)
