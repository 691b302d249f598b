"""Measure the minutes that a recipe takes until it matches other identities below an error.

    python misc/time_to_accuracy.py configs/real_faces/smallnet-64d-dve-likelihood.json \\
        --below 7.98 --epochs 2,3,4

Trains from fresh weights with each number of epochs in turn, until the final different-identity
error of each seed, in the published protocol, is below the one given. Schedules keep their shape:
milestones move with the number of epochs, and a one-cycle schedule has the length of its training.
A training counts from the first image that is read to its last step and its evaluation. Give the
machine nothing else to do meanwhile.
"""

import argparse
import sys
import time
from datetime import date
from pathlib import Path
from statistics import fmean

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from misc.benchmarking.measuring import machine, markdown_table
from trainer.figures import DIFFERENT, SAME
from utils.cli import add_run_options, make_parser, parse_seeds, path_text, positive, run_program
from utils.config.read import errors_of, read_config


def parse_epochs(text):
    """Return ``--epochs`` as a list; raises ``argparse.ArgumentTypeError``."""
    epochs = [positive(part) for part in text.split(",")]
    if epochs != sorted(set(epochs)):
        raise argparse.ArgumentTypeError(f"'{text}', expected increasing numbers such as 2,3,4")
    return epochs


def of_length(path, overrides, epochs):
    """Return the config for this number of epochs; None: as it is."""
    config = read_config(path, overrides)
    if epochs is None:
        return config
    changes = [f"trainer.epochs={epochs}"]
    schedule = config.lr_scheduler or {"args": {}}
    milestones = schedule["args"].get("milestones")
    if isinstance(milestones, list) and all(isinstance(n, int) for n in milestones):
        moved = [round(n * epochs / config.trainer.epochs) for n in milestones]
        changes.append(f"lr_scheduler.args.milestones={moved}")
    return read_config(path, [*overrides, *changes])


def parse_args(argv=None):
    parser = make_parser(__doc__)
    parser.add_argument(
        "configs", nargs="+", type=path_text, metavar="CONFIG", help="of embeddings, to be compared"
    )
    parser.add_argument(
        "--below", type=float, required=True, metavar="PX",
        help="the error to get below, in pixels of a 70x70 image",
    )
    parser.add_argument(
        "--epochs", type=parse_epochs, default=[None], metavar="2,3,4",
        help="numbers of epochs to try (default: the config's)",
    )
    parser.add_argument(
        "--seeds", type=parse_seeds, metavar="0,1,2",
        help="seeds to train with (default: the config's)",
    )
    add_run_options(parser)
    return parser.parse_args(argv)


def timed_training(config, device):
    """Train and evaluate; returns minutes, and the errors of same and different identity."""
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    from trainer.training import train_seeds
    from utils.distributed import World

    begin = time.perf_counter()
    (figures,) = train_seeds(config, world=World(device=device))
    return (time.perf_counter() - begin) / 60, figures[SAME], figures[DIFFERENT]


def main(argv=None):
    args = parse_args(argv)
    configs = {
        (path, epochs): of_length(path, args.overrides, epochs)
        for path in args.configs
        for epochs in args.epochs
    }
    from trainer.datasets import evaluation_dataset
    from utils.device import select_device

    for path in args.configs:  # before the trainings, to find images without landmarks at once
        config = read_config(path, args.overrides)
        with errors_of(config):
            evaluation_dataset(config)
    device, rows, reached = select_device(args.device), [], set()
    for (path, _), config in configs.items():
        if path in reached:
            continue
        seeds = args.seeds or [config.seed]
        trained = [timed_training(config.with_seed(seed), device) for seed in seeds]
        minutes, same, different = zip(*trained)
        errors = [", ".join(f"{e:.2f}" for e in kind) + " px" for kind in (same, different)]
        rows.append([path, str(config.trainer.epochs), f"{fmean(minutes):.1f}", *errors])
        if max(different) < args.below:
            reached.add(path)
    print(f"\n{markdown_table(['', 'epochs', 'minutes', 'same', 'different'], rows)}\n")
    print(f"{machine(device)}, {date.today()}")
    for path in args.configs:
        found = "reached" if path in reached else "not reached"
        print(f"different identity below {args.below:g} px: {found} by {path}")


if __name__ == "__main__":
    sys.exit(run_program(main))
