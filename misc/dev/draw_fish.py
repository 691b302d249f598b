"""Draw fish with landmarks: a folder of images of something that is not a face.

    python misc/dev/draw_fish.py data/fish --images 300

Every fish is another one: its shape, bend, fins, colours, pattern, place and background are drawn
from a seed. The first two thirds of the images are of the split train. Writes ``images/*.jpg`` and
``landmarks.csv``, as ``docs/own_data.md`` describes them.
"""

import argparse
import csv
import io
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the project's packages

from utils.cli import make_parser, parse_path, positive, run_program
from utils.disk import disk_errors, parent_folder
from utils.errors import UserError


def parse_seed(text):
    """Return a whole number from 0; raises ``argparse.ArgumentTypeError``."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}', expected a whole number from 0")
    return int(text)


def main(argv=None):
    parser = make_parser(__doc__)
    parser.add_argument("folder", type=parse_path, metavar="FOLDER", help="to write to, a new one")
    parser.add_argument(
        "--images", type=positive, default=300, metavar="N", help="how many (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=parse_seed, default=0, metavar="N",
        help="of the random numbers (default: %(default)s)",
    )
    args = parser.parse_args(argv)
    if args.folder.exists():
        raise UserError(f"{args.folder}: exists, expected a new folder")
    with disk_errors(args.folder), parent_folder(args.folder):
        args.folder.mkdir()
        try:
            draw(args.folder, args.images, args.seed)
        except BaseException:  # Ctrl-C too
            shutil.rmtree(args.folder)
            raise
    print(f"{args.folder}: {args.images} fish")


def draw(folder, num_images, seed):
    """Write images of fish and their list to an empty folder."""
    # Imported late, for quick answers to --help and mistakes.
    import numpy as np

    from misc.dev.fish import POINTS, Fish

    (folder / "images").mkdir()
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["file", "split", *(f"{name}_{axis}" for name in POINTS for axis in "xy")])
    for number in range(num_images):
        fish = Fish(np.random.default_rng([seed, number]))
        name = f"images/{number:04}.jpg"
        fish.draw().save(folder / name, quality=92)
        split = "train" if 3 * number < 2 * num_images else "test"
        rows.writerow([name, split, *(f"{value:.2f}" for value in fish.landmarks().flatten())])
    (folder / "landmarks.csv").write_text(text.getvalue())


if __name__ == "__main__":
    sys.exit(run_program(main))
