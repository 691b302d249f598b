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
from utils.run_lock import LOCK, alone, held_run, holder_of
from utils.text import counted

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
            resume = world.agreed(_of_restarted(config) or resume)
        if resume == AUTO:
            resume = _newest(config)
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

    def describe(self, config):
        """Return lines that say what happens."""
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

    def folder(self, config, new=RunFolder.new):
        """Return the run's folder: the checkpoint's own if it is continued there; where "auto"
        found nothing, that of a training which was killed before its first checkpoint; else a new
        one, made by ``new(save_dir, name)``.
        """
        own = RunFolder.of_checkpoint(self.path) if self.continued else None
        if own is None and self.sought:
            own = _begun_in_vain(config)
        return own or new(config.trainer.save_dir, config.name)


@contextmanager
def begun(config, resume, seeds, world):
    """Yield the ``StartingPoint`` of a training, or of one for each of several seeds, and its
    folder, where no other process may write until it ends.
    """
    with ExitStack() as until_end:
        yield world.from_main(lambda: _begin(config, resume, seeds, until_end))


def _begin(config, resume, seeds, until_end):
    save_dir = Path(config.trainer.save_dir)
    runs, logs = (save_dir / part / config.name for part in ("models", "log"))
    try:
        until_end.enter_context(parent_folder(runs / "a run"))
    except OSError as error:
        raise no_folder(error) from error
    with alone(runs):  # of two that look at once, the second one finds the first
        start = StartingPoint.read(config, resume, seeds)
        if resume == AUTO:
            for folder in run_folders(save_dir, config.name):
                for place in (folder, logs / folder.name / "pictures"):
                    remove_leftovers(place)  # of trainings that were killed
        folder = start.folder(config)
        until_end.enter_context(held_run(folder, seeds))
    return start, folder


def _told(flat, key):
    return shown(flat[key], json.dumps) if key in flat else "not set"


def _newest(config):
    """Return the path of the last checkpoint of a config's run, mini or not, that was saved last;
    or None.

    Raises ``UserError`` while one of its runs still trains.
    """
    for folder in run_folders(config.trainer.save_dir, config.name):
        if holder := holder_of(folder):
            raise UserError(
                f"--resume auto: {holder} trains in {folder}; wait for its end, or leave --resume "
                "out for a run beside it"
            )
    found = newest_of_config(
        config.trainer.save_dir,
        config.name,
        lambda f: bool(read_checkpoint(f.path).get("mini_train")) == (config.limits is MINI),
    )
    return found and str(found.path)


def _begun_in_vain(config):
    """Return the folder of a run of the same config and seed that ended before its first
    checkpoint; None if there is none.
    """
    content = json.loads(json.dumps(config.with_seed(config.seed).raw))
    for folder in run_folders(config.trainer.save_dir, config.name):
        own = RunFolder.of_checkpoint(folder / "config.json")
        names = {path.name for path in folder.iterdir()}
        if own is None or not names <= {"config.json", LOCK}:
            continue
        with suppress(OSError, ValueError):
            path = folder / "config.json"
            if not path.exists() or json.loads(path.read_text()) == content:
                return own
    return None


def _of_restarted(config):
    """Return the last checkpoint of the run that torchrun has started again, None without one."""
    found = newest_of_config(config.trainer.save_dir, config.name)
    folders = run_folders(config.trainer.save_dir, config.name)
    newest = max(folders, key=lambda folder: folder.stat().st_mtime_ns, default=None)
    return str(found.path) if found and found.path.parent == newest else None
