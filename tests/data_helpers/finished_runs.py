"""Run folders of tiny networks that never trained: whole ones, in no time."""

import json

import torch

from tests.data_helpers.fabricated_runs import STAMP, log_text
from tests.data_helpers.tiny_runs import EMBEDDING, LANDMARKS, NUM_LANDMARKS, write_tiny_config
from trainer.parts import build_backbone, build_landmark_model
from utils.checkpoint.save_and_load import save_checkpoint
from utils.config.read import read_config


def epoch_lines(epoch, **values):
    """Return the messages of an epoch."""
    lines = {"epoch": epoch, **values}
    return [f"    {name:15s}: {value}" for name, value in lines.items()]


class FinishedRun:
    """A run ``<name>/<STAMP>`` below a save_dir, with all that a training leaves but pictures."""

    def __init__(self, save_dir, kind, root, name, stamp=STAMP, seed=0, **changes):
        self.models, self.log = (save_dir / part / name / stamp for part in ("models", "log"))
        self.config = self.models / "config.json"
        write_tiny_config(self.config, kind, root, save_dir, **changes)
        self.checkpoint = self.models / "checkpoint-epoch3.pth"
        self.results = self.models / "results.json"
        self._write_checkpoint(seed)
        self.write_log(*(line for epoch in (1, 2, 3) for line in epoch_lines(
            epoch, loss=4 / epoch, val_loss=3 / epoch, lr=0.1**epoch, images_per_s=20)))
        self.results.write_text(json.dumps({"same_identity_px": 1.25, "num_images": 8}))

    def _write_checkpoint(self, seed):
        torch.manual_seed(seed)
        config = read_config(self.config)
        model = (build_landmark_model(config, NUM_LANDMARKS) if config.is_landmark
                 else build_backbone(config))
        save_checkpoint(self.checkpoint, {"state_dict": model.state_dict(), "epoch": 3})

    def write_log(self, *messages):
        """Write an info.log of some messages."""
        self.log.mkdir(parents=True, exist_ok=True)
        (self.log / "info.log").write_text(log_text("start: from fresh weights", *messages))


def finished_embedding(save_dir, root, name="tiny-embedding", **changes):
    """Return a finished run of an embedding."""
    return FinishedRun(save_dir, EMBEDDING, root, name, **changes)


def finished_regressor(save_dir, root, name="tiny-keypoints", **changes):
    """Return a finished run of a landmark regressor."""
    return FinishedRun(save_dir, LANDMARKS, root, name, **changes)
