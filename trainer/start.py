"""Where a training begins."""

from dataclasses import dataclass

from utils.checkpoint import continues_run, load_weights, read_checkpoint
from utils.foreign_checkpoint import backbone_state
from utils.run import RunFolder


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

        Only ``--resume`` continues a run.
        """
        path = resume or config.experiment.finetune_from
        if path is None:
            return cls()
        checkpoint = read_checkpoint(path)
        return cls(path, checkpoint, resume is not None and continues_run(checkpoint, config.name))

    def describe(self):
        """Say in a line what happens."""
        if self.checkpoint is None:
            return "start: from fresh weights"
        epoch = self.checkpoint.get("epoch")
        if self.continued:
            return f"start: continuing {self.path} after epoch {epoch}"
        return f"start: backbone weights of {self.path} (epoch {epoch}); training begins at epoch 1"

    def fill_backbone(self, backbone):
        """Give the backbone its weights, where there are any."""
        if self.checkpoint is not None:
            load_weights(backbone, backbone_state(self.checkpoint["state_dict"]), self.path)

    def folder(self, config):
        """Return the run's folder.

        The checkpoint's own if it is continued there, else a new one.
        """
        own = RunFolder.of_checkpoint(self.path) if self.continued else None
        return own or RunFolder.new(config.trainer.save_dir, config.name)
