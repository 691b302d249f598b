"""Learn an embedding, or fit landmarks on one, as a config says."""

import sys

from trainer.limits import MINI, NO_LIMITS
from trainer.training import train_seeds
from utils.cli import parse_seeds, program, run
from utils.config import read_config
from utils.distributed import is_started, joined, launch, parse_devices


def main():
    parser = program(
        __doc__,
        resume_help="continue this run's checkpoint, or start from the embedding in another; "
        "auto: continue the newest run of this config, if there is one",
    )
    parser.add_argument(
        "--seeds",
        type=parse_seeds,
        metavar="0,1,2",
        help="train once per seed; mean and deviation at the end",
    )
    parser.add_argument(
        "--mini_train",
        action="store_true",
        help="one epoch of two small steps: does everything work?",
    )
    args = parser.parse_args()
    devices = parse_devices(args.device)
    if len(devices) > 1 and not is_started():
        return launch(len(devices))
    config = read_config(args.config, args.overrides)
    limits = MINI if args.mini_train else NO_LIMITS
    with joined(devices) as (world, device):
        train_seeds(config, device, args.resume, args.seeds, limits, world)


if __name__ == "__main__":
    sys.exit(run(main))
