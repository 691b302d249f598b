"""Evaluate a checkpoint: matching for an embedding, inter-ocular error for a landmark regressor."""

import sys

from trainer.limits import MINI, NO_LIMITS
from trainer.testing import evaluate_checkpoint
from utils.cli import evaluation_program, run
from utils.config import read_config
from utils.device import select_device


def main():
    args = evaluation_program(__doc__).parse_args()
    config = read_config(args.config, args.overrides)
    limits = MINI if args.mini_train else NO_LIMITS
    device = select_device(args.device)
    evaluate_checkpoint(config, args.resume, device, args.eval_data, args.output, limits)


if __name__ == "__main__":
    sys.exit(run(main))
