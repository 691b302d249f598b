"""Evaluate an embedding by matching landmarks: within an identity, and across identities.

    python test_matching.py --config configs/celeba/smallnet-64d-dve.json --resume FILE.pth
    python test_matching.py --config configs/celeba/smallnet-64d-dve.json --resume FILE.pth \\
        --eval_data AFLW --vis --dense_match --output figures.json

Errors are mean distances in pixels of a 70x70 image, in two protocols: the published one, and by
cosine similarity at every pixel.
"""

import sys

from utils.cli import evaluation_program, run_program
from utils.config.read import read_config
from utils.errors import UserError


def main():
    args = evaluation_program(__doc__).parse_args()
    config = read_config(args.config, args.overrides)
    if config.is_landmark:
        raise UserError(
            f"{config.path}: describes a landmark regressor, which test.py evaluates; "
            "test_matching.py takes the config of an embedding"
        )
    # Here, since torch takes seconds, which --help and mistakes need not wait for.
    from trainer.evaluation.of_checkpoint import evaluate_checkpoint

    evaluate_checkpoint(config, args)


if __name__ == "__main__":
    sys.exit(run_program(main))
