"""What was published of each experiment, and what a config of ours comes to, in the same shape.

``published_values.json`` holds the values that the published configs give; where they are silent,
``DEFAULTS`` are what the published code took.
"""

import inspect
import json
import re
from dataclasses import fields
from pathlib import Path

from data_loader import DATASETS
from misc.published import CONFIGS
from utils.config.keys import Experiment
from utils.config.read import check_config

VALUES = json.loads(Path(__file__).parents[1].joinpath("published_values.json").read_text())
DATASET_DEFAULTS = {"use_keypoints": False, "do_augmentations": True, "use_hq_ims": True,
                    "val_split": "celeba"}
DEFAULTS = {"loss_args": {}, "metrics": [], "visualizations": [], "warper": None, "bias_lr": None,
            "keypoint_regressor": None, "keypoint_regressor_upsample": False, "warp_val": True,
            "cache_descriptors": False, "restrict_annos": None, "finetune_from": None}
ROOTS = {
    "CelebAPrunedAligned_MAFLVal": "data/celeba",
    "MAFLAligned": "data/celeba",
    "AFLW": "data/aflw/aflw_release-2",
    "AFLW_MTFL": "data/aflw-mtfl",
    "ThreeHundredW": "data/300w/300w",
}
NUM_LANDMARKS = {"ThreeHundredW": 68}  # of the others 5
CELEBA_ONLY = ("use_hq_ims", "val_split")  # nothing else ever read them


class Named:
    """One of our configs, and what its path says of it."""

    def __init__(self, path):
        self.folder, self.stem = path.split("/")
        self.raw = json.loads((CONFIGS / f"{path}.json").read_text())
        self.published = VALUES[f"{self.folder}-{self.stem}"]
        self.data = re.match(r"celeba|mafl|aflw-mtfl|aflw|300w", self.folder)[0]
        self.arch = "HourglassNet" if "hourglass" in self.stem else "SmallNet"
        self.dim = int(re.search(r"-(\d+)d", self.stem)[1])
        self.dve = self.stem.endswith("-dve")
        self.is_landmark = self.folder.endswith("keypoints")

    @property
    def experiment(self):
        return check_config(self.stem, self.raw)


def published(named):
    """Return all values of a published experiment, the published code's defaults among them."""
    values = {**DEFAULTS, **named.published}
    dataset = {**DATASET_DEFAULTS, **values["dataset_args"], "root": ROOTS[values["dataset"]]}
    if "celeba" not in dataset["root"]:
        dataset = {name: dataset[name] for name in dataset if name not in CELEBA_ONLY}
    return {**values, "dataset_args": dataset}


def in_effect(named):
    """Return the same of our config: what it gives, and the defaults of what reads it."""
    experiment = named.experiment
    dataset = experiment.dataset
    taken = inspect.signature(DATASETS[dataset["type"]]).bind(split="train", **dataset["args"])
    taken.apply_defaults()
    shared = {name: getattr(experiment, name) for name in ("batch_size", "loss", *DEFAULTS)}
    regressor, warper = experiment.keypoint_regressor, experiment.warper
    trainer = experiment.trainer
    return {
        **shared,
        "arch": [experiment.arch["type"], experiment.arch["args"]],
        "dataset": dataset["type"],
        "dataset_args": {name: taken.arguments[name] for name in published(named)["dataset_args"]},
        "warper": warper and warper["type"],
        "optimizer": [experiment.optimizer["type"], experiment.optimizer["args"]],
        "lr_scheduler": [experiment.lr_scheduler["type"], experiment.lr_scheduler["args"]],
        "keypoint_regressor": regressor and regressor["args"],
        "epochs": trainer.epochs, "save_period": trainer.save_period, "monitor": trainer.monitor,
    }


def keys_of_our_own(named):
    """Return the keys of a config that no published one has, and the data set's arguments."""
    known = {"n_gpu", "arch", "dataset", "optimizer", "lr_scheduler", "trainer", "loss",
             "batch_size", *DEFAULTS}
    arguments = {"root", "imwidth", "crop", *DATASET_DEFAULTS}
    assert known - {"n_gpu"} <= {key.name for key in fields(Experiment)}
    return named.raw.keys() - known | named.raw["dataset"]["args"].keys() - arguments
