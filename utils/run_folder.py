"""The folder of a run, which its time names, and that of its log."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from utils.config.read import RUN_TIMESTAMP
from utils.disk import write_json
from utils.errors import UserError, shown


@dataclass(frozen=True)
class RunFolder:
    """``<save_dir>/models/<relative>`` for checkpoints and results, ``<save_dir>/log/<relative>``
    for logs.
    """

    save_dir: Path
    relative: Path

    @property
    def model_dir(self):
        """Checkpoints, config.json, results.json."""
        return self.save_dir / "models" / self.relative

    @property
    def log_dir(self):
        """info.log, pictures and TensorBoard events."""
        return self.save_dir / "log" / self.relative

    @classmethod
    def new(cls, save_dir, name):
        """Make the folder of a run that starts now, and that of no other run."""
        while True:
            folder = cls.next(save_dir, name)
            try:
                folder.model_dir.mkdir(parents=True)
                return folder
            except OSError as error:
                if not folder.model_dir.is_dir():
                    raise no_folder(error) from error
                # Another run was given it just now.

    @classmethod
    def next(cls, save_dir, name):
        """Name a run that starts now, or, where that name is taken, some seconds later."""
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
        """The run folder that a checkpoint lies in, or None if it lies elsewhere."""
        folder = Path(path).resolve().parent
        stamped = next(
            (f for f in (folder, folder.parent) if RUN_TIMESTAMP.fullmatch(f.name)), None
        )
        if stamped is None or stamped.parent.parent.name != "models":
            return None
        models = stamped.parent.parent
        return cls(models.parent, folder.relative_to(models))

    def for_seed(self, seed):
        """The folder of one of several seeds."""
        return RunFolder(self.save_dir, self.relative / f"seed-{seed}")

    def create(self, raw_config):
        """Make both folders and write config.json."""
        try:
            self.model_dir.mkdir(parents=True, exist_ok=True)
            self.log_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise no_folder(error) from error
        write_json(self.model_dir / "config.json", raw_config)


def no_folder(error):
    """Return a ``UserError`` of a folder that cannot be made."""
    return UserError(
        f"{error.filename}: cannot make this folder ({error.strerror}); see trainer.save_dir"
    )
