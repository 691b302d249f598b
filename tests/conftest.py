"""Fixtures: a tiny data set of image files, tiny configs for it, and the programs run on them."""

import os
import random
import signal
import sys

import pytest
import torch

from tests.data_helpers.run_contents import root_of
from tests.data_helpers.tiny_runs import (
    EMBEDDING,
    LANDMARKS,
    Finished,
    Trained,
    program_main,
    run_real_program,
    write_landmark_folder,
    write_tiny_config,
)
from utils import cli


def pytest_configure():
    """Take one thread for each process, since several test at a time (``pytest -n auto``), or as
    many as OMP_NUM_THREADS says: programs that the tests start always take one.

    And heed Ctrl-C also where a shell started the tests in the background, which ignores it.
    Programs that the tests start inherit that, and some tests interrupt them.
    """
    torch.set_num_threads(int(os.environ.setdefault("OMP_NUM_THREADS", "1")))
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--shuffle", type=int, metavar="SEED",
                     help="run the tests in a random order, the same one for the same seed")


def pytest_collection_modifyitems(config, items):
    seed = config.getoption("--shuffle")
    if seed is not None:
        random.Random(seed).shuffle(items)


@pytest.fixture(autouse=True)
def seeded():
    """Random numbers of a test are its own, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def landmark_folder(tmp_path_factory):
    """A data set's root: 16 images to train on, 8 to test, three landmarks each."""
    return write_landmark_folder(tmp_path_factory.mktemp("data") / "faces", 16, 8)


@pytest.fixture
def embedding_config(landmark_folder, tmp_path):
    """Return a function of top-level changes that writes the config of an embedding."""

    def write(root=landmark_folder, name="embedding", **changes):
        path = tmp_path / "configs" / "tiny" / f"{name}.json"
        return write_tiny_config(path, EMBEDDING, root, tmp_path / "saved", **changes)

    return write


@pytest.fixture
def landmark_config(landmark_folder, tmp_path):
    """Return a function of top-level changes that writes the config of a landmark regressor."""

    def write(root=landmark_folder, **changes):
        path = tmp_path / "configs" / "tiny-keypoints" / "regressor.json"
        return write_tiny_config(path, LANDMARKS, root, tmp_path / "saved", **changes)

    return write


@pytest.fixture(scope="session")
def run_program():
    """Return a function that runs a program as a process."""
    return run_real_program


@pytest.fixture
def one_thread():
    """Sums are taken in the order in which ``run_program`` takes them, whatever the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def call_program(monkeypatch, capsys, one_thread):
    """Return a function that runs a program in this process, which saves its start-up time."""

    def call(program, *args):
        monkeypatch.setattr(sys, "argv", [program, *map(str, args)])
        capsys.readouterr()
        code = cli.run_program(program_main(program))
        return Finished(code, *capsys.readouterr())

    return call


@pytest.fixture
def train(call_program, tmp_path):
    """Return a function that trains in this process, below a folder of its own each time."""
    numbers = iter(range(100))

    def run_training(config, *args, code=0):
        save_dir = tmp_path / f"saved-{next(numbers)}"
        finished = call_program(
            "train.py", "--config", config, "--set", f"trainer.save_dir={save_dir}", *args
        )
        assert finished.code == code, finished.stderr
        return Trained(config, finished.run_folder, finished)

    return run_training


@pytest.fixture(scope="session")
def trained_embedding(tmp_path_factory):
    """An embedding that a process trained for three epochs of 12 steps without interruption."""
    place = tmp_path_factory.mktemp("embedding")
    root = write_landmark_folder(place / "faces", 48, 8)
    path = place / "configs" / "tiny" / "embedding.json"
    config = write_tiny_config(path, EMBEDDING, root, place / "saved")
    finished = run_real_program("train.py", "--config", config)
    assert finished.code == 0, finished.stderr
    return Trained(config, finished.run_folder, finished)


@pytest.fixture(scope="session")
def regressor(trained_embedding, tmp_path_factory):
    """A landmark regressor that a process fitted on the embedding."""
    place = tmp_path_factory.mktemp("regressor")
    config = write_tiny_config(
        place / "configs" / "tiny-keypoints" / "regressor.json", LANDMARKS,
        root_of(trained_embedding), place / "saved",
    )
    finished = run_real_program("train.py", "--config", config, "--resume",
                                trained_embedding.checkpoint(3))
    assert finished.code == 0, finished.stderr
    return Trained(config, finished.run_folder, finished)


@pytest.fixture
def locked(monkeypatch):
    """Return a function that makes a folder that cannot be read, not even by root."""
    folders = set()

    def refusing(read):
        def refused(path):
            if os.fspath(path) in folders:
                raise PermissionError(13, "Permission denied", os.fspath(path))
            return read(path)

        return refused

    def lock(folder):
        folder.mkdir(exist_ok=True)
        folders.add(str(folder))
        return folder

    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    return lock
