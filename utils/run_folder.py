"""Folders of a run, named after its config and the time of its start."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from utils.config.read import RUN_TIMESTAMP
from utils.disk import write_json
from utils.errors import UserError, shown


@dataclass(frozen=True)
class RunFolder:
    """The two folders of a run, ``<save_dir>/{models,log}/<relative>``."""

    save_dir: Path
    relative: Path

    @property
    def model_dir(self):
        """The folder of checkpoints, config.json and results.json."""
        return self.save_dir / "models" / self.relative

    @property
    def log_dir(self):
        """The folder of info.log, pictures and TensorBoard events."""
        return self.save_dir / "log" / self.relative

    @classmethod
    def new(cls, save_dir, name):
        """Make and return the folder of a run that starts now; no other run gets the same one."""
        while True:
            folder = cls.next(save_dir, name)
            try:
                folder.model_dir.mkdir(parents=True)
                return folder
            except OSError as error:
                if not folder.model_dir.is_dir():
                    raise no_folder(error) from error
                # Another run has just made it.

    @classmethod
    def next(cls, save_dir, name):
        """Return the folder of a run that starts now, or at the next second that is not taken."""
        start, runs = datetime.now(), Path(name)
        try:
            while (
                folder := cls(Path(save_dir), runs / start.strftime("%Y-%m-%d_%H-%M-%S"))
            ).model_dir.exists():
                start += timedelta(seconds=1)
        except OSError as error:
            raise UserError(
                f"trainer.save_dir = {shown(save_dir)}: cannot look into it ({error.strerror})"
            ) from error
        return folder

    @classmethod
    def of_checkpoint(cls, path):
        """Return the run folder that a checkpoint lies in, None if it lies elsewhere."""
        folder = Path(path).resolve().parent
        run = cls.of_folder(folder)
        return run if run is not None and run.model_dir == folder else None

    @classmethod
    def of_folder(cls, path, time=RUN_TIMESTAMP):
        """Return the run of a folder ``models/<name>/<time>`` or ``log/<name>/<time>``, or of a
        seed's folder in it; None if it is no run's.
        """
        folder = Path(path).resolve()
        for run in (folder, folder.parent):
            base = run.parent.parent
            if time.fullmatch(run.name) and base.name in ("models", "log"):
                return cls(base.parent, folder.relative_to(base))
        return None

    def for_seed(self, seed):
        """Return the folder of one of several seeds."""
        return RunFolder(self.save_dir, self.relative / f"seed-{seed}")

    def way_on(self, checkpoint):
        """Return how to go on from a checkpoint of the run, for the end of a message."""
        alone = ", without --seeds," if self.relative.name.startswith("seed-") else ""
        return f"go on with the same command{alone} and --resume {checkpoint}"

    def create(self, raw_config):
        """Make both folders and write config.json."""
        try:
            self.model_dir.mkdir(parents=True, exist_ok=True)
            self.log_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise no_folder(error) from error
        write_json(self.model_dir / "config.json", raw_config)


def no_folder(error):
    """Return the ``UserError`` for a folder that cannot be made."""
    return UserError(
        f"{error.filename}: cannot make this folder ({error.strerror}); see trainer.save_dir"
    )
