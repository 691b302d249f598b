"""The command ``dve``: run the programs of the installed package.

    dve train --config configs/own/smallnet-64d-dve.json --set dataset.args.root=<images>
    dve predict <landmark model>.pth photos/ --output found
    dve <program> --help

A config that is not in the working folder is one of those that come with the package.
"""

import ast
import importlib
import sys
from pathlib import Path

from utils.cli import make_parser, run_program

FOLDER = Path(__file__).parent


def find_programs():
    """Return {name of a program: (its module below the package, what it does)}."""
    found = {}
    for path in sorted([*FOLDER.glob("*.py"), *(FOLDER / "misc").glob("*.py")]):
        text = path.read_text("utf-8")
        if "\ndef main(" in text:
            module = ".".join(path.relative_to(FOLDER).with_suffix("").parts)
            found[path.stem] = module, ast.get_docstring(ast.parse(text)).splitlines()[0]
    return found


def run():
    """Run the program that the first argument names; returns its exit code."""
    programs = find_programs()
    name, *words = sys.argv[1:] or ["--help"]
    if name not in programs:
        parser = make_parser(__doc__)
        group = parser.add_subparsers(title="programs", metavar="PROGRAM", required=True)
        for program, (_, purpose) in programs.items():
            group.add_parser(program, help=purpose)
        return run_program(lambda: parser.parse_args([name]))
    module = importlib.import_module(f"{__package__}.{programs[name][0]}")
    sys.argv = [f"dve {name}", *words]
    return run_program(module.main)


if __name__ == "__main__":
    sys.exit(run())
