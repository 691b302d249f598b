"""How the loss with DVE grows with the batch, the map and the dimension, one changed at a time."""

from functools import partial

from misc.benchmarking.loss import LOSSES, make_loss
from misc.benchmarking.subject import Subject

BATCHES, SIDES, DIMENSIONS = (8, 16, 32, 64), (48, 70, 96, 140), (3, 16, 32, 64)
BATCH, SIDE, DIMENSION, CROP = 16, 70, 64, 15


def _variant(batch=BATCH, side=SIDE, dimension=DIMENSION):
    name = f"{batch} pairs, {side}x{side}, {dimension}-d"
    size = batch, side + 2 * CROP, CROP
    return name, partial(make_loss, LOSSES["ours"], size, channels=dimension)


SUBJECT = Subject(
    "The loss alone, with DVE: batch, image size and dimension",
    dict(
        [_variant(batch=batch) for batch in BATCHES]
        + [_variant(side=side) for side in SIDES]
        + [_variant(dimension=dimension) for dimension in DIMENSIONS]
    ),
    note="Operations grow with the fourth power of the side, memory with its square.",
)
