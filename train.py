"""Train an embedding, or fit landmarks on one, as a config says.

    python train.py --config configs/synthetic/smallnet-64d-dve.json --dry_run
    python train.py --config configs/synthetic/smallnet-64d-dve.json --device 0
    python train.py --config configs/synthetic/smallnet-64d-dve.json --resume auto
    python train.py --config configs/synthetic-keypoints/smallnet-64d-dve.json --resume FILE.pth

The last fits landmarks on the embedding in FILE.pth. Checkpoints and figures go to
saved/models/<folder>-<config>/<time>/, the log to saved/log/<folder>-<config>/<time>/. Ctrl-C
finishes the step, writes a checkpoint and prints how to continue.
"""

import sys

from utils.cli import parse_seeds, program, run_program
from utils.config.read import read_config


def parse_arguments():
    parser, group = program(
        __doc__,
        resume_help="continue this run's checkpoint, or start from the embedding in another; the "
        "folder of a run: its last checkpoint; auto: continue the newest run of this config, if "
        "there is one",
    )
    group.add_argument(
        "--seeds",
        type=parse_seeds,
        metavar="0,1,2",
        help="train once per seed; mean and deviation at the end (default: the config's seed)",
    )
    group = parser.add_argument_group("trying it out")
    group.add_argument(
        "--mini_train",
        action="store_true",
        help="one epoch of two small steps: does everything work?",
    )
    group.add_argument(
        "--dry_run",
        action="store_true",
        help="build everything, take three steps, and print the plan: data, networks, time, "
        "memory, files; nothing is written",
    )
    return parser.parse_args()


def main():
    args = parse_arguments()
    config = read_config(args.config, args.overrides)
    # Here, since torch takes seconds, which --help and mistakes need not wait for.
    from trainer.dry_run import dry_run
    from trainer.training import train_seeds
    from utils.distributed import is_started, joined, launch, parse_devices

    devices = parse_devices(args.device)
    if len(devices) > 1 and not is_started():
        return launch(len(devices))
    if args.mini_train:
        config = config.mini()
    with joined(devices) as world:
        (dry_run if args.dry_run else train_seeds)(config, args.resume, args.seeds, world)


if __name__ == "__main__":
    sys.exit(run_program(main))
