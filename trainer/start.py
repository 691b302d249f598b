"""Where a training begins."""

from dataclasses import dataclass

from utils.checkpoint import continues_run, load_weights, read_checkpoint
from utils.foreign_checkpoint import backbone_state
from utils.run import RunFolder, last_checkpoint, newest_checkpoint
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

    @classmethod
    def read(cls, config, resume):
        """Read ``--resume``, or else the config's ``finetune_from``.

        Only ``--resume`` continues a run; "auto" is the newest of this config, if there is any. Of
        a run's folder the last checkpoint is read.
        """
        if resume == AUTO:
            found = newest_checkpoint(config.trainer.save_dir, config.name)
            resume = found and str(found.path)
        path = resume or config.experiment.finetune_from
        if path is None:
            return cls()
        path = last_checkpoint(path)
        checkpoint = read_checkpoint(path)
        return cls(path, checkpoint, resume is not None and continues_run(checkpoint, config.name))

    def describe(self, config):
        """Return lines that say what happens."""
        if self.checkpoint is None:
            return ["start: from fresh weights"]
        path, epoch = self.path, self.checkpoint.get("epoch")
        if not self.continued:
            return [
                f"start: backbone weights of {path} (epoch {epoch}); training begins at epoch 1"
            ]
        step = self.checkpoint.get("step")
        where = f"epoch {epoch}" + (f" and {counted(step, 'step')}" if step else "")
        lines = [f"start: continuing {path} after {where}"]
        changed = self._changed_keys(config)
        if changed:
            lines.append(
                f"start: {', '.join(changed)} differ from the checkpoint's config; "
                "the state of optimizer and lr_scheduler, rates included, is the checkpoint's"
            )
        return lines

    def _changed_keys(self, config):
        """Return the top-level keys whose values differ; the seed is the checkpoint's anyway."""
        before, now = self.checkpoint["config"], config.raw
        keys = (before.keys() | now.keys()) - {"seed"}
        return sorted(key for key in keys if before.get(key) != now.get(key))

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
