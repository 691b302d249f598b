"""The published recipes written out, by the path of a config alone: what a config must hold."""

import json
import re

from misc.generate_configs import CONFIGS
from misc.published import load_experiments

PUBLISHED = load_experiments()  # for the timestamps of what experiments start from

# Published recipes by family: learning rate, weight decay, batch size of SmallNet and Hourglass,
# epochs, the epochs after which the rate falls, save_period, early_stop.
RECIPES = {
    "embedding": (1e-3, 0, (32, 16), 100, [70, 90], 1, 10),
    "finetune": (1e-3, 0, (32, 16), 50, [30, 40], 25, 50),
    "landmarks": (1e-3, 5e-4, (32, 32), 300, [100, 250], 100, 300),
    "few annotations": (1e-2, 5e-4, (32, 32), 50, None, 50, 50),
}
DATA = {  # type, root, number of landmarks
    "celeba": ("CelebAPrunedAligned_MAFLVal", "data/celeba", 5),
    "mafl": ("MAFLAligned", "data/celeba", 5),
    "aflw": ("AFLW", "data/aflw/aflw_release-2", 5),
    "aflw-mtfl": ("AFLW_MTFL", "data/aflw-mtfl", 5),
    "300w": ("ThreeHundredW", "data/300w/300w", 68),
}
GEOMETRY = {"SmallNet": (100, 15), "HourglassNet": (136, 20)}  # imwidth, crop
SPHERES = ["sphere_colormap", "sphere_rand_proj_colormap"]
SPHERES_3D = ["sphere_colormap", "sphere_scatter3d", "sphere_norm_scatter3d"]


class Named:
    """What a config's path says of it."""

    def __init__(self, path):
        self.folder, self.stem = path.split("/")
        self.raw = json.loads((CONFIGS / f"{path}.json").read_text())
        self.data = re.match(r"celeba|mafl|aflw-mtfl|aflw|300w", self.folder)[0]
        self.model = re.search(r"(smallnet|hourglass)-.*", self.stem)[0]
        self.arch = "HourglassNet" if "hourglass" in self.stem else "SmallNet"
        self.dim = int(re.search(r"-(\d+)d", self.stem)[1])
        self.dve = self.stem.endswith("-dve")
        self.finetuned = "-ft-" in self.folder

    @property
    def family(self):
        if "limit-annos" in self.folder:
            return "few annotations"
        if self.folder.endswith("keypoints"):
            return "landmarks"
        return "finetune" if self.folder.endswith("-ft") else "embedding"

    @property
    def is_landmark(self):
        return self.folder.endswith("keypoints")


def expected_dataset(named):
    imwidth, crop = GEOMETRY[named.arch]
    kind, root, _ = DATA[named.data]
    args = {"root": root, "imwidth": imwidth, "crop": crop}
    if named.is_landmark:
        args.update(use_keypoints=True, do_augmentations=False)
    return {"type": kind, "args": args}


def expected_optimisation(named):
    lr, decay, batch_sizes, _, steps, _, _ = RECIPES[named.family]
    scheduler = {"type": "MultiStepLR", "args": {"gamma": 0.1, "milestones": steps}}
    if named.family == "embedding" and named.arch == "HourglassNet":
        scheduler = {"type": "StepLR", "args": {"gamma": 0.1, "step_size": 50}}
    adam = {"type": "Adam", "args": {"lr": lr, "weight_decay": decay, "amsgrad": True}}
    return {"optimizer": adam, "batch_size": batch_sizes[named.arch == "HourglassNet"],
            **({"lr_scheduler": scheduler} if steps else {})}


def expected_trainer(named):
    *_, epochs, _, save_period, early_stop = RECIPES[named.family]
    frequent = named.family == "landmarks" and named.data == "aflw-mtfl"
    monitored = named.family == "embedding" and named.arch == "HourglassNet"
    return {
        "epochs": epochs, "save_dir": "saved/", "log_dir": "saved/",
        "save_period": 1 if frequent else save_period, "verbosity": 2,
        "monitor": "min val_loss" if monitored else "off", "early_stop": early_stop,
        "tensorboardX": True,
    }


def expected_pictures(named):
    if named.family == "landmarks" and named.data != "aflw-mtfl":
        return ["keypoints_intermediate"]
    if named.family != "embedding":
        return []
    if named.arch == "HourglassNet":
        return ["sphere_colormap"]
    return SPHERES_3D if named.dim == 3 else SPHERES


def expected_start(named):
    if named.family == "embedding":
        return {}
    on_finetuned = named.is_landmark and named.finetuned
    name = f"{named.data}-ft-celeba-{named.model}" if on_finetuned else f"celeba-{named.model}"
    run_folder = f"data/saved/models/{name}/{PUBLISHED[name]['timestamp']}"
    return {"finetune_from": f"{run_folder}/checkpoint-epoch{50 if on_finetuned else 100}.pth"}


def expected_task(named):
    """What else belongs to learning descriptors, or to landmarks."""
    if not named.is_landmark:
        loss = {"loss": "dense_correlation_loss_dve" if named.dve else "dense_correlation_loss"}
        if named.family == "embedding" and named.arch == "SmallNet":
            loss.update(loss_args={"normalize_vectors": False}, bias_lr=1e-5)
        return loss
    regressor = {"num_annotated_points": DATA[named.data][2], "num_intermediate_points": 50,
                 "softargmax_mul": 100}
    return {
        "loss": "regression_loss", "loss_args": {"alpha": 10}, "metrics": ["inter_ocular_error"],
        "warp_val": False, "cache_descriptors": True,
        "keypoint_regressor": {"type": "IntermediateKeypointPredictor", "args": regressor},
    }


def expected_config(named):
    """Return all of a config, as published."""
    few = named.family == "few annotations"
    return {
        "n_gpu": 1,
        "arch": {"type": named.arch, "args": {"num_output_channels": named.dim}},
        "dataset": expected_dataset(named),
        "warper": {"type": "WarperSingle" if few else "Warper", "args": {}},
        "trainer": expected_trainer(named),
        "visualizations": expected_pictures(named),
        **expected_optimisation(named), **expected_start(named), **expected_task(named),
        **({"restrict_annos": int(named.stem.split("-annos-")[0])} if few else {}),
    }
