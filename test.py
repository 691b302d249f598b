"""Evaluate a checkpoint: matching for an embedding, inter-ocular error for a landmark regressor."""

import sys

from trainer.testing import evaluate_checkpoint
from utils.cli import evaluation_program, run
from utils.config import read_config


def main():
    args = evaluation_program(__doc__).parse_args()
    config = read_config(args.config, args.overrides)
    evaluate_checkpoint(config, args)


if __name__ == "__main__":
    sys.exit(run(main))
