"""Run folders as trainings leave them, without any training."""

import json

from misc.published import CONFIGS

STAMP = "2026-01-01_12-00-00"
EVALUATED = {  # folder of configs -> data set and number of images of the published evaluation
    "celeba": ("MAFLAligned", 1000),
    "mafl-keypoints": ("MAFLAligned", 1000),
    "aflw-ft": ("AFLW", 2990),
    "aflw-keypoints": ("AFLW", 2991),
    "aflw-ft-keypoints": ("AFLW", 2991),
    "aflw-mtfl-ft": ("AFLW_MTFL", 2994),
    "aflw-mtfl-keypoints": ("AFLW_MTFL", 2995),
    "aflw-mtfl-ft-keypoints": ("AFLW_MTFL", 2995),
    "aflw-mtfl-limit-annos-ft-keypoints": ("AFLW_MTFL", 2995),
    "300w-ft": ("ThreeHundredW", 688),
    "300w-keypoints": ("ThreeHundredW", 689),
}


def matching(same, different):
    """Return the figures of an embedding."""
    return {"same_identity_px": same, "different_identity_px": different}


def landmarks(error):
    """Return the figure of a landmark regressor."""
    return {"inter_ocular_error_pct": error}


def read_config(config):
    """Return a committed config, ``<folder>/<name>``, as JSON holds it."""
    return json.loads((CONFIGS / f"{config}.json").read_text())


def own_log(origin=None, epoch=None, device="cpu", rates=(), tail=()):
    """Return the info.log of a training of this project."""
    start = "from fresh weights"
    if origin:
        start = f"backbone weights of {origin} (epoch {epoch}); training begins at epoch 1"
    messages = [f"start: {start}", f"device: {device}, seed: 0"]
    for number, rate in enumerate(rates, 1):
        messages += [f"    epoch          : {number}", "    loss           : 1.5",
                     "    val_inter_ocular_error: 77.5", f"    images_per_s   : {rate}"]
    return log_text(*messages, *tail)


def log_text(*messages, logger="dve"):
    """Return messages as the lines of a log."""
    return "".join(f"2026-01-01 12:00:00,123 - {logger} - INFO - {m}\n" for m in messages)


class SaveDir:
    """A save_dir to fill."""

    def __init__(self, root):
        self.root = root

    def place(self, config, stamp=STAMP, seed=None):
        """Return a run's path below models/ and log/."""
        return f"{config.replace('/', '-')}/{stamp}" + ("" if seed is None else f"/seed-{seed}")

    def write(self, kind, place, name, content):
        """Write a text, or plain data as JSON, into a run's folder; returns its path."""
        path = self.root / kind / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def checkpoint(self, config, epoch, stamp=STAMP, seed=None, **changes):
        """Add a checkpoint, and config.json with top-level changes; returns its path."""
        place = self.place(config, stamp, seed)
        self.write("models", place, "config.json",
                   {**read_config(config), "seed": seed or 0, **changes})
        return self.write("models", place, f"checkpoint-epoch{epoch}.pth", "weights")

    def finish(self, config, figures, stamp=STAMP, seed=None, log=None, changes=None, **results):
        """Add a finished run, in the published protocol but for ``results`` and, in its config,
        ``changes``; returns the path of its checkpoint.
        """
        epochs = read_config(config)["trainer"]["epochs"]
        epoch = results.pop("epoch", epochs)
        checkpoint = self.checkpoint(config, epoch, stamp, seed, **changes or {})
        dataset, num_images = EVALUATED[config.partition("/")[0]]
        place = self.place(config, stamp, seed)
        self.write("models", place, "results.json", {
            **figures, "dataset": dataset, "split": "test", "num_images": num_images,
            "partial": [], "checkpoint": str(checkpoint), "seed": seed or 0, **results,
        })
        self.write("log", place, "info.log", log or own_log())
        return checkpoint
