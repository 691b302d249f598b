"""Evaluating a checkpoint: what ``test.py`` and ``test_matching.py`` run."""

import torch

from trainer import assembly
from trainer.limits import NO_LIMITS
from trainer.results import evaluate, load_for_evaluation, save_results
from utils.errors import UserError
from utils.run import Run, RunFolder


def evaluate_checkpoint(config, path, device, output=None, limits=NO_LIMITS):
    """Evaluate a checkpoint on the config's test split, in a run folder of its own.

    Returns {name: value}.
    """
    dataset = assembly.evaluation_dataset(config.experiment)
    if dataset is None:
        raise UserError(
            f"{config.path}: its images have no landmarks to evaluate with (no landmarks.csv)"
        )
    torch.manual_seed(config.experiment.seed)
    model = load_for_evaluation(config, path, dataset, device)
    identity = {"run_name": config.name, "seed": config.experiment.seed, "config": config.raw}
    run = Run(RunFolder.new(config.trainer.save_dir, config.name), config.trainer, identity, device)
    with run.open(
        [f"evaluating {path} on {type(dataset).__name__}, split '{dataset.split}'"], events=False
    ):
        results = evaluate(model, config.experiment, dataset, device, limits)
        save_results(results, run, dataset, path, config, output)
    return results.figures
