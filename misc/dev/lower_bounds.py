"""Print the oldest versions that the requirements allow, which `make test-oldest` installs.

    python misc/dev/lower_bounds.py requirements/pip-requirements.txt > bounds.txt
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the project's packages

from utils.cli import make_parser, parse_path, run_program
from utils.errors import UserError

BOUND = re.compile(r"([A-Za-z0-9._-]+(?:\[[^\]]*\])?)\s*>=\s*([0-9][^,\s;]*)(?:,[^;#]*)?(?:#.*)?")


def lower_bounds(path):
    """Return ``name==version`` for each line ``name>=version,...`` of a requirements file.

    Raises ``UserError`` for a line without a lower bound.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot read this file ({error.strerror})") from error
    bounds = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if line and not line.startswith("#"):
            match = BOUND.fullmatch(line)
            if match is None:
                raise UserError(f"{path}, line {number}: expected NAME>=VERSION,..., found {line}")
            bounds.append(f"{match[1]}=={match[2]}")
    return bounds


def main():
    parser = make_parser(__doc__)
    parser.add_argument("files", nargs="+", type=parse_path, metavar="FILE", help="of requirements")
    for path in parser.parse_args().files:
        print("\n".join(lower_bounds(path)))


if __name__ == "__main__":
    sys.exit(run_program(main))
