"""Evaluate a checkpoint: what ``test.py`` and ``test_matching.py`` run."""

import torch

from trainer.datasets import evaluation_dataset
from trainer.evaluation.cases import LandmarkGallery, MatchingGallery, dense_match_figures
from trainer.evaluation.results import evaluate, load_for_evaluation, save_results
from utils.checkpoint.find import last_of_run
from utils.config.read import errors_of
from utils.device import determinism, select_device
from utils.distributed import World
from utils.errors import UserError
from utils.progress import bars_hidden
from utils.run import Run
from utils.run_folder import RunFolder


def evaluate_checkpoint(config, args):
    """Evaluate a checkpoint in a new run folder; returns {name: value}.

    args: parsed by ``utils.cli.evaluation_program``.
    """
    device, hidden = select_device(args.device), config.trainer.verbosity < 1
    if args.mini_train:
        config = config.mini()
    with errors_of(config), bars_hidden(hidden), determinism(config.deterministic):
        if args.dense_match and config.is_landmark:
            raise UserError(f"--dense_match: takes an embedding, {config.path} fits landmarks")
        checkpoint = last_of_run(args.resume)
        dataset = evaluation_dataset(config, args.eval_data)
        torch.manual_seed(config.seed)
        model = load_for_evaluation(config, checkpoint, dataset, device)
        folder = RunFolder.new(config.trainer.save_dir, config.name)
        run = Run(folder, config, World(device=device))
        run.note_dataset(dataset)
        gallery = (LandmarkGallery if config.is_landmark else MatchingGallery)(dataset)
        where = f"{type(dataset).__name__}, split '{dataset.split}'"
        with run.open([f"evaluating {checkpoint} on {where}"], events=False):
            results = evaluate(model, config, dataset, device, gallery if args.vis else None)
            pictures = list(gallery.figures())
            if args.dense_match:
                pictures += dense_match_figures(model, dataset, device)
            for name, figure in pictures:
                run.logger.info(f"picture: {run.show(name, figure)}")
            save_results(results, run, dataset, checkpoint, args.output)
        return results.figures
