"""A tiny data set of image files, tiny configs for it, and the programs run on them; fixtures of
these are in ``conftest.py``.
"""

import copy
import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
NUM_LANDMARKS = 3
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

# What the embedding and the regressor on it share: a 24 x 24 input, 12 x 12 cells.
SHARED = {
    "arch": {"type": "SmallNet", "args": {"num_output_channels": 8}},
    "dataset": {"type": "LandmarkFolder", "args": {"imwidth": 32, "crop": 4}},
    "batch_size": 4,
    "optimizer": {"type": "Adam", "args": {"lr": 0.001, "amsgrad": True}},
    "lr_scheduler": {"type": "MultiStepLR", "args": {"gamma": 0.1, "milestones": [1]}},
    "trainer": {"epochs": 3, "tensorboardX": False},
}
EMBEDDING = {
    **SHARED,
    "warper": {"type": "Warper", "args": {}},
    "bias_lr": 1e-5,
    "loss": "dense_correlation_loss_dve",
    "loss_args": {"normalize_vectors": False},
}
LANDMARKS = {
    **SHARED,
    "keypoint_regressor": {
        "type": "IntermediateKeypointPredictor",
        "args": {"num_intermediate_points": 5, "softargmax_mul": 100},
    },
    "cache_descriptors": True,
    "warp_val": False,
    "loss": "regression_loss",
    "loss_args": {"alpha": 10},
    "metrics": ["inter_ocular_error"],
}


@dataclass(frozen=True)
class Finished:
    """What a program left: exit code and what it printed."""

    code: int
    stdout: str
    stderr: str

    @property
    def run_folder(self):
        """The run folder of a training, as the program named it."""
        return Path(re.search(r"^run: (.+)$", self.stdout, re.MULTILINE)[1])


@dataclass(frozen=True)
class Trained:
    """A training that has run: its config, its run folder, what the program said."""

    config: Path
    folder: Path
    finished: Finished

    def checkpoint(self, epoch):
        """The path of a checkpoint."""
        return self.folder / f"checkpoint-epoch{epoch}.pth"

    @property
    def log_dir(self):
        """Where info.log and events lie."""
        models = next(folder for folder in self.folder.parents if folder.name == "models")
        return models.parent / "log" / self.folder.relative_to(models)

    @property
    def log(self):
        """The text of info.log."""
        return (self.log_dir / "info.log").read_text()


def write_image(path, seed, size=(40, 48)):
    """Write a smooth picture of some colours, (width, height) pixels."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize(size, Image.BICUBIC).save(path)


def write_landmark_folder(root, num_train, num_test):
    """Write images of 40 x 48 pixels and their landmarks.csv; returns the root."""
    places = np.random.default_rng(0).uniform(8, 32, (num_train + num_test, NUM_LANDMARKS * 2))
    lines = ["file,split," + ",".join(f"x{k},y{k}" for k in range(NUM_LANDMARKS))]
    for number, place in enumerate(places):
        split = "train" if number < num_train else "test"
        write_image(root / "images" / f"{number:03d}.jpg", number)
        lines.append(f"{number:03d}.jpg,{split}," + ",".join(f"{v:.2f}" for v in place))
    (root / "landmarks.csv").write_text("\n".join(lines) + "\n")
    return root


def write_tiny_config(path, kind, root, save_dir, **changes):
    """Write ``EMBEDDING`` or ``LANDMARKS`` for a data set's root, top-level keys changed."""
    config = copy.deepcopy({**kind, **changes})
    config["dataset"]["args"].setdefault("root", str(root))
    config["trainer"].setdefault("save_dir", str(save_dir))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))
    return path


def program_main(program):
    """Return ``main`` of a program at the top of the repository.

    By path: a plain ``import test`` may find the standard library's.
    """
    spec = importlib.util.spec_from_file_location(Path(program).stem + "_program", ROOT / program)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def run_real_program(program, *args):
    """Run a program as a user does, in a process of its own on one core of the CPU."""
    done = subprocess.run(
        [sys.executable, program, *map(str, args)],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Finished(done.returncode, done.stdout, done.stderr)
