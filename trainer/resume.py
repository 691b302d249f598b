"""Decide what ``--resume`` means: fresh weights, a backbone's weights, or a continued run."""

import json
from dataclasses import dataclass
from pathlib import Path

from utils.checkpoint import continues_run, load_weights, read_checkpoint
from utils.config import flatten
from utils.distributed import World, was_restarted
from utils.errors import UserError, shown
from utils.foreign_checkpoint import backbone_state
from utils.mini_run import MINI
from utils.run import RunFolder, last_checkpoint, last_checkpoints, newest_checkpoint
from utils.wording import counted

AUTO = "auto"


@dataclass(frozen=True)
class StartingPoint:
    """Where a training starts: fresh weights, a backbone's weights out of a checkpoint, or the
    state of a run that is continued.

    path, checkpoint: what was read, if anything; sought: where "auto" found nothing to continue.
    """

    path: str | None = None
    checkpoint: dict | None = None
    continued: bool = False
    sought: str | None = None

    @classmethod
    def read(cls, config, resume, seeds=None, world=World()):
        """Read the checkpoint of ``--resume``, or else of the config's ``finetune_from``.

        Only ``--resume`` continues a run: if the checkpoint is of this config's. "auto" continues
        the newest run of this config that has one, among those of ``--mini_train`` or among the
        others. A run's folder stands for its last checkpoint. Processes that torchrun starts again
        go on where they were.
        """
        sought = None
        if was_restarted() and seeds is None:
            resume = world.agreed(_last_checkpoint(config) or resume)
        if resume == AUTO:
            resume = _newest(config)
            sought = None if resume else str(Path(config.trainer.save_dir) / "models" / config.name)
        path = resume or config.finetune_from
        if path is None:
            return cls(sought=sought)
        path = last_checkpoint(path)
        checkpoint = read_checkpoint(path)
        continued = resume is not None and continues_run(checkpoint, config.name)
        if continued and seeds is not None:
            raise UserError(
                f"--seeds: {resume} is a checkpoint of this run; "
                "one seed is continued at a time, without --seeds"
            )
        return cls(path, checkpoint, continued)

    def describe(self, config):
        """Return lines that say what happens."""
        if self.checkpoint is None:
            absent = f", nothing to continue below {self.sought}" if self.sought else ""
            return [f"start: from fresh weights{absent}"]
        path, epoch = self.path, self.checkpoint.get("epoch")
        if not self.continued:
            return [
                f"start: backbone weights of {path} (epoch {epoch}); training begins at epoch 1"
            ]
        step = self.checkpoint.get("step")
        where = f"epoch {epoch}" + (f" and {counted(step, 'step')}" if step else "")
        lines = [f"start: continuing {path} after {where}"]
        changed = self._changes(config)
        if changed:
            lines.append(
                f"start: not as in the checkpoint's config: {', '.join(changed)}; "
                "the state of optimizer and lr_scheduler, rates included, is the checkpoint's"
            )
        return lines

    def _changes(self, config):
        """Return "key = value (was value)" of what differs; seed and folder are the checkpoint's
        anyway.
        """
        before, now = flatten(self.checkpoint["config"]), flatten(config.raw)
        return [
            f"{key} = {_told(now, key)} (was {_told(before, key)})"
            for key in sorted((before.keys() | now.keys()) - {"seed", "trainer.save_dir"})
            if before.get(key) != now.get(key)
        ]

    def fill_backbone(self, backbone):
        """Give the backbone its weights, where there are any."""
        if self.checkpoint is not None:
            load_weights(backbone, backbone_state(self.checkpoint["state_dict"]), self.path)

    def seed(self, config):
        """Return the run's seed: the checkpoint's if it is continued, else the config's."""
        return self.checkpoint["seed"] if self.continued else config.seed

    def folder(self, config):
        """Return the run's folder.

        The checkpoint's own if it is continued there, else a new one.
        """
        own = RunFolder.of_checkpoint(self.path) if self.continued else None
        return own or RunFolder.new(config.trainer.save_dir, config.name)


def _told(flat, key):
    return shown(flat[key], json.dumps) if key in flat else "not set"


def _newest(config):
    """Return the path of the last checkpoint of a config's newest run, mini or not; or None."""
    for found in last_checkpoints(config.trainer.save_dir, config.name):
        if bool(read_checkpoint(found.path).get("mini_train")) == (config.limits is MINI):
            return str(found.path)
    return None


def _last_checkpoint(config):
    """Return the last checkpoint of the newest run of a config; None if that run has none."""
    found = newest_checkpoint(config.trainer.save_dir, config.name)
    runs = (Path(config.trainer.save_dir) / "models" / config.name).glob("*")
    return str(found.path) if found and found.path.parent == max(runs) else None
