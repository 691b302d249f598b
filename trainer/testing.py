"""Evaluating a checkpoint: what ``test.py`` and ``test_matching.py`` run."""

import torch

from trainer import assembly
from trainer.limits import NO_LIMITS
from trainer.results import evaluate, load_for_evaluation, save_results
from utils.config import names_config
from utils.errors import UserError
from utils.run import Run, RunFolder


@names_config
def evaluate_checkpoint(config, path, device, eval_data=None, output=None, limits=NO_LIMITS):
    """Evaluate a checkpoint in a run folder of its own; returns {name: value}.

    eval_data: name of the data set whose test split to use, if not the one the config implies.
    """
    dataset = assembly.evaluation_dataset(config.experiment, eval_data)
    if dataset is None:
        raise UserError(
            f"{config.path}: its images have no landmarks to evaluate with (no landmarks.csv)"
        )
    torch.manual_seed(config.experiment.seed)
    model = load_for_evaluation(config, path, dataset, device)
    identity = {"run_name": config.name, "seed": config.experiment.seed, "config": config.raw}
    run = Run(RunFolder.new(config.trainer.save_dir, config.name), config.trainer, identity, device)
    run.note_partial(dataset)
    with run.open(
        [f"evaluating {path} on {type(dataset).__name__}, split '{dataset.split}'"], events=False
    ):
        results = evaluate(model, config.experiment, dataset, device, limits)
        save_results(results, run, dataset, path, config, output)
    return results.figures
