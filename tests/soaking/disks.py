"""Disks that fill up, are emptied again, or cannot be written to."""

import subprocess
from contextlib import contextmanager

from tests.soaking.trainings import EPOCH, checkpoints_in, leftovers_in, readable


def mount(folder, kilobytes, *options):
    """Make a folder a disk of that size; returns whether that is allowed here."""
    folder.mkdir(exist_ok=True)
    size = ",".join([f"size={kilobytes}k", *options])
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def remount(folder, option):
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


@contextmanager
def small_disk(folder, kilobytes):
    """A folder on a disk of its own; yields None where mounting is not allowed."""
    mounted = mount(folder, kilobytes)
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


class DiskCampaign:
    """Trains on disks that fail, and counts what is lost.

    Lost is a checkpoint that cannot be read, half a file, an end that is not the undisturbed run's
    once there is room. Unclear is a program that ends otherwise than well, or with one line and
    exit code 2.
    """

    def __init__(self, training):
        self.training = training
        self.runs = self.losses = 0
        self.failed_clearly = 0
        self.unclear = []

    def judge(self, disk, code, err):
        """Take the end of a program whose files are on a disk."""
        self.runs += 1
        lines = err.strip().splitlines()
        if code == 2 and lines and lines[-1].startswith("error: "):
            self.failed_clearly += 1
        elif code != 0:
            self.unclear.append(f"exit code {code}: {err[-2000:]}")
        if "Traceback" in err:
            self.unclear.append(err[-2000:])
        self.losses += sum(not readable(path) for path in checkpoints_in(disk))
        self.losses += len(leftovers_in(disk))
        return code

    def fill(self, disk, kilobytes):
        """Train on a disk that may be too small, make it larger, go on."""
        with small_disk(disk, kilobytes) as place:
            done = self.training.finish(place)
            self.judge(place, done.code, done.stderr)
            last = checkpoints_in(place)[-1:]
            remount(place, "size=100m")
            done = self.training.finish(place)
            self.judge(place, done.code, done.stderr)
            self.losses += not all(path.exists() for path in last)
            self.end(place)

    def fill_for_a_while(self, disk):
        """Train on a disk that is filled after the first epoch, and emptied after the third."""
        with small_disk(disk, 100_000) as place:
            process = self.training.start(place)
            for line in process.stdout:
                epoch = EPOCH.match(line)
                if epoch and epoch[1] == "1":
                    fill_up(place)
                if epoch and epoch[1] == "3":
                    (place / "filler").unlink()
            _, err = process.communicate()
            if self.judge(place, process.returncode, err) != 0:
                self.unclear.append("a disk that was full for a while ended a training")
            self.end(place)

    def refuse(self, disk):
        """Train where nothing can be written from the start."""
        with small_disk(disk, 100_000) as place:
            remount(place, "ro")
            done = self.training.finish(place)
            if self.judge(place, done.code, done.stderr) != 2:
                self.unclear.append("a disk that cannot be written to was not told")

    def end(self, place):
        self.losses += not self.training.ends_as_undisturbed(place)


def fill_up(place):
    """Take all room, by a file of the name ``filler``."""
    subprocess.run(["dd", "if=/dev/zero", f"of={place / 'filler'}", "bs=64k"], capture_output=True)
