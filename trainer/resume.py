"""Decide what ``--resume`` means: fresh weights, a backbone's weights, or a continued run."""

import json
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from utils.checkpoint.find import last_of_run, newest_of_config, run_folders
from utils.checkpoint.parts import backbone_state
from utils.checkpoint.save_and_load import continues_run, load_weights, read_checkpoint
from utils.config.mini_run import MINI
from utils.config.read import flatten
from utils.disk import parent_folder, remove_leftovers
from utils.distributed import World, was_restarted
from utils.errors import ConfigError, UserError, shown
from utils.run_folder import RunFolder, no_folder
from utils.run_lock import LOCK, locked_run, one_at_a_time, owner_of
from utils.text import counted

AUTO = "auto"


@contextmanager
def start_run(config, resume, seeds, world):
    """Yield the ``StartingPoint`` of a training and its ``RunFolder``, locked until the end.

    seeds: None, or the seeds of several trainings with the same starting point.
    """
    save_dir = Path(config.trainer.save_dir)
    with ExitStack() as until_end:

        def choose_and_lock():
            models, logs = (save_dir / part / config.name for part in ("models", "log"))
            try:
                until_end.enter_context(parent_folder(models / "a run"))
            except OSError as error:
                raise no_folder(error) from error
            with one_at_a_time(models):  # of two processes, the second finds the first's run locked
                start = StartingPoint.read(config, resume, seeds)
                if resume == AUTO:
                    for folder in run_folders(save_dir, config.name):
                        remove_leftovers(folder)
                        remove_leftovers(logs / folder.name / "pictures")
                folder = start.folder(config)
                until_end.enter_context(locked_run(folder, seeds))
            return start, folder

        yield world.from_main(choose_and_lock)


@dataclass(frozen=True)
class StartingPoint:
    """Where a training starts: fresh weights, weights of a backbone, or the state of a run.

    path, checkpoint: the checkpoint that was read, or None.
    continued: whether its run is continued, instead of only taking the backbone's weights.
    sought: where "auto" found no run to continue, or None.
    """

    path: str | None = None
    checkpoint: dict | None = None
    continued: bool = False
    sought: str | None = None

    @classmethod
    def read(cls, config, resume, seeds=None, world=World()):
        """Return the starting point that ``--resume``, or else ``finetune_from``, names.

        resume: None; a checkpoint, or a run's folder, which stands for its last checkpoint; or
        "auto", the newest run of this config, which counts only runs of ``--mini_train`` if that
        is set, else only others. A run is continued if the checkpoint is of a run of this config.
        Processes that torchrun has restarted continue their own run.
        """
        sought = None
        if was_restarted() and seeds is None:
            resume = world.agreed(_last_before_restart(config) or resume)
        if resume == AUTO:
            resume = _newest_run(config)
            sought = None if resume else str(Path(config.trainer.save_dir) / "models" / config.name)
        path = resume or config.finetune_from
        if path is None:
            return cls(sought=sought)
        try:
            path = last_of_run(path)
            checkpoint = read_checkpoint(path)
        except UserError as error:
            raise error if resume else ConfigError(f"finetune_from = {error}") from error
        continued = resume is not None and continues_run(checkpoint, config.name)
        if continued and seeds is not None:
            raise UserError(
                f"--seeds: {resume} is a checkpoint of this run; "
                "one seed is continued at a time, without --seeds"
            )
        return cls(path, checkpoint, continued)

    def folder(self, config, new=RunFolder.new):
        """Return the ``RunFolder`` of the training.

        That of the continued run; if "auto" found none, that of a run killed before its first
        checkpoint; else ``new(save_dir, name)``.
        """
        own = RunFolder.of_checkpoint(self.path) if self.continued else None
        if own is None and self.sought:
            own = _killed_at_once(config)
        return own or new(config.trainer.save_dir, config.name)

    def seed(self, config):
        """Return the seed of the training: the continued run's, or the config's."""
        return self.checkpoint["seed"] if self.continued else config.seed

    def load_backbone(self, backbone):
        """Load the checkpoint's weights, if there is one, into a backbone."""
        if self.checkpoint is not None:
            load_weights(backbone, backbone_state(self.checkpoint["state_dict"]), self.path)

    def describe(self, config):
        """Return lines for the log."""
        if self.checkpoint is None:
            absent = f", nothing to continue below {self.sought}" if self.sought else ""
            return [f"start: from fresh weights{absent}"]
        path, epoch = self.path, self.checkpoint.get("epoch")
        if not self.continued:
            after = "" if epoch is None else f" (epoch {epoch})"
            return [f"start: backbone weights of {path}{after}; training begins at epoch 1"]
        step = self.checkpoint.get("step")
        where = f"epoch {epoch}" + (f" and {counted(step, 'step')}" if step else "")
        lines = [f"start: continuing {path} after {where}"]
        before, now = flatten(self.checkpoint["config"]), flatten(config.raw)

        def written(flat, key):
            return shown(flat[key], json.dumps) if key in flat else "not set"

        changed = [
            f"{key} = {written(now, key)} (was {written(before, key)})"
            for key in sorted((before.keys() | now.keys()) - {"seed", "trainer.save_dir"})
            if before.get(key) != now.get(key)
        ]
        if changed:
            lines.append(
                f"start: not as in the checkpoint's config: {', '.join(changed)}; "
                "the state of optimizer and lr_scheduler, rates included, is the checkpoint's"
            )
        return lines


def _newest_run(config):
    """Return the last checkpoint of the newest run of a config, or None.

    Runs of ``--mini_train`` and others are kept apart. Raises ``UserError`` if one is training.
    """
    for folder in run_folders(config.trainer.save_dir, config.name):
        if owner := owner_of(folder):
            raise UserError(
                f"--resume auto: {owner} trains in {folder}; wait for its end, or leave --resume "
                "out for a run beside it"
            )
    found = newest_of_config(
        config.trainer.save_dir,
        config.name,
        lambda f: bool(read_checkpoint(f.path).get("mini_train")) == (config.limits is MINI),
    )
    return found and str(found.path)


def _killed_at_once(config):
    """Return the folder of a run of this config and seed without a checkpoint, or None."""
    content = json.loads(json.dumps(config.with_seed(config.seed).raw))
    for folder in run_folders(config.trainer.save_dir, config.name):
        path = folder / "config.json"
        own = RunFolder.of_checkpoint(path)
        if own is None or not {p.name for p in folder.iterdir()} <= {"config.json", LOCK}:
            continue
        with suppress(OSError, ValueError):
            if not path.exists() or json.loads(path.read_text()) == content:
                return own
    return None


def _last_before_restart(config):
    """Return the last checkpoint of the run that torchrun has restarted, or None."""
    found = newest_of_config(config.trainer.save_dir, config.name)
    folders = run_folders(config.trainer.save_dir, config.name)
    newest = max(folders, key=lambda folder: folder.stat().st_mtime_ns, default=None)
    return str(found.path) if found and found.path.parent == newest else None
