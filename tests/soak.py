"""Faults injected on purpose, again and again, in real processes: ``make soak``.

Trainings killed at random moments and inside every write, disks that fill up, hostile checkpoints,
damaged files for every reader. What was tried and what came of it is written into the table of
docs/reliability.md; exit code 1 if something was lost, or ended without a clear message.
"""

import platform
import sys
import tempfile
from datetime import date
from pathlib import Path

import torch
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from misc.benchmarking.measuring import machine
from tests.soaking.campaigns import CAMPAIGNS
from tests.soaking.table import PAGE, around_table, fill_page
from utils.cli import make_parser, positive, run_program


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--kills", type=positive, default=30, help="(default: %(default)s)")
    parser.add_argument("--files", type=positive, default=3000,
                        help="damaged files for each reader (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    parser.add_argument("--only", choices=CAMPAIGNS, help="one campaign; no table is written")
    parser.add_argument("--page", type=Path, default=PAGE, help="(default: %(default)s)")
    args = parser.parse_args()
    around_table(args.page)  # or what follows would be for nothing
    rows = []
    with tempfile.TemporaryDirectory() as place:
        names = [args.only] if args.only else list(CAMPAIGNS)
        for name in tqdm(names, unit="campaign", disable=None):
            folder = Path(place) / name
            folder.mkdir()
            rows += CAMPAIGNS[name](folder, args)
            for row in rows[-1:]:
                tqdm.write(f"{row.fault}: {row.tried}, {row.losses} lost, {row.unclear} unclear")
    if not args.only:
        where = f"{machine(torch.device('cpu'))}, Python {platform.python_version()}"
        fill_page(args.page, rows, f"{date.today():%-d %B %Y}, {where}, seed {args.seed}")
    for row in rows:
        for message in row.messages:
            print(f"{row.fault}: {message}", file=sys.stderr)
    return int(any(row.losses or row.unclear for row in rows))


if __name__ == "__main__":
    sys.exit(run_program(main))
