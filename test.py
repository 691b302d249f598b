"""Evaluate a checkpoint: matching for an embedding, inter-ocular error for a landmark regressor.

    python test.py --config configs/celeba/smallnet-64d-dve.json --resume FILE.pth
    python test.py --config saved/models/NAME/TIME/config.json --resume FILE.pth --vis

Figures are printed, and written to results.json in a new run folder. A run's config.json is a
config, too.
"""

import sys

from utils.cli import evaluation_program, run_program
from utils.config.read import read_config


def main():
    args = evaluation_program(__doc__).parse_args()
    config = read_config(args.config, args.overrides)
    # Here, since torch takes seconds, which --help and mistakes need not wait for.
    from trainer.evaluation.of_checkpoint import evaluate_checkpoint

    evaluate_checkpoint(config, args)


if __name__ == "__main__":
    sys.exit(run_program(main))
