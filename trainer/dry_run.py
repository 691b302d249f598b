"""What a training would do: everything is built, a few steps are measured, nothing is written."""

import time
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch.utils._pytree import tree_leaves

from base.checkpoint_keeper import BEST
from data_loader.cache import num_keypts
from trainer.descriptors import LiveDescriptors
from trainer.limits import MINI, NO_LIMITS, Limits
from trainer.results import evaluate
from trainer.training import Prepared, prepare, read_start
from trainer.trial import NUM_STEPS, Trial, try_out, validation_source
from utils.checkpoint_names import checkpoint_name
from utils.config import Config, names_config
from utils.device import determinism
from utils.disk import size_text
from utils.distributed import World
from utils.progress import bars_hidden, clock
from utils.wording import counted

TRIAL_IMAGES = 64  # at least, for training, and for the evaluation


@names_config
def dry_run(config, device, resume=None, seeds=None, limits=NO_LIMITS, world=World()):
    """Print what ``train_seeds`` with the same arguments would do, and what it may cost."""
    start = read_start(config, resume, seeds, limits)
    folder = world.agreed(start.folder(config))
    # A cache would decode every image, or write to the disk.
    uncached = replace(config, experiment=replace(config.experiment, cache="off"))
    seeds = seeds or [start.seed(config)]
    some = _trial_limits(config, limits)
    hidden = config.trainer.verbosity < 1 or not world.is_main
    with bars_hidden(hidden), determinism(config.experiment.deterministic):
        prepared = prepare(uncached, folder, seeds[0], device, start, some, world)
        plan = Plan(config, prepared, limits, seeds, try_out(prepared.trainer))
        if world.is_main:
            sections = [[*start.describe(config), *config.notes], *plan.sections()]
            print("\n\n".join("\n".join(lines) for lines in sections))


def _trial_limits(config, limits):
    """Return limits such that a trial takes no more images than it measures."""
    if limits is MINI:
        return MINI
    images = max(NUM_STEPS * config.experiment.batch_size, TRIAL_IMAGES)
    return Limits(images=images, evaluation_images=TRIAL_IMAGES)


@dataclass
class Plan:
    """A training, told in sections of lines.

    prepared: the training on a few images that ``trial`` took steps of; config, limits: of the
    whole.
    """

    config: Config
    prepared: Prepared
    limits: Limits
    seeds: list
    trial: Trial

    def sections(self):
        """Return lists of lines: data, network, loss, time, memory, files."""
        return [self.data(), self.network(), self.loss(), self.time(), self.memory(), self.files()]

    @cached_property
    def splits(self):
        """The data sets that training and validation take a part of: {name: data set}."""
        trainer = self.prepared.trainer
        sources = {"train": trainer.loader, "val": validation_source(trainer)}
        return {name: _whole(source) for name, source in sources.items()}

    @property
    def num_images(self):
        """How many images of each split an epoch takes, {name: number}."""
        most = self.limits.images
        return {name: min(len(d), most or len(d)) for name, d in self.splits.items()}

    @property
    def batch_size(self):
        return self.limits.cut_batch(self.config.experiment.batch_size)

    @property
    def steps(self):
        """Steps of an epoch."""
        return self.num_images["train"] // self.batch_size

    @property
    def epochs_left(self):
        last = self.limits.epochs or self.config.trainer.epochs
        return max(0, last - self.prepared.trainer.last_epoch)

    def data(self):
        dataset, test_set = _innermost(self.splits["train"]), self.prepared.test_set
        side = dataset.imwidth - 2 * dataset.crop
        name = f"{type(dataset).__name__}: images of {dataset.imwidth}x{dataset.imwidth}"
        lines = [f"{name}, cropped to {side}x{side}"]
        lines += [f"  {remark}" for remark in self.prepared.run.remarks]
        lines += [f"  beware: {warning}" for warning in self.prepared.run.warnings]
        lines += [f"  partial: {note}" for note in self.prepared.run.partial]
        lines += [
            f"  {split:6} {counted(number, 'image')}" for split, number in self.num_images.items()
        ]
        if test_set is not None:
            count = min(len(test_set), self.limits.evaluation_images or len(test_set))
            lines.append(f"  {'test':6} {counted(count, 'image')} of {type(test_set).__name__}")
        else:
            lines.append("  test   no landmarks: no figures at the end")
        left = self.num_images["train"] - self.steps * self.batch_size
        rest = f", {left} left over" if left else ""
        return [*lines, f"  an epoch: {counted(self.steps, 'step')} of {self.batch_size}{rest}"]

    def network(self):
        model = self.prepared.trainer.model
        learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
        total = sum(p.numel() for p in model.parameters())
        table = [("part", "kind", "returns", "parameters")]
        for layer in self.trial.layers:
            shape = "not called" if layer.shape is None else _by(layer.shape)
            table.append((layer.name, layer.kind, shape, f"{layer.parameters:,}"))
        widths = [max(map(len, column)) for column in zip(*table)]
        rows = ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
        return [f"network: {total:,} parameters, of which {learning:,} learn", *rows]

    def loss(self):
        experiment, trainer = self.prepared.experiment, self.prepared.trainer
        inputs = [f"  {name:9} {_by(shape)}" for name, shape in self.trial.loss_inputs.items()]
        rate = trainer.optimizer.param_groups[0]["lr"]
        scheduler = experiment.lr_scheduler["type"] if experiment.lr_scheduler else "none"
        return [
            f"loss: {experiment.loss} = {self.trial.loss:.4g} at the first step",
            *inputs,
            f"optimizer: {type(trainer.optimizer).__name__}, rate {rate:g}; schedule: {scheduler}",
        ]

    def time(self):
        trial, counts = self.trial, self.num_images
        validation = counts["val"] * trial.validation_seconds / self.prepared.run.world.size
        first, later = (self.steps * pace + validation for pace in self._paces())
        once = sum(counts.values()) * trial.fill_seconds
        evaluation = self._evaluation_seconds()
        epochs = first + (self.epochs_left - 1) * later if self.epochs_left else 0
        total = len(self.seeds) * (epochs + once + evaluation)
        seeds = f" for each of {len(self.seeds)} seeds" if len(self.seeds) > 1 else ""
        rows = [
            ("a batch", f"{trial.batch_seconds:.3g} s"),
            ("a step", f"{trial.step_seconds:.3g} s"),
            ("descriptors", f"{clock(once)}, once") if once else None,
            ("an epoch", f"{clock(later)}, of which validation {clock(validation)}"),
            ("evaluation", clock(evaluation)),
            ("together", f"{clock(total)}, {counted(self.epochs_left, 'epoch')}{seeds}"),
        ]
        lines = [f"  {name:12} {text}" for name, text in filter(None, rows)]
        return [f"time, on {self.prepared.run.device}, from {NUM_STEPS} steps:", *lines]

    def _paces(self):
        """Return the seconds from step to step in the first epoch, and in the others."""
        batch, step = self.trial.batch_seconds, self.trial.step_seconds
        loader = self.prepared.trainer.loader
        live = isinstance(loader, LiveDescriptors)
        workers = getattr(loader, "loader", loader).num_workers
        pace = max(batch, step) if workers and not live else batch + step
        decodes_again = self.config.experiment.cache == "off" or live
        return pace, pace if decodes_again else step

    def _evaluation_seconds(self):
        test_set, run = self.prepared.test_set, self.prepared.run
        if test_set is None:
            return 0.0
        begin = time.perf_counter()
        limits = Limits(evaluation_images=self.limits.evaluation_images or TRIAL_IMAGES)
        model, experiment = self.prepared.trainer.model, self.prepared.experiment
        taken = evaluate(model, experiment, test_set, run.device, limits).num_images
        wanted = self.limits.evaluation_images or len(test_set)
        return (time.perf_counter() - begin) * min(wanted, len(test_set)) / taken

    def memory(self):
        lines = [f"memory: {self.trial.peak_gib:.2f} GiB at most in these steps"]
        images = sum(map(self._decoded_bytes, self.splits.values()))
        if self.config.experiment.cache != "off":
            lines.append(f"  images kept ({self.config.experiment.cache}): {size_text(images)}")
        if self.trial.descriptor_bytes:
            kept = sum(self.num_images.values()) * self.trial.descriptor_bytes
            lines.append(f"  descriptors kept: {size_text(kept)}")
        return lines

    @staticmethod
    def _decoded_bytes(samples):
        dataset = _innermost(samples)
        return len(dataset) * (3 * dataset.imwidth**2 + 8 * num_keypts(dataset))

    def files(self):
        folder, trainer = self.prepared.run.folder, self.prepared.trainer
        state = trainer.model.state_dict(), trainer.optimizer.state_dict()
        size = sum(leaf.nbytes for leaf in tree_leaves(state) if isinstance(leaf, torch.Tensor))
        last = trainer.last_epoch + self.epochs_left
        several = len(self.seeds) > 1
        folders = [folder.for_seed(seed) for seed in self.seeds] if several else [folder]
        count = counted(self._num_checkpoints(last), "checkpoint") + " each" * several
        lines = [f"files: {count}, of about {size_text(size)}"]
        for place in folders:
            names = ["config.json", checkpoint_name(last), BEST]
            names += ["results.json"] if self.prepared.test_set is not None else []
            lines.append(f"  {place.model_dir}: {', '.join(names)}")
            names = ["info.log"] + ["pictures"] * bool(trainer.pictures)
            names += ["TensorBoard events"] if self.config.trainer.tensorboardX else []
            lines.append(f"  {place.log_dir}: {', '.join(names)}")
        return [*lines, "nothing was written"]

    def _num_checkpoints(self, last):
        """Return how many are there at the end of a training to the epoch ``last``; one is the
        best.
        """
        options, first = self.config.trainer, self.prepared.trainer.last_epoch
        count = last // options.save_period - first // options.save_period
        count += last % options.save_period > 0
        if options.keep_last or options.keep_best:
            count = min(count, max(options.keep_last or 0, 1) + (options.keep_best or 0))
        return count + 1


def _whole(source):
    """Return the data set that a loader, or a source of descriptors, takes the first images of."""
    return getattr(source, "loader", source).dataset.dataset


def _innermost(samples):
    """Return the data set that others wrap."""
    while hasattr(samples, "dataset"):
        samples = samples.dataset
    return samples


def _by(shape):
    return " x ".join(map(str, shape)) or "a number"
