"""Train, evaluate and save the results, once for each seed: what ``train.py`` runs."""

import numpy as np
import torch

from base.precision import slow_line
from data_loader.folder_listing import shared_listings
from trainer.datasets import final_test_set, training_datasets
from trainer.embedding_trainer import EmbeddingTrainer
from trainer.evaluation.results import evaluate, save_results
from trainer.landmark_trainer import LandmarkTrainer
from trainer.optimisation import rehearse_schedule, unreached_milestones
from trainer.resume import start_run
from utils.checkpoint.find import checkpoint_name
from utils.config.read import errors_of
from utils.device import fast_or_repeatable
from utils.distributed import World
from utils.errors import ConfigError
from utils.log import open_log
from utils.progress import bars_hidden
from utils.run import Run
from utils.text import command


def train_seeds(config, resume=None, seeds=None, world=World()):
    """Train once, or once for each seed, and log mean and standard deviation.

    Returns the figures of each seed, a list of {name: value}; in all but the main process, values
    of the last epoch only.
    """
    with start_run(config, resume, seeds, world) as (start, folder):
        if seeds is None:
            config = config.with_seed(start.seed(config))
            return [train_one_seed(config, folder, start, world)]
        figures = [
            train_one_seed(config.with_seed(seed), folder.for_seed(seed), start, world)
            for seed in seeds
        ]
        if world.is_main:
            folder.create(config.with_seed(seeds[0]).raw)
            logger = open_log(folder, config.trainer.verbosity)
            for name in figures[0]:
                values = [of_seed[name] for of_seed in figures]
                logger.info(f"{name} -> mean: {np.mean(values):.4f}, std: {np.std(values):.4f}")
        return figures


def train_one_seed(config, folder, start, world=World()):
    """Train with the seed of a config, evaluate, and write results.json.

    Returns {name: value} of the last epoch and of the evaluation.
    """
    hidden = config.trainer.verbosity < 1 or not world.is_main
    with errors_of(config), bars_hidden(hidden), fast_or_repeatable(config.deterministic):
        run = Run(folder, config, world)
        with shared_listings():
            # Before the training, to find errors in the test images at once.
            test_set = final_test_set(config, run)
            torch.manual_seed(config.seed)
            trainer = build_trainer(config, start, run)
        with run.open([*start.describe(config), *config.notes]):
            run.logger.info(f"run: {folder.model_dir}")
            processes = f", {world.size} processes" if world.size > 1 else ""
            run.logger.info(f"device: {run.device}{processes}, seed: {config.seed}")
            learning = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
            run.logger.info(f"Trainable parameters: {learning}")
            values = trainer.fit()
            if not world.is_main:
                return values
            remarks = trainer.remarks()
            for name, text in remarks.items():
                run.logger.info(f"{name}: {text}")
            run.logger.info(f"look at it: {command('misc/report.py', folder.model_dir)}")
            if test_set is None:
                return values
            results = evaluate(trainer.model, config, test_set, run.device)
            results.remarks.update(remarks)
            checkpoint = folder.model_dir / checkpoint_name(trainer.last_epoch)
            save_results(results, run, test_set, checkpoint)
        return {**values, **results.figures}


def build_trainer(config, start, run):
    """Return the trainer of a config with its data and networks, resumed if ``start`` says so."""
    options, largest = config.trainer, max(1, config.batch_size // 2)
    if options.accumulation > largest:
        raise ConfigError(
            f"trainer.accumulation = {options.accumulation}, expected at most {largest}: each "
            f"part of a batch of {config.batch_size} needs two samples"
        )
    run.remarks += filter(None, [slow_line(options.precision, run.device)])
    rehearse_schedule(config)  # before images are cached, which may take long
    train_set, val_set = training_datasets(config, run)
    kind = LandmarkTrainer if config.is_landmark else EmbeddingTrainer
    trainer = kind.from_config(config, train_set, val_set, start, run)
    run.warnings += unreached_milestones(config)  # once the schedule is known to be sound
    trainer.monitor.check(trainer.value_names)
    if start.continued:
        trainer.resume(start.checkpoint, start.path)
        trainer.keeper.resumed_from = start.path
    return trainer
