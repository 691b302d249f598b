"""``kill -9`` at random moments; each time the training goes on from what lies on the disk."""

import random
import time
from itertools import count

from tests.soaking.trainings import BEGUN, checkpoints_in, leftovers_in, readable
from utils.checkpoint_names import parse_name

SHARE_OF_STARTS = 0.2  # of the kills that hit a program which has not begun to train


def last_epoch(save_dir):
    names = [parse_name(path.name) for path in checkpoints_in(save_dir)]
    return max((name[0] for name in names if name), default=0)


class KillCampaign:
    """Kills a training ``kills`` times, and counts what is lost.

    Lost is a checkpoint that cannot be read, an epoch that was on the disk and no longer is, an end
    that is not the undisturbed run's.
    """

    def __init__(self, training, kills, seed):
        self.training, self.kills, self.draw = training, kills, random.Random(seed)
        self.folders = (training.place / f"disturbed-{n}" for n in count())
        self.killed = self.losses = self.trainings = 0
        self.unclear = []
        self.seconds_to_train = 1.0  # from its first line to its end; the first run tells

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
        process, begin = self.training.start(save_dir), time.perf_counter()
        if self.draw.random() < SHARE_OF_STARTS:
            time.sleep(self.draw.uniform(0, 2))
        else:
            for line in process.stdout:
                if BEGUN.match(line):
                    break
            begin = time.perf_counter()
            time.sleep(self.draw.uniform(0, self.seconds_to_train))
        process.kill()
        _, err = process.communicate()
        if process.returncode == 0:
            self.seconds_to_train = (time.perf_counter() - begin) / 2
            return None
        self.killed += 1
        if process.returncode != -9 or err:
            self.unclear.append(f"exit code {process.returncode}: {err[-2000:]}")
        self.losses += sum(not readable(path) for path in checkpoints_in(save_dir))
        self.losses += last_epoch(save_dir) < before
        return process.returncode

    def take(self, finished):
        if finished.code != 0 or finished.stderr:
            self.unclear.append(f"exit code {finished.code}: {finished.stderr[-2000:]}")
