"""Evaluating a checkpoint: what ``test.py`` and ``test_matching.py`` run."""

import torch

from trainer import assembly
from trainer.cases import LandmarkGallery, MatchingGallery, dense_match_figures
from trainer.limits import MINI, NO_LIMITS
from trainer.results import evaluate, load_for_evaluation, save_results
from utils.config import names_config
from utils.device import determinism, select_device
from utils.errors import UserError
from utils.progress import bars_hidden
from utils.run import Run, RunFolder, last_checkpoint


@names_config
def evaluate_checkpoint(config, args):
    """Evaluate a checkpoint in a run folder of its own; returns {name: value}.

    args: what ``utils.cli.evaluation_program`` parses.
    """
    hidden = config.trainer.verbosity < 1
    with bars_hidden(hidden), determinism(config.experiment.deterministic):
        return _evaluate_checkpoint(config, args)


def _evaluate_checkpoint(config, args):
    experiment, device = config.experiment, select_device(args.device)
    if args.dense_match and experiment.is_landmark:
        raise UserError(f"--dense_match: takes an embedding, {config.path} fits landmarks")
    checkpoint = last_checkpoint(args.resume)
    dataset = assembly.evaluation_dataset(experiment, args.eval_data)
    torch.manual_seed(experiment.seed)
    model = load_for_evaluation(config, checkpoint, dataset, device)
    identity = {"run_name": config.name, "seed": experiment.seed, "config": config.raw}
    run = Run(RunFolder.new(config.trainer.save_dir, config.name), config.trainer, identity, device)
    limits = MINI if args.mini_train else NO_LIMITS
    run.partial += limits.notes
    run.note_dataset(dataset)
    where = f"{type(dataset).__name__}, split '{dataset.split}'"
    with run.open([f"evaluating {checkpoint} on {where}"], events=False):
        results = _evaluate(model, experiment, dataset, run, limits, args)
        save_results(results, run, dataset, checkpoint, config, args.output)
    return results.figures


def _evaluate(model, experiment, dataset, run, limits, args):
    """Evaluate, and write the pictures that ``--vis`` and ``--dense_match`` ask for."""
    gallery = (LandmarkGallery if experiment.is_landmark else MatchingGallery)(dataset)
    watch = gallery if args.vis else None
    results = evaluate(model, experiment, dataset, run.device, limits, watch)
    pictures = list(gallery.figures())
    if args.dense_match:
        pictures += dense_match_figures(model, dataset, run.device)
    for name, figure in pictures:
        run.logger.info(f"picture: {run.show(name, figure)}")
    return results
