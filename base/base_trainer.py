"""Epochs, validation, monitoring, checkpoints, resume: the loop that both trainers run."""

import math
import time

import torch
from tqdm import tqdm

from base.monitor import Monitor
from utils.checkpoint import load_weights, save_checkpoint
from utils.errors import UserError, blamed_on

POSTFIX_EVERY = 20  # steps; reading the loss makes the host wait for the device


class RunningMean:
    """A weighted mean of tensors that stays on their device until it is read."""

    def __init__(self):
        self.total, self.weight = 0.0, 0

    def add(self, value, weight):
        """Take the mean of ``weight`` further samples."""
        self.total = self.total + value.detach().double() * weight
        self.weight += weight

    @property
    def value(self):
        """The mean so far, a float."""
        return float(self.total) / max(self.weight, 1)


class BaseTrainer:
    """Runs the epochs of one training and keeps its files.

    A subclass offers ``train_step(batch, epoch) -> loss``, ``validate(epoch) -> {name: value}``,
    and ``value_names``, those of all values of an epoch; it may have pictures.

    model, optimizer, scheduler: scheduler may be None; loader: training batches, whose
    ``batch_sampler.epoch`` is set.
    run: the ``Run`` it belongs to, open when ``fit`` is called.
    """

    def __init__(self, model, optimizer, scheduler, loader, run):
        self.model, self.loader = model, loader
        self.optimizer, self.scheduler = optimizer, scheduler
        self.run, self.options, self.device = run, run.options, run.device
        self.monitor = Monitor(run.options.monitor, run.options.patience)
        self.last_epoch = 0  # the last one that is finished

    def fit(self):
        """Train to the last epoch, or until patience runs out; returns the last one's values."""
        values = {}
        while self.last_epoch < self.options.epochs and not self.monitor.exhausted:
            epoch = self.last_epoch + 1
            values = self._run_epoch(epoch)
            self.last_epoch = epoch
            improved = self.monitor.update(values)
            self._save(epoch, improved, last=self.monitor.exhausted or epoch == self.options.epochs)
        if self.monitor.exhausted:
            self.run.logger.info(
                f"stopped: no better {self.monitor.name} for {self.options.patience} epochs"
            )
        return values

    def _run_epoch(self, epoch):
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
        for name, figure in self.draw_pictures(epoch):
            self.run.show(name, figure, epoch)
        return values

    def _train_epoch(self, epoch):
        """Return the mean loss of an epoch and its number of images."""
        self.model.train()
        self.loader.batch_sampler.epoch = epoch
        mean = RunningMean()
        with self.progress(f"epoch {epoch}/{self.options.epochs}", self.loader) as bar:
            for step, batch in enumerate(self.loader):
                loss = self._optimise(batch, epoch)
                mean.add(loss, len(batch["index"]))
                if step % POSTFIX_EVERY == 0:
                    bar.set_postfix(loss=f"{mean.value:.4f}", refresh=False)
                bar.update(len(batch["index"]))
        if not math.isfinite(mean.value):
            raise UserError(
                f"epoch {epoch}: the loss is {mean.value}; nothing was saved of this epoch. "
                "A lower optimizer.args.lr is the usual cure"
            )
        return mean.value, mean.weight

    def _optimise(self, batch, epoch):
        """Take a step; returns the loss of the batch, the mean over its parts."""
        self.optimizer.zero_grad()
        total = torch.zeros((), device=self.device)
        for part in _parts(batch, self.options.accumulation):
            loss = self.train_step(part, epoch) * (len(part["index"]) / len(batch["index"]))
            loss.backward()
            total += loss.detach()
        self.optimizer.step()
        return total

    def draw_pictures(self, epoch):
        """Return [(name, matplotlib figure)] of what was learned."""
        return []

    def autocast(self):
        """The context in which networks run: bfloat16 where the config says so."""
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.options.precision == "bfloat16"
        )

    def progress(self, title, loader):
        """Return a progress bar over the images of a loader, hidden where there is no terminal."""
        total = sum(len(batch) for batch in loader.batch_sampler)
        hidden = True if self.options.verbosity < 1 else None
        return tqdm(
            total=total, desc=title, unit="image", leave=False, disable=hidden, dynamic_ncols=True
        )

    def _report(self, epoch, values):
        self.run.logger.info(f"    {'epoch':15s}: {epoch}")
        for name, value in values.items():
            self.run.logger.info(f"    {name:15s}: {value:.6g}")
            if self.run.writer is not None:
                self.run.writer.add_scalar(name, value, epoch)

    def _save(self, epoch, improved, last):
        folder, watched = self.run.folder.model_dir, self.monitor.name is not None
        # The best comes first: a run killed in between repeats the epoch, and so writes it again.
        if improved and (watched or last):  # unwatched, the last epoch counts as the best
            save_checkpoint(folder / "model_best.pth", self._state(epoch))
        if last or epoch % self.options.save_period == 0:
            path = folder / f"checkpoint-epoch{epoch}.pth"
            save_checkpoint(path, self._state(epoch))
            self.run.logger.debug(f"saved {path}")

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
        self.last_epoch = checkpoint["epoch"]


def _parts(batch, count):
    """Split a batch, a dictionary of tensors, into parts of two or more samples."""
    count = max(1, min(count, len(batch["index"]) // 2))
    chunks = {name: tensor.tensor_split(count) for name, tensor in batch.items()}
    return [dict(zip(chunks, tensors)) for tensors in zip(*chunks.values())]
