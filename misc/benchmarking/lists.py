"""Reading CelebA's lists at their true size: 202,599 rows each, and MAFL's names."""

import multiprocessing
import tempfile
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from data_loader.celeba import (
    LANDMARKS,
    NUM_IMAGES,
    NUM_MAFL,
    PARTITION,
    CelebAPrunedAligned_MAFLVal,
    MAFLAligned,
)
from misc.benchmarking.subject import Subject

LAST_OF_PARTITION = (162770, 182637, NUM_IMAGES)  # 0, 1 and 2, as published


def write_lists(root):
    """Write lists of the published sizes, landmarks anywhere."""
    numbers = np.arange(1, NUM_IMAGES + 1)
    names = [f"{n:06d}.jpg" for n in numbers]
    parts = np.searchsorted(LAST_OF_PARTITION, numbers)
    points = np.random.default_rng(0).integers(0, 178, (NUM_IMAGES, 10))
    header = " ".join(f"{axis}{k}" for k in range(5) for axis in "xy")
    rows = (f"{name} {' '.join(map(str, row))}" for name, row in zip(names, points))
    for path, lines in {
        PARTITION: (f"{name} {part}" for name, part in zip(names, parts)),
        LANDMARKS: chain([str(NUM_IMAGES), header], rows),
        "MAFL/training.txt": names[: NUM_MAFL["training"]],
        "MAFL/testing.txt": names[-NUM_MAFL["testing"] :],
    }.items():
        (root / path).parent.mkdir(exist_ok=True)
        with open(root / path, "w") as file:
            file.writelines(f"{line}\n" for line in lines)


def make_reader(dataset, device):
    """Return a function that reads the lists of the training split and returns its size."""
    folder = tempfile.TemporaryDirectory()
    # Written by another process, whose memory does not count.
    writer = multiprocessing.get_context("spawn").Process(
        target=write_lists, args=(Path(folder.name),)
    )
    writer.start()
    writer.join()

    def read():
        return len(dataset(folder.name, "train", imwidth=100, use_keypoints=True))

    return read


SUBJECT = Subject(
    "Reading CelebA's lists at full size: two of 202,599 rows, and MAFL's names",
    {d.__name__: partial(make_reader, d) for d in (CelebAPrunedAligned_MAFLVal, MAFLAligned)},
)
