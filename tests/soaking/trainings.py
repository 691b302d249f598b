"""Small trainings as processes, to be disturbed."""

import re
import subprocess
import sys

from tests.data_helpers.comparing_runs import assert_same_files, figures_of
from tests.data_helpers.tiny_runs import (
    EMBEDDING,
    ENVIRONMENT,
    ROOT,
    Trained,
    run_real_program,
    write_landmark_folder,
    write_tiny_config,
)
from utils.checkpoint.find import checkpoint_name
from utils.checkpoint.save_and_load import read_checkpoint
from utils.errors import UserError

BEGUN = re.compile(r"^run: (.+)$")
EPOCH = re.compile(r"^ +epoch +: (\d+)$")


class Training:
    """A config, trained once without disturbance, to be disturbed and compared with that.

    place: a folder for what is needed; undisturbed: the finished training of ``epochs`` epochs.
    """

    def __init__(self, place, undisturbed, epochs):
        self.place, self.undisturbed, self.epochs = place, undisturbed, epochs
        self.config = undisturbed.config

    @classmethod
    def new(cls, place, epochs, images):
        """Write images and a config, and train."""
        root = write_landmark_folder(place / "faces", images, 8)
        trainer = {"epochs": epochs, "tensorboardX": True, "keep_last": 2,
                   "monitor": "min val_loss"}
        config = write_tiny_config(
            place / "configs" / "tiny" / "embedding.json", EMBEDDING, root, place / "saved",
            trainer=trainer)
        done = run_real_program("train.py", "--config", config)
        assert done.code == 0, done.stderr
        return cls(place, Trained(config, done.run_folder, done), epochs)

    def arguments(self, save_dir):
        return ["--config", str(self.config), "--resume", "auto",
                "--set", f"trainer.save_dir={save_dir}"]

    def start(self, save_dir, dying=()):
        """Begin, or go on; returns the process. dying: where it ends itself, for
        ``tests.soaking.dying``.
        """
        program = ["-m", "tests.soaking.dying", *dying] if dying else ["train.py"]
        return subprocess.Popen(
            [sys.executable, "-u", *program, *self.arguments(save_dir)], cwd=ROOT,
            env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, save_dir):
        """Go on to the end; returns what the program left."""
        return run_real_program("train.py", *self.arguments(save_dir))

    def ends_as_undisturbed(self, save_dir):
        """Whether weights, optimiser, schedule and figures are those of the undisturbed run."""
        folders = (save_dir / "models" / "tiny-embedding").glob("*")
        trained = Trained(self.config, max(folders, default=save_dir), None)  # the newest
        try:
            assert_same_files(trained, self.undisturbed, checkpoint_name(self.epochs),
                              "model_best.pth")
            assert figures_of(trained) == figures_of(self.undisturbed)
        except (AssertionError, UserError, OSError):
            return False
        return True


def checkpoints_in(save_dir):
    return sorted(save_dir.glob("models/*/*/*.pth"))


def readable(path):
    """Whether a file is a whole checkpoint."""
    try:
        read_checkpoint(path)
    except UserError:
        return False
    return True


def leftovers_in(save_dir):
    """Return the temporary files that are there."""
    return list(save_dir.glob("*/*/**/.*.tmp-*"))
