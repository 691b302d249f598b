"""Print the published tables as Markdown, with our figures beside the published ones.

    python misc/results_table.py                                # all tables, of the runs in saved/
    python misc/results_table.py --table matching --readme README.md

The second fills the README between the lines <!-- table: matching --> and <!-- /table -->. Of
several runs of an experiment the newest that follows the published protocol counts, else the
newest, with a *; a missing run leaves its cell empty. Folders of runs of the original code are read
too (--save_dir data/saved).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from misc.reproduction.markdown import document, fill_markers, render
from misc.reproduction.run_records import RunStore
from misc.reproduction.tables import TABLES
from utils.cli import make_parser, parse_path, run_program
from utils.disk import write_atomically
from utils.errors import UserError
from utils.text import counted


def fill_readme(path, names, store, all_required):
    """Fill the tables' places in a README and print their number; raises ``UserError``."""
    try:
        text = path.read_bytes().decode()  # as it is, line ends included
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot read this file ({error})") from error
    filled, absent = fill_markers(text, path, {n: render(TABLES[n], store) for n in names})
    if len(absent) == len(names) or absent and all_required:
        raise UserError(f"{path}: no line '<!-- table: {absent[0]} -->'")
    if filled != text:
        write_atomically(path.resolve(), lambda file: file.write(filled.encode()))
    filled_in = counted(len(names) - len(absent), "table")
    print(f"{path}: {filled_in}, {'changed' if filled != text else 'as is'}")


def main(argv=None):
    parser = make_parser(__doc__)
    parser.add_argument(
        "--table", dest="tables", action="append", choices=TABLES, help="repeatable (default: all)"
    )
    parser.add_argument(
        "--save_dir", type=parse_path, default=Path("saved"), metavar="FOLDER",
        help="where models/ and log/ lie (default: %(default)s)",
    )
    parser.add_argument(
        "--readme", type=parse_path, metavar="FILE", help="fill the tables of this file, print none"
    )
    args = parser.parse_args(argv)
    names = list(dict.fromkeys(args.tables or TABLES))
    if not args.save_dir.is_dir():
        print(f"warning: {args.save_dir}: no such folder, so no runs", file=sys.stderr)
    store = RunStore(args.save_dir)
    if args.readme:
        fill_readme(args.readme, names, store, all_required=args.tables is not None)
    else:
        print(document(names, store))


if __name__ == "__main__":
    sys.exit(run_program(main))
