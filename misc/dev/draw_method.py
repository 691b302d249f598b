"""Draw the figures of docs/method.md, on generated faces with the embedding of the demo.

    python misc/demo.py               # trains the embedding if there is none
    python misc/dev/draw_method.py    # writes docs/method-pair.png, -exchange.png and others
"""

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the project's packages

from utils.cli import add_run_options, make_parser, parse_path, path_text, run_program
from utils.config.read import read_config
from utils.disk import write_atomically
from utils.errors import UserError

CONFIG = "configs/synthetic/smallnet-64d-dve.json"
DPI = 110


def main(argv=None):
    parser = make_parser(__doc__)
    parser.add_argument(
        "-r", "--resume", type=path_text, metavar="FILE",
        help="an embedding (default: the demo's newest)",
    )
    parser.add_argument(
        "--folder", type=parse_path, default=Path("docs"),
        help="of the figures (default: %(default)s)",
    )
    add_run_options(parser)
    args = parser.parse_args(argv)
    config = read_config(CONFIG, args.overrides)
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    from misc.dev.method_figures import draw_figures
    from utils.checkpoint.find import newest_of_config
    from utils.device import select_device

    newest = newest_of_config(config.trainer.save_dir, config.name)
    if args.resume is None and newest is None:
        raise UserError(f"{config.trainer.save_dir}: no run of {CONFIG}; make demo trains one")
    checkpoint = args.resume or newest.path
    for name, figure in draw_figures(config, checkpoint, select_device(args.device)).items():
        path = args.folder / f"{name}.png"
        write_atomically(path, partial(figure.savefig, format="png", dpi=DPI))
        print(path)


if __name__ == "__main__":
    sys.exit(run_program(main))
