"""Small copies of all published data sets, and stand-ins for published checkpoints, where configs
look for them.
"""

import numpy as np

from misc.published import SAVED, checkpoint_path
from tests.data_helpers.pictures import noise, save
from tests.data_helpers.published import save_published
from tests.data_helpers.published_layouts import (
    write_aflw,
    write_boxes,
    write_celeba,
    write_crop_table,
    write_mtfl_testing,
    write_pts,
)

NUM_TRAIN, NUM_TEST = 20, 4  # as many to train on as the most annotations of any config
TRAINING, TESTING = range(NUM_TRAIN), range(NUM_TRAIN, NUM_TRAIN + NUM_TEST)


def write_published_data(place):
    """Write a partial copy of each data set below ``place``/data."""
    data = place / "data"
    _write_celeba(data / "celeba")
    _write_aflw(data / "aflw/aflw_release-2")
    _write_aflw_mtfl(data / "aflw-mtfl")
    _write_300w(data / "300w/300w")


def write_stand_in(place, name, facts, network):
    """Write ``network`` as the published checkpoint of an experiment; returns its path."""
    path = place / SAVED / checkpoint_path(name, facts)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_published(path, network.state_dict(), epoch=facts["checkpoint_epoch"],
                   arch=type(network).__name__)
    return path


def _places(count, width, height, seed):
    """Return ``count`` points (x, y) well inside an image."""
    return np.random.default_rng(seed).uniform(0.25, 0.75, (count, 2)) * (width, height)


def _write_celeba(root):
    """CelebA's training images come first, then those to validate on, then MAFL's."""
    numbers = range(2 * (NUM_TRAIN + NUM_TEST))
    names = [f"{number + 1:06d}.jpg" for number in numbers]
    mafl = names[NUM_TRAIN + NUM_TEST:]
    for number, name in enumerate(names):
        save(noise(178, 218, number), root / "Img/img_align_celeba_hq" / name)
    partition = {name: 2 * (NUM_TRAIN <= number) for number, name in enumerate(names)}
    points = [tuple(_places(5, 178, 218, number).astype(int).ravel()) for number in numbers]
    write_celeba(root, partition, dict(zip(names, points)), mafl[:NUM_TRAIN], mafl[NUM_TRAIN:])


def _write_aflw(root):
    for part, numbers in (("train", TRAINING), ("test", TESTING)):
        names = [f"{number}.jpg" for number in numbers]
        for number, name in zip(numbers, names):
            save(noise(120, 110, number), root / "output" / name)
        points = [_places(5, 120, 110, number) for number in numbers]
        write_aflw(root, part, names, points, [(120, 110)] * len(names))


def _write_aflw_mtfl(root):
    table, testing = [], []
    for number in (*TRAINING, *TESTING):
        original, points = f"image{number}.jpg", _places(5, 150, 150, number) + 1
        if number in TRAINING:
            table.append((original, 1, f"crops/{number}.jpg", points))
            save(noise(150, 150, number), root / f"aflw_cropped/crops/{number}.jpg")
        else:
            table.append((original, 2, f"crops/{number}.jpg", points))
            testing.append((rf"AFLW\0-{original}", points))
            save(noise(150, 150, number), root / f"MTFL/AFLW/0-{original}")
    write_crop_table(root, table)
    write_mtfl_testing(root, testing)


def _write_300w(root):
    for folder, numbers in (
        ("afw", TRAINING), ("helen/trainset", ()), ("lfpw/trainset", ()),
        ("helen/testset", ()), ("lfpw/testset", TESTING), ("ibug", ()),
    ):
        boxes = [(f"image_{number:03d}.png", (31, 41, 90, 105)) for number in numbers]
        for number, (name, _) in zip(numbers, boxes):
            save(noise(130, 140, number), root / folder / name)
            write_pts(root / folder / name.replace(".png", ".pts"), _places(68, 130, 140, number))
        write_boxes(root, folder, boxes)
