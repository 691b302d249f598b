"""A training from start to figures: what ``train.py`` runs, once per seed."""

import shlex
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from base.base_trainer import BaseTrainer
from data_loader.base_dataset import KeypointDataset
from trainer import assembly
from trainer.limits import MINI, NO_LIMITS
from trainer.make_trainer import make_trainer
from trainer.results import evaluate, save_results
from trainer.start import Start
from utils.checkpoint_names import checkpoint_name
from utils.config import names_config
from utils.device import computes_bfloat16, determinism, peak_memory_gib
from utils.distributed import World, was_restarted
from utils.errors import EmptySplit, UserError
from utils.experiment import Experiment
from utils.progress import bars_hidden
from utils.run import Run, newest_checkpoint, open_log


def train_seeds(config, device, resume=None, seeds=None, limits=NO_LIMITS, world=World()):
    """Train once, or once per seed (then with mean and deviation at the end).

    Returns the figures of each; in the main process of a world, in the others those of the last
    epoch.
    """
    if was_restarted() and seeds is None:
        resume = world.agreed(_last_checkpoint(config) or resume)
    start = read_start(config, resume, seeds, limits)
    folder = world.agreed(start.folder(config))
    if seeds is None:
        return [train(config, folder, start.seed(config), device, start, limits, world)]
    figures = [
        train(config, folder.for_seed(seed), seed, device, start, limits, world) for seed in seeds
    ]
    if not world.is_main:
        return figures
    folder.create({**config.raw, "seed": seeds[0]})
    _log_spread(figures, open_log(folder, config.trainer.verbosity))
    return figures


def read_start(config, resume, seeds, limits):
    """Return where a training, or one for each of several seeds, begins."""
    start = Start.read(config, resume, small=limits is MINI)
    if start.continued and seeds is not None:
        raise UserError(
            f"--seeds: {resume} is a checkpoint of this run; "
            "one seed is continued at a time, without --seeds"
        )
    return start


def _last_checkpoint(config):
    """Return the last checkpoint of the newest run of a config; None if that run has none."""
    found = newest_checkpoint(config.trainer.save_dir, config.name)
    runs = (Path(config.trainer.save_dir) / "models" / config.name).glob("*")
    return str(found.path) if found and found.path.parent == max(runs) else None


def _log_spread(figures, logger):
    for name in figures[0]:
        values = [of_seed[name] for of_seed in figures]
        logger.info(f"{name} -> mean: {np.mean(values):.4f}, std: {np.std(values):.4f}")


@dataclass(frozen=True)
class Prepared:
    """A training before its first step.

    test_set: what it is evaluated on, None if that has no landmarks.
    """

    experiment: Experiment
    run: Run
    trainer: BaseTrainer
    test_set: KeypointDataset | None


def prepare(config, folder, seed, device, start, limits=NO_LIMITS, world=World()):
    """Build all that a training needs; returns it ``Prepared``."""
    experiment = replace(config.experiment, seed=seed)
    options = replace(config.trainer, epochs=limits.epochs or config.trainer.epochs)
    identity = {
        "run_name": config.name,
        "seed": seed,
        "arch": experiment.arch["type"],
        "mini_train": limits is MINI,
        "config": {**config.raw, "seed": seed},
    }
    run = Run(folder, options, identity, device, world)
    run.partial += limits.notes
    # Before the training, for what is wrong with it should show at once.
    test_set = _evaluation_dataset(experiment, run)
    if experiment.is_landmark and test_set.landmark_names:
        run.identity["landmark_names"] = test_set.landmark_names
    if options.precision == "bfloat16" and not computes_bfloat16(device):
        run.remarks.append(f"trainer.precision: {device} only emulates bfloat16, float32 is faster")
    torch.manual_seed(seed)
    return Prepared(experiment, run, make_trainer(experiment, run, start, limits), test_set)


@names_config
def train(config, folder, seed, device, start, limits=NO_LIMITS, world=World()):
    """Train with one seed, evaluate, write results.json.

    Returns {name: value} of the last epoch and the evaluation.
    """
    hidden = config.trainer.verbosity < 1 or not world.is_main
    with bars_hidden(hidden), determinism(config.experiment.deterministic):
        prepared = prepare(config, folder, seed, device, start, limits, world)
        return _train(prepared, config, start, limits)


def _train(prepared, config, start, limits):
    run, trainer, test_set = prepared.run, prepared.trainer, prepared.test_set
    folder, world = run.folder, run.world
    with run.open([*start.describe(config), *config.notes]):
        run.logger.info(f"run: {folder.model_dir}")
        processes = f", {world.size} processes" if world.size > 1 else ""
        run.logger.info(f"device: {run.device}{processes}, seed: {run.identity['seed']}")
        values = _fit(trainer)
        if not world.is_main:
            return values
        run.logger.info(f"look at it: python misc/report.py {shlex.quote(str(folder.model_dir))}")
        if test_set is None:
            return values
        results = evaluate(trainer.model, prepared.experiment, test_set, run.device, limits)
        checkpoint = folder.model_dir / checkpoint_name(trainer.last_epoch)
        save_results(results, run, test_set, checkpoint, config)
    return {**values, **results.figures}


def _evaluation_dataset(experiment, run):
    """Return the images to evaluate on; None where an embedding's have too few landmarks."""
    try:
        test_set = assembly.evaluation_dataset(experiment, world=run.world)
    except EmptySplit as error:
        if experiment.is_landmark:
            raise
        run.remarks.append(f"nothing will be measured: {error}")
        return None
    run.note_dataset(test_set)
    return test_set


def _fit(trainer):
    """Train, and tell what it took; returns the values of the last epoch."""
    logger, parameters = trainer.run.logger, trainer.model.parameters()
    logger.info(f"Trainable parameters: {sum(p.numel() for p in parameters if p.requires_grad)}")
    if trainer.last_epoch >= trainer.options.epochs:
        logger.info(f"nothing to train: the last epoch, {trainer.options.epochs}, is done")
        return trainer.fit()
    begin = time.perf_counter()
    values = trainer.fit()
    minutes = (time.perf_counter() - begin) / 60
    gib = peak_memory_gib(trainer.device)
    logger.info(f"trained in {minutes:.1f} min; peak memory {gib:.2f} GiB")
    return values
