"""Save and remove the checkpoints of a run, and retry while the disk is full."""

import json
from contextlib import suppress
from pathlib import Path

from utils.checkpoint.find import checkpoint_name, checkpoints_in, last_in
from utils.checkpoint.save_and_load import checkpoint_bytes, save_checkpoint
from utils.disk import WriteError, remove_leftovers, write_atomically

BEST = "model_best.pth"
MOST_FAILURES = 3  # epochs in a row that could not be saved; then the training ends


class CheckpointKeeper:
    """Saves ``model_best.pth`` and the checkpoints of epochs in a run's folder.

    If one cannot be written, the training continues for some epochs, and saves it after the next
    one. Checkpoints not selected by ``trainer.keep_last`` and ``trainer.keep_best`` are removed
    once a later one is saved, except the one that the training was resumed from, and those named
    in the results of any run below ``save_dir``. One of a training that was stopped in mid-epoch is
    removed once the epoch is saved.
    """

    def __init__(self, run, monitor):
        self.run, self.monitor, self.folder = run, monitor, run.folder.model_dir
        self.resumed_from = None
        self._failures = 0  # in a row
        self._pending_best = None  # the content of a model_best.pth that could not be written

    def begin(self):
        """Remove temporary files of a killed training."""
        remove_leftovers(self.folder)

    def save(self, epoch, state, best, due, ends):
        """Write the checkpoint of an epoch if it is ``due``, and model_best.pth if it is ``best``.

        ends: whether the training ends; then a file that cannot be written raises ``WriteError``.
        """
        try:
            # The best first: a run killed in between repeats the epoch, and writes it again.
            self._save_best(state if best else None)
            if due or self._failures:
                self._save_epoch(epoch, state)
        except WriteError as error:
            self._failures += 1
            if ends or self._failures == MOST_FAILURES:
                raise WriteError(f"{error}; {self._way_on()}") from error
            self.run.logger.warning(
                f"epoch {epoch} is not saved: {error}; the training goes on, and tries again after "
                f"the next epoch ({self._failures} of {MOST_FAILURES} failures that end it)"
            )

    def save_midway(self, epoch, step, state):
        """Write the checkpoint of a training that is stopped in mid-epoch."""
        try:
            save_checkpoint(self.folder / checkpoint_name(epoch, step), state)
        except WriteError as error:
            raise WriteError(f"{error}; {self._way_on()}") from error

    def last_until(self, epoch, step):
        """Return the last checkpoint up to an epoch and step, or None.

        The folder of a resumed run may hold later ones.
        """
        places = checkpoints_in(self.folder)
        passed = [place for place in places if place <= (epoch, step)]
        return places[max(passed)] if passed else None

    def _save_best(self, state):
        if state is not None:
            self._pending_best = None
            try:
                save_checkpoint(self.folder / BEST, state)
            except WriteError:
                self._pending_best = checkpoint_bytes(state)  # the weights will change
                raise
        elif self._pending_best is not None:
            write_atomically(self.folder / BEST, lambda file: file.write(self._pending_best))
            self._pending_best = None

    def _save_epoch(self, epoch, state):
        path = self.folder / checkpoint_name(epoch)
        save_checkpoint(path, state)
        self._failures = 0
        self.run.logger.debug(f"saved {path}")
        for passed in self.folder.glob(checkpoint_name("*", "*")):  # in the middle of epochs
            self._remove(passed)
        self._remove_superseded(epoch)

    def _remove_superseded(self, epoch):
        places = checkpoints_in(self.folder)
        saved = sorted(place[0] for place in places if place <= (epoch, 0))
        options = self.run.config.trainer
        wanted = options.keep_last or 0, self.monitor.ranked(saved), options.keep_best or 0
        removable = {places[old, 0].resolve() for old in superseded(saved, *wanted)}
        if not removable:
            return
        in_use = named_in_results(self.run.folder.save_dir)
        if self.resumed_from is not None:
            in_use.add(Path(self.resumed_from).resolve())
        for path in sorted(removable - in_use):
            self._remove(path)

    def _remove(self, path):
        try:
            path.unlink(missing_ok=True)
            self.run.logger.debug(f"removed {path}")
        except OSError as error:
            self.run.logger.warning(f"{path}: cannot remove this file ({error.strerror})")

    def _way_on(self):
        """Return the end of a message: how to continue once there is room on the disk."""
        last = last_in(self.folder)
        if last is None:
            return "no checkpoint has been written yet"
        return f"make room, and {self.run.folder.way_on(last.path)}"


def superseded(saved, keep_last, ranked, keep_best):
    """Return the saved epochs whose checkpoints can be removed; the last one is always kept.

    saved: epochs in order.
    keep_last, keep_best: numbers of epochs to keep; if both are 0, all are kept.
    ranked: the saved epochs, the best first.
    """
    if not keep_last and not keep_best:
        return []
    kept = {*saved[-max(keep_last, 1) :], *ranked[:keep_best]}
    return [epoch for epoch in saved if epoch not in kept]


def named_in_results(save_dir):
    """Return the paths of checkpoints named in the results of all runs below ``save_dir``."""
    named = set()
    for path in (save_dir / "models").glob("**/results.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):  # not written by this project
            named.add(Path(json.loads(path.read_text())["checkpoint"]).resolve())
    return named
