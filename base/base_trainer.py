"""Epochs, validation, monitoring, checkpoints, resume: the loop that both trainers run."""

import math
import signal
import time

import torch

from base.checkpoint_keeper import CheckpointKeeper
from base.gradient import BatchGradient
from base.monitor import Monitor
from base.nonfinite import NonfiniteGuard
from base.running_mean import RunningMean
from utils.checkpoint import load_weights, read_checkpoint
from utils.checkpoint_names import checkpoint_name
from utils.disk import WriteError
from utils.errors import UserError, blamed_on
from utils.progress import clock, progress_bar
from utils.stopping import Stopped, StopRequest
from utils.wording import counted

POSTFIX_EVERY = 20  # steps on a GPU, which reading the loss makes the host wait for


class RolledBack(Exception):
    """The epoch is given up; the training goes on from its last checkpoint."""


class BaseTrainer:
    """Runs the epochs of one training and keeps its files.

    A subclass offers ``train_step(batch, epoch) -> loss``, ``validate(epoch) -> {name: value}``,
    and ``value_names``, those of all values of an epoch; it may have pictures.

    model, optimizer, scheduler: scheduler may be None; learner: the part of the model that learns;
    loader: training batches, whose ``batch_sampler.epoch`` is set; run: the ``Run`` it belongs to,
    open when ``fit`` is called. In training, ``gradient.learner`` is to be called for the learner.
    """

    def __init__(self, model, learner, optimizer, scheduler, loader, run):
        self.model, self.loader = model, loader
        self.optimizer, self.scheduler = optimizer, scheduler
        self.run, self.options, self.device = run, run.options, run.device
        self.world = run.world
        self.monitor = Monitor(run.options.monitor, run.options.patience)
        self.keeper = CheckpointKeeper(run, self.monitor)
        self.gradient = BatchGradient(learner, run, loader.batch_sampler.batch_size)
        self.last_epoch = 0  # the last one that is finished
        self.step = 0  # steps of the epoch after it that are done
        self.running_loss = RunningMean()  # over these steps
        self.stop = StopRequest()
        self.guard = NonfiniteGuard(run.options.on_nonfinite)

    def fit(self):
        """Train to the last epoch, or until patience runs out; returns the last one's values.

        Raises ``Stopped`` where a signal asked for it, once a checkpoint is written.
        """
        if self.world.is_main:
            self.keeper.begin()
        with self.stop:
            values = self._run_epochs()
        if self.monitor.exhausted:
            patience = counted(self.options.patience, "epoch")
            self.run.logger.info(f"stopped: no better {self.monitor.name} for {patience}")
        return values

    def _run_epochs(self):
        values = {}
        while self.last_epoch < self.options.epochs and not self.monitor.exhausted:
            epoch = self.last_epoch + 1
            try:
                values = self._run_epoch(epoch)
            except RolledBack:
                self._roll_back()
                continue
            self.last_epoch, self.step, self.running_loss = epoch, 0, RunningMean()
            improved = self.monitor.update(values, epoch)
            last = self.monitor.exhausted or epoch == self.options.epochs
            asked = self._asked_to_stop()
            self._save(epoch, improved, last, asked)
            if asked and not last:
                self._end(checkpoint_name(epoch))
        return values

    def _roll_back(self):
        """Go on from the last checkpoint, at half the learning rate."""
        path = self.keeper.last_until(self.last_epoch, self.step)
        if path is None:
            raise UserError("there is no checkpoint to go back to: lower optimizer.args.lr")
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self.resume(read_checkpoint(path), path)
        for group, rate in zip(self.optimizer.param_groups, rates):
            group["lr"] = min(rate, group["lr"]) / 2
        self.run.logger.warning(f"back to {path}, with half the learning rate")

    def _asked_to_stop(self):
        """Whether a signal reached any of the processes; all give the same answer."""
        if self.world.size == 1:
            return bool(self.stop.number)
        return bool(self.world.total(torch.tensor(self.stop.number, device=self.device)))

    def _end(self, name):
        """Raise ``Stopped``, telling the checkpoint to go on from."""
        path = self.run.folder.model_dir / name
        number = self.stop.number or signal.SIGTERM  # another process had it
        raise Stopped(number, f"stopped; go on with the same command and --resume {path}")

    def prepare(self):
        """Do what is done once; the time of no epoch counts it."""

    def _run_epoch(self, epoch):
        self.prepare()
        begin = time.perf_counter()
        loss, num_images = self._train_epoch(epoch)
        seconds = time.perf_counter() - begin
        values = {"loss": loss, **self.validate(epoch)}
        learning_rates = [group["lr"] for group in self.optimizer.param_groups]
        if self.scheduler is not None:
            self.scheduler.step()
        self._report(
            epoch, {**values, "lr": learning_rates[0], "images_per_s": num_images / seconds}
        )
        if self.world.is_main:
            self._show_pictures(epoch)
        self._tell_time(epoch, time.perf_counter() - begin)
        return values

    def _show_pictures(self, epoch):
        try:
            for name, figure in self.draw_pictures(epoch):
                self.run.show(name, figure, epoch)
        except WriteError as error:
            self.run.logger.warning(f"epoch {epoch} has no pictures: {error}")

    def _train_epoch(self, epoch):
        """Return the mean loss of an epoch, and how many of its images were seen just now."""
        self.model.train()
        batches = self.loader.batch_sampler
        batches.epoch, batches.skipped = epoch, 0
        num_steps, num_images = len(batches), sum(map(len, batches))
        batches.skipped = self.step
        left = sum(map(len, batches))
        title, before = f"epoch {epoch}/{self.options.epochs}", self.running_loss.weight
        with progress_bar(num_images, title, done=num_images - left) as bar:
            for batch in self.loader:
                loss = self._optimise(batch, epoch)
                if loss is not None:
                    self.running_loss.add(loss, len(batch["index"]))
                if self.device.type == "cpu" or self.step % POSTFIX_EVERY == 0:
                    bar.set_postfix(loss=f"{self.running_loss.value:.4f}", refresh=False)
                bar.update(len(batch["index"]))
                self.step += 1
                if self.step < num_steps and self._asked_to_stop():
                    self._stop_here()
        batches.skipped = 0
        mean = self.running_loss.over(self.world, self.device)
        if not math.isfinite(mean.value):
            raise UserError(
                f"epoch {epoch}: the loss is {mean.value}; nothing was saved of this epoch. "
                "A lower optimizer.args.lr is the usual cure"
            )
        return mean.value, mean.weight - before

    def _stop_here(self):
        """Write a checkpoint in the middle of an epoch, and end."""
        running = self.running_loss.over(self.world, self.device)
        if self.world.is_main:
            state = {"step": self.step, "running_loss": [float(running.total), running.weight]}
            self.keeper.save_midway(
                self.last_epoch, self.step, {**self._state(self.last_epoch), **state}
            )
        self._end(checkpoint_name(self.last_epoch, self.step))

    def _optimise(self, batch, epoch):
        """Take a step; returns the loss of this process's share of the batch, None if the step is
        skipped.
        """
        self.guard.before(self)
        loss = self.form_gradient(batch, epoch)
        if self.guard.passes(self, batch, epoch, loss):
            self.optimizer.step()
            return loss
        if self.guard.policy == "rollback":
            raise RolledBack
        return None

    def form_gradient(self, batch, epoch):
        """Give the parameters the gradient of a batch, and no other; returns its loss."""
        self.optimizer.zero_grad()
        return self.gradient.form(batch, lambda part: self.train_step(part, epoch))

    def draw_pictures(self, epoch):
        """Return [(name, matplotlib figure)] of what was learned."""
        return []

    def autocast(self):
        """The context in which networks run: bfloat16 where the config says so."""
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.options.precision == "bfloat16"
        )

    def _report(self, epoch, values):
        self.run.logger.info(f"    {'epoch':15s}: {epoch}")
        for name, value in values.items():
            self.run.logger.info(f"    {name:15s}: {value:.6g}")
            if self.run.writer is not None:
                self.run.writer.add_scalar(name, value, epoch)

    def _tell_time(self, epoch, seconds):
        """Say how long an epoch took, and how long the others will if they are like it."""
        left = clock((self.options.epochs - epoch) * seconds)
        self.run.logger.info(f"    {'time':15s}: {clock(seconds)}, {left} left")

    def _save(self, epoch, improved, last, asked):
        if not self.world.is_main:
            return
        watched, regular = self.monitor.name is not None, epoch % self.options.save_period == 0
        self.keeper.save(
            epoch,
            self._state(epoch),
            best=improved and (watched or last),  # unwatched, the last epoch counts as the best
            due=last or asked or regular,
            ends=last or asked,
        )

    def _state(self, epoch):
        return {
            **self.run.identity,
            "epoch": epoch,
            "state_dict": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict() if self.scheduler else None,
            "monitor": self.monitor.state_dict(),
        }

    def resume(self, checkpoint, path):
        """Go on after the epoch of a checkpoint; ``path`` is for messages."""
        load_weights(self.model, checkpoint["state_dict"], path)
        with blamed_on(f"{path}: the optimizer's state does not fit"):
            self.optimizer.load_state_dict(checkpoint["optimizer"])
        if self.scheduler is not None and checkpoint["scheduler"] is not None:
            self.scheduler.load_state_dict(checkpoint["scheduler"])
        self.monitor.load_state_dict(checkpoint["monitor"])
        self.keeper.resumed_from = path
        self.last_epoch, self.step = checkpoint["epoch"], checkpoint.get("step", 0)
        self.running_loss = RunningMean()
        if self.step and self.world.is_main:
            self.running_loss.total, self.running_loss.weight = checkpoint["running_loss"]
