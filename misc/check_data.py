"""Read every image that a config names, and list all faults in one pass; or draw some of them.

    python misc/check_data.py --config configs/own/smallnet-64d-dve.json
    python misc/check_data.py --config configs/celeba/smallnet-64d-dve.json --split train
    python misc/check_data.py --config configs/own/smallnet-64d-dve.json --list_splits
    python misc/check_data.py --config configs/own/smallnet-64d-dve.json --draw pairs.png

Faults are images and folders that cannot be read, lines of landmark files that cannot be parsed,
and landmarks that are NaN or outside their image. The exit code is 0 without faults, else 2. A line
with "note:" is about an image that can be read but may surprise, such as a PNG that is named .jpg,
or that cannot be read, where the config leaves such images out (on_broken_image = skip).
With --list_splits no image is read: the split of each image is printed, as a csv. With --draw a few
images are read, and drawn as a training sees them in its first epoch: as they are read (what the
crop leaves is framed), and warped, cropped and augmented, with their landmarks. Without landmarks,
dots of one colour show the same place in both views.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from utils.cli import add_overrides, make_parser, parse_path, path_text, run_program
from utils.config.read import read_config
from utils.cores import usable_cores

SPLITS = ("train", "test", "val")


def main(argv=None):
    parser = make_parser(__doc__)
    parser.add_argument(
        "-c", "--config", type=path_text, required=True, metavar="FILE", help="whose data to check"
    )
    parser.add_argument("--split", choices=SPLITS, help="only this one (default: all)")
    parser.add_argument(
        "--list_splits", action="store_true", help="print file,split of your own images; no check"
    )
    parser.add_argument(
        "--draw", nargs="?", const=True, type=parse_path, metavar="FILE",
        help="draw a sheet of images, a PNG (default: in the config's save_dir); no check"
    )
    parser.add_argument("--no_notes", action="store_true", help="print faults only")
    parser.add_argument(
        "--num_workers", type=int, default=usable_cores(), help="processes (default: %(default)s)"
    )
    add_overrides(parser)
    args = parser.parse_args(argv)
    if args.num_workers < 0:
        parser.error(f"argument --num_workers: {args.num_workers}, expected at least 0")
    config = read_config(args.config, args.overrides)
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    from data_loader import DATASETS
    from data_loader.folder_listing import shared_listings
    from misc.parts.check_data import Report, check_split, list_splits
    from misc.parts.check_data_sheet import write_sheet
    from utils.config.objects import look_up

    look_up(config.dataset["type"], DATASETS, "dataset.type")
    if args.list_splits:
        return list_splits(config.dataset)
    if args.draw:
        print(write_sheet(config, args.split or "train", args.draw))
        return 0
    report = Report(with_notes=not args.no_notes)
    with shared_listings():
        for split in [args.split] if args.split else SPLITS:
            print(f"{split}: {check_split(config, split, report, args.num_workers)}")
    return 2 if any(report.faults) else 0


if __name__ == "__main__":
    sys.exit(run_program(main))
