"""The training loop: steps, epochs, validation, checkpoints, resume."""

import math
import signal
import time

import torch
from torch.optim.lr_scheduler import OneCycleLR

from base.checkpoint_keeper import CheckpointKeeper
from base.gradient import accumulating, batch_parts, prepare_learner, step_errors
from base.monitor import Monitor
from base.nonfinite import NonfiniteGuard, RolledBack, halved_rates
from base.precision import Precision
from base.running_mean import RunningMean
from base.schedule import resume_schedule
from utils.checkpoint.find import checkpoint_name
from utils.checkpoint.save_and_load import load_weights, read_checkpoint
from utils.device import peak_memory_gib
from utils.disk import WriteError
from utils.errors import UserError, config_errors
from utils.progress import clock, progress_bar
from utils.stopping import Stopped, StopRequest
from utils.text import counted
from utils.transfer import sum_dtype

LOOK_EVERY = 20  # steps on a GPU, where reading a number makes the host wait for it


class BaseTrainer:
    """Runs the epochs of a training and saves its checkpoints.

    A subclass defines ``train_step(batch, epoch) -> loss``, which calls ``self.learner``,
    ``validate(epoch) -> {name: value}`` and ``value_names``, the names of all values of an epoch.
    It may override ``prepare``, ``draw_pictures`` and ``remarks``.

    learner: the part of the model that is trained.
    scheduler: a learning-rate schedule, or None.
    loader, val_loader: iterables of batches, with a ``batch_sampler`` that sets their order.
    run: the ``Run`` of this training, open when ``fit`` is called.
    """

    def __init__(self, model, learner, optimizer, scheduler, loader, val_loader, run):
        self.model, self.loader, self.val_loader = model, loader, val_loader
        self.optimizer, self.scheduler = optimizer, scheduler
        self.schedule_steps_each_batch = isinstance(scheduler, OneCycleLR)  # others: each epoch
        self.run, self.world, self.device = run, run.world, run.device
        self.options = run.config.trainer
        self.learner = prepare_learner(learner, self.options, self.world)
        self.monitor = Monitor(self.options.monitor, self.options.patience)
        self.keeper = CheckpointKeeper(run, self.monitor)
        self.guard = NonfiniteGuard(self.options.on_nonfinite)
        # A landmark config does not train a network: its backbone is frozen.
        precision = "float32" if run.config.is_landmark else self.options.precision
        self.precision = Precision(precision, self.device)
        self.last_epoch = 0  # the last finished epoch
        self.step = 0  # finished steps of the next epoch
        self.running_loss = RunningMean()  # over these steps
        self.stop = StopRequest()

    def fit(self):
        """Train to the last epoch or until early stopping; returns the values of the last epoch.

        On a signal, writes a checkpoint and raises ``Stopped``.
        """
        if self.world.is_main:
            self.keeper.begin()
        values, begin = {}, time.perf_counter()
        with self.stop:
            while self.last_epoch < self.options.epochs and not self.monitor.exhausted:
                epoch = self.last_epoch + 1
                self.prepare()
                epoch_begin = time.perf_counter()
                try:
                    loss, images_per_s = self.train_epoch(epoch)
                except RolledBack:
                    self._roll_back()
                    continue
                values = {"loss": loss, **self.validate(epoch)}
                rate = self.optimizer.param_groups[0]["lr"]
                if self.scheduler is not None and not self.schedule_steps_each_batch:
                    self.scheduler.step()
                self._report(epoch, {**values, "lr": rate, "images_per_s": images_per_s})
                seconds = time.perf_counter() - epoch_begin
                left = clock((self.options.epochs - epoch) * seconds)
                self.run.logger.info(f"    {'time':15s}: {clock(seconds)}, {left} left")
                self._finish_epoch(epoch, values)
        if self.monitor.exhausted:
            patience = counted(self.options.patience, "epoch")
            self.run.logger.info(f"stopped: no better {self.monitor.name} for {patience}")
        if values:
            minutes, gib = (time.perf_counter() - begin) / 60, peak_memory_gib(self.device)
            self.run.logger.info(f"trained in {minutes:.1f} min; peak memory {gib:.2f} GiB")
        else:
            self.run.logger.info(f"nothing to train: the last epoch, {self.last_epoch}, is done")
        return values

    def train_epoch(self, epoch):
        """Take the remaining steps of an epoch; returns its mean loss and images per second."""
        self.model.train()
        batches = self.loader.batch_sampler
        batches.set_epoch(epoch, skipped=self.step)
        num_steps, num_images, done = batches.counts()
        begin, weight_before = time.perf_counter(), self.running_loss.weight
        with progress_bar(num_images, f"epoch {epoch}/{self.options.epochs}", done=done) as bar:
            for batch in self.loader:
                loss, reads = self.optimise(batch, epoch), self.reads_this_step
                if loss is not None:
                    self.running_loss.add(loss, len(batch["index"]))
                if reads:
                    bar.set_postfix(loss=f"{self.running_loss.value:.4f}", refresh=False)
                bar.update(len(batch["index"]))
                self.step += 1
                if self.schedule_steps_each_batch:
                    self.scheduler.step()
                if self.step < num_steps and self._asked_to_stop(reads):
                    self._stop_in_epoch()
        self.guard.look(self)
        mean = self.running_loss.over(self.world, self.device)
        if not math.isfinite(mean.value):
            raise UserError(
                f"epoch {epoch}: the loss is {mean.value}; nothing was saved of this epoch. "
                "A lower optimizer.args.lr is the usual cure"
            )
        return mean.value, (mean.weight - weight_before) / (time.perf_counter() - begin)

    @property
    def reads_this_step(self):
        """Whether this step reads numbers from the device; on a GPU, one in ``LOOK_EVERY``."""
        return self.device.type == "cpu" or self.step % LOOK_EVERY == 0

    def optimise(self, batch, epoch):
        """Take an optimisation step on this process's share of a batch, with accumulation.

        Returns the mean loss over the share, None if the gradient is not finite and the step is
        skipped.
        """
        size = len(batch["index"])
        average_share = self.loader.batch_sampler.batch_size / self.world.size
        parts = batch_parts(batch, min(self.options.accumulation, int(average_share) // 2))
        self.guard.before(self)
        self.optimizer.zero_grad()
        loss = torch.zeros((), dtype=sum_dtype(self.device), device=self.device)
        with step_errors():
            for part in parts:
                weight = len(part["index"])
                with accumulating(self.learner, is_last=part is parts[-1]):
                    part_loss = self.train_step(part, epoch)
                    # Processes average their gradients, and their shares may differ by a sample.
                    self.precision.backward(part_loss * (weight / average_share))
                loss += part_loss.detach() * (weight / size)
        self.precision.unscale(self.optimizer)
        if self.guard.passes(self, batch, epoch, loss):
            self.precision.step(self.optimizer)
            return loss
        return None

    def _finish_epoch(self, epoch, values):
        """Save the checkpoints of an epoch; raises ``Stopped`` after a signal."""
        self.last_epoch, self.step, self.running_loss = epoch, 0, RunningMean()
        improved, asked = self.monitor.update(values, epoch), self._asked_to_stop()
        last = self.monitor.exhausted or epoch == self.options.epochs
        if self.world.is_main:
            best = improved and (self.monitor.name is not None or last)  # unmonitored, the last is
            due = last or asked or epoch % self.options.save_period == 0
            self.keeper.save(epoch, self._state(), best, due, ends=last or asked)
        if asked and not last:
            self._stop()

    def _stop_in_epoch(self):
        """Write a checkpoint in mid-epoch, and raise ``Stopped``."""
        self.guard.look(self)
        running = self.running_loss.over(self.world, self.device)
        if self.world.is_main:
            place = {"step": self.step, "running_loss": [float(running.total), running.weight]}
            self.keeper.save_midway(self.last_epoch, self.step, {**self._state(), **place})
        self._stop()

    def _asked_to_stop(self, asks=True):
        """Return whether any process received a signal; several ask each other, if ``asks``."""
        if self.world.size == 1:
            return bool(self.stop.number)
        return asks and bool(self.world.total(torch.tensor(self.stop.number, device=self.device)))

    def _stop(self):
        """Raise ``Stopped``, naming the checkpoint to resume from."""
        path = self.run.folder.model_dir / checkpoint_name(self.last_epoch, self.step)
        number = self.stop.number or signal.SIGTERM  # another process received it
        raise Stopped(number, f"stopped; {self.run.folder.way_on(path)}")

    def _roll_back(self):
        """Load the last checkpoint, and halve the learning rate."""
        path = self.keeper.last_until(self.last_epoch, self.step)
        if path is None:
            raise UserError("there is no checkpoint to go back to: lower optimizer.args.lr")
        with halved_rates(self.optimizer, self.scheduler):
            self.resume(read_checkpoint(path), path)
        self.run.logger.warning(f"back to {path}, with half the learning rate")

    def prepare(self):
        """Prepare the loaders, before an epoch is timed."""

    def draw_pictures(self, epoch):
        """Return [(name, matplotlib figure)] for the end of an epoch."""
        return []

    def remarks(self):
        """Return {name: text} for the log and results.json, on how the training was computed."""
        return {}

    def _report(self, epoch, values):
        """Write an epoch's values to the log and to TensorBoard, and draw its pictures."""
        self.run.logger.info(f"    {'epoch':15s}: {epoch}")
        for name, value in values.items():
            self.run.logger.info(f"    {name:15s}: {value:.6g}")
            if self.run.writer is not None:
                self.run.writer.add_scalar(name, value, epoch)
        if not self.world.is_main:
            return
        try:
            for name, figure in self.draw_pictures(epoch):
                self.run.show(name, figure, epoch)
        except WriteError as error:
            self.run.logger.warning(f"epoch {epoch} has no pictures: {error}")

    def _state(self):
        return {
            **self.run.identity,
            "epoch": self.last_epoch,
            "state_dict": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict() if self.scheduler else None,
            "monitor": self.monitor.state_dict(),
            **({"grad_scaler": scaler} if (scaler := self.precision.state_dict()) else {}),
        }

    def resume(self, checkpoint, path):
        """Load the state of a checkpoint; ``path`` is for messages."""
        load_weights(self.model, checkpoint["state_dict"], path)
        with config_errors(f"{path}: the optimizer's state does not fit"):
            self.optimizer.load_state_dict(checkpoint["optimizer"])
        if warning := resume_schedule(self.scheduler, checkpoint, path):
            self.run.warnings.append(warning)
        self.monitor.load_state_dict(checkpoint["monitor"])
        self.precision.load_state_dict(checkpoint.get("grad_scaler"))
        self.last_epoch, self.step = checkpoint["epoch"], checkpoint.get("step", 0)
        self.running_loss = RunningMean()
        if self.step and self.world.is_main:
            self.running_loss.total, self.running_loss.weight = checkpoint["running_loss"]
