"""Write a page about one run, or several side by side: curves, figures, pictures.

    python misc/report.py saved/models/<name>/<time>                 # -> saved/report.html
    python misc/report.py saved/models/<name>/<time> saved/models/<other>/<time> --images 100
    python misc/report.py saved/models/<name>/<time> --set dataset.args.root=data/celeba --device 0

The page is one file and needs no network. A run's last checkpoint is evaluated again, on the test
images of its config; the page says what a run lacks.
"""

import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from misc.benchmarking.measuring import machine
from utils.cli import (
    add_device_option,
    add_overrides,
    make_parser,
    path_text,
    positive,
    run_program,
)
from utils.disk import size_text, write_atomically
from utils.errors import UserError
from utils.progress import progress_bar
from utils.text import counted


def parse(argv):
    parser = make_parser(__doc__)
    parser.add_argument(
        "runs", nargs="+", type=path_text, metavar="RUN", help="saved/models/<name>/<time>"
    )
    parser.add_argument(
        "--output", type=path_text, metavar="FILE",
        help="default: report.html in the first run's save_dir",
    )
    parser.add_argument(
        "--images", type=positive, metavar="N",
        help="evaluate on this number of test images (default: all)",
    )
    add_device_option(parser)
    add_overrides(parser)
    args = parser.parse_args(argv)
    if args.images == 1:
        parser.error("argument --images: 1, expected at least 2, for images are matched in pairs")
    return args


def output_path(wanted, runs):
    """Return the path of the page; raises ``UserError`` if its folder does not exist."""
    path = Path(wanted) if wanted else runs[0].place.save_dir / "report.html"
    if not path.parent.is_dir() or path.is_dir():
        raise UserError(f"{path}: expected a file in a folder that exists (--output)")
    return path


def main(argv=None):
    args = parse(argv)
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    from misc.reporting.page import render
    from misc.reporting.runs import examine_run, find_runs
    from utils.device import select_device

    device = select_device(args.device)
    runs = find_runs(args.runs)
    path = output_path(args.output, runs)
    with progress_bar(len(runs), "runs", "run") as bar:
        for reported in runs:
            examine_run(reported, args.overrides, device, args.images)
            bar.update()
    changes = f", with --set {' '.join(args.overrides)}" if args.overrides else ""
    made = f"Evaluated on {datetime.now():%d %B %Y}: {machine(device)}{changes}."
    page = render(runs, made).encode(errors="backslashreplace")
    write_atomically(path, lambda file: file.write(page))
    print(f"{path}: {counted(len(runs), 'run')}, {size_text(len(page))}")


if __name__ == "__main__":
    sys.exit(run_program(main))
