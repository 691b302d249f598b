"""Download published models to the paths that configs name in ``finetune_from``.

    python misc/fetch_models.py --list
    python misc/fetch_models.py celeba-smallnet-32d-dve

The second downloads ``data/saved/models/<experiment>/<timestamp>/checkpoint-epoch<N>.pth`` and its
``config.json``. No checksums were published, so a file must have the length that the server
announces, and be a complete torch checkpoint, in the zip format or the older one; nothing in it is
unpickled for this check.
"""

import difflib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from misc.fetching.download import Network, fetch
from misc.published import (
    BASE_URL,
    SAVED,
    add_fetch_options,
    checkpoint_path,
    load_experiments,
    locate,
    run_folder,
)
from utils.cli import make_parser, run_program
from utils.disk import disk_errors, size_text
from utils.errors import UserError
from utils.project import HOME


def fetch_model(name, facts, root_url=BASE_URL, dest=HOME, refresh=False, network=Network()):
    """Download a published checkpoint and its config to ``dest`` if missing; print their paths."""
    checkpoint, config = checkpoint_path(name, facts), f"{run_folder(name, facts)}/config.json"
    for relative, check in ((checkpoint, require_checkpoint), (config, require_json)):
        path = dest / SAVED / relative
        with disk_errors(path):
            if refresh or not _is_complete(path, check):
                try:
                    fetch(locate(root_url, relative), path, check, network)
                except UserError as error:
                    by_hand = f"by hand: save {BASE_URL}/{relative} as {path}"
                    raise UserError(f"{error}; {by_hand}") from error
            print(f"{name}: {size_text(path.stat().st_size)} in {path}")


def _is_complete(path, check):
    if not path.exists():
        return False
    try:
        check(path)
    except UserError:
        return False
    return True


def require_checkpoint(path):
    """Raise a UserError unless a file is a complete torch checkpoint; nothing is unpickled."""
    from utils.checkpoint.foreign import read_foreign_checkpoint  # imports torch: seconds

    read_foreign_checkpoint(path)


def require_json(path):
    """Raise a UserError unless a file holds a JSON object."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"not JSON ({error})") from error
    if not isinstance(content, dict):
        raise UserError(f"expected a JSON object, found a {type(content).__name__}")


def main(argv=None):
    parser = make_parser(__doc__)
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="as published")
    parser.add_argument("--list", action="store_true", help="print the names of all experiments")
    add_fetch_options(parser)
    args = parser.parse_args(argv)
    published = load_experiments()
    if args.list:
        print("\n".join(published))
    elif not args.experiments:
        parser.error("name an experiment, or --list")
    for name in args.experiments:
        if name not in published:
            close = difflib.get_close_matches(name, published, n=3)
            hint = f"did you mean {', '.join(close)}?" if close else "--list shows all"
            raise UserError(f"unknown experiment '{name}': {hint}")
    for name in args.experiments:
        options = args.root_url, args.dest, args.refresh, Network(retries=args.retries)
        fetch_model(name, published[name], *options)


if __name__ == "__main__":
    sys.exit(run_program(main))
