"""Where a training begins."""

import json
from dataclasses import dataclass
from pathlib import Path

from utils.checkpoint import continues_run, load_weights, read_checkpoint
from utils.config import flatten
from utils.errors import shown
from utils.foreign_checkpoint import backbone_state
from utils.run import RunFolder, last_checkpoint, last_checkpoints
from utils.wording import counted

AUTO = "auto"


@dataclass(frozen=True)
class Start:
    """Fresh weights, the backbone's weights of some checkpoint, or the state after an epoch of the
    same run.
    """

    path: str | None = None
    checkpoint: dict | None = None
    continued: bool = False
    sought: str | None = None  # where "auto" found nothing to continue

    @classmethod
    def read(cls, config, resume, small=False):
        """Read ``--resume``, or else the config's ``finetune_from``.

        Only ``--resume`` continues a run; "auto" is the newest of this config, if there is any, of
        the small ones (--mini_train) or of the others. Of a run's folder the last checkpoint is
        read.
        """
        sought = None
        if resume == AUTO:
            resume = _newest(config, small)
            sought = None if resume else str(Path(config.trainer.save_dir) / "models" / config.name)
        path = resume or config.experiment.finetune_from
        if path is None:
            return cls(sought=sought)
        path = last_checkpoint(path)
        checkpoint = read_checkpoint(path)
        return cls(path, checkpoint, resume is not None and continues_run(checkpoint, config.name))

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
        return self.checkpoint["seed"] if self.continued else config.experiment.seed

    def folder(self, config):
        """Return the run's folder.

        The checkpoint's own if it is continued there, else a new one.
        """
        own = RunFolder.of_checkpoint(self.path) if self.continued else None
        return own or RunFolder.new(config.trainer.save_dir, config.name)


def _told(flat, key):
    return shown(flat[key], json.dumps) if key in flat else "not set"


def _newest(config, small):
    """Return the path of the last checkpoint of a config's newest run, small or not; or None."""
    for found in last_checkpoints(config.trainer.save_dir, config.name):
        if bool(read_checkpoint(found.path).get("mini_train")) == small:
            return str(found.path)
    return None
