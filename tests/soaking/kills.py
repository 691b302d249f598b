"""``kill -9`` at random moments, and inside every kind of write; each time the training goes on
from what lies on the disk.
"""

import random
import time
from itertools import count, cycle

from tests.soaking.dying import PLACES
from tests.soaking.trainings import BEGUN, checkpoints_in, leftovers_in, readable
from utils.checkpoint.find import parse_name

SHARE_OF_STARTS = 0.2  # of the random kills that hit a program which has not begun to train
SECONDS_TO_TRAIN = 2.0  # of which a random part passes before a kill


def last_epoch(save_dir):
    names = [parse_name(path.name) for path in checkpoints_in(save_dir)]
    return max((name[0] for name in names if name), default=0)


class KillCampaign:
    """Kills a training ``kills`` times, and counts what is lost.

    Every other kill is inside a write: of each file in turn, before, within and after it.

    Lost is a checkpoint that cannot be read, an epoch that was on the disk and no longer is, an end
    that is not the undisturbed run's.
    """

    def __init__(self, training, kills, seed):
        self.training, self.kills, self.draw = training, kills, random.Random(seed)
        self.places = cycle(self.draw.sample(PLACES, len(PLACES)))
        self.folders = (training.place / f"disturbed-{n}" for n in count())
        self.killed = self.losses = self.trainings = 0
        self.unclear = []

    def run(self):
        """Return itself, once all is done: trainings are begun until all kills are spent."""
        while self.killed < self.kills:
            self.train_through(next(self.folders))
        return self

    def train_through(self, save_dir):
        """Train to the end, killed until no kill is left."""
        self.trainings += 1
        while self.killed < self.kills:
            if self.train_until_killed(save_dir) is None:
                break
        else:
            self.take(self.training.finish(save_dir))
        self.losses += not self.training.ends_as_undisturbed(save_dir)
        self.losses += len(leftovers_in(save_dir))

    def train_until_killed(self, save_dir):
        """Return the exit code of a training that is killed, None if it came to its end before."""
        before = last_epoch(save_dir)
        if self.killed % 2 == 0:
            process = self.training.start(save_dir, self._place())
        else:
            process = self.training.start(save_dir)
            self._wait(process)
            process.kill()
        _, err = process.communicate()
        if process.returncode == 0:
            return None
        self.killed += 1
        if process.returncode != -9 or err:
            self.unclear.append(f"exit code {process.returncode}: {err[-2000:]}")
        self.losses += sum(not readable(path) for path in checkpoints_in(save_dir))
        self.losses += last_epoch(save_dir) < before
        return process.returncode

    def _place(self):
        """Return the next file, a moment of writing it, and which of its writes that is."""
        name, when = next(self.places)
        several = name.startswith(("checkpoint", "model_best"))
        return name, when, str(self.draw.choice([1, 1, 2, 3]) if several else 1)

    def _wait(self, process):
        """Wait for a while that is random: before the training begins, or within it."""
        if self.draw.random() < SHARE_OF_STARTS:
            time.sleep(self.draw.uniform(0, 2))
            return
        for line in process.stdout:
            if BEGUN.match(line):
                break
        time.sleep(self.draw.uniform(0, SECONDS_TO_TRAIN))

    def take(self, finished):
        if finished.code != 0 or finished.stderr:
            self.unclear.append(f"exit code {finished.code}: {finished.stderr[-2000:]}")
