"""Write docs/configuration.md, the reference of all config keys, from the code that reads them.

    python misc/dev/document_configs.py            # write it
    python misc/dev/document_configs.py --check    # write nothing; exit code 2 if it is out of date

Types and defaults come from signatures and dataclasses, meanings from their fields and docstrings.
In a docstring, a line "name: meaning", or "name, name: meaning", describes arguments.
"""

import inspect
import re
import sys
import textwrap
import types
import typing
from dataclasses import MISSING, fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the project's packages

from misc.benchmarking.measuring import markdown_table
from utils.cli import make_parser, parse_path, run_program
from utils.config.idle_keys import IDLE_KEYS
from utils.config.keys import Experiment, TrainerOptions
from utils.config.read import UNREAD_KEYS
from utils.disk import write_atomically
from utils.errors import UserError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
WIDTH = 110
TYPE_NAMES = {bool: "true or false", int: "whole number", float: "number", str: "text"}
TYPE_NAMES.update({list: "list", dict: "object", type(None): "null"})
WORDS = {"True": "true", "False": "false", "None": "null"}  # of Python, in JSON
INTRODUCTION = """\
Written by `python misc/dev/document_configs.py` from the code; do not edit it by hand.

A config is one file, one experiment, in JSON or (`.yaml`, `.yml`) YAML, where words such as `off`
and dates are text as in JSON, and `1e-3` is a number. No key may be given twice. Its folder
and name are the name of its runs:
`configs/celeba/smallnet-64d-dve.json` writes to `saved/models/celeba-smallnet-64d-dve/`. A
*section* is `{"type": NAME, "args": {...}}`: the type names a class, and the arguments are those of
its constructor. Every key is checked before anything runs: an unknown one, or a value of a wrong
type or out of range, ends the program with one line that says what was expected.

Any value can be changed for one run with `--set KEY.PATH=VALUE` (below). VALUE is read as JSON, and
as text if it is no JSON; `True`, `False` and `None` mean `true`, `false` and `null`. In paths, `~`
is the home folder. A dash as default means that the key must be given."""
EXAMPLE = """\
```
python train.py --config configs/synthetic/smallnet-64d-dve.json --set trainer.epochs=20
```"""
TORCH = """\
Any optimiser of [torch.optim](https://docs.pytorch.org/docs/stable/optim.html) and any scheduler of
torch.optim.lr_scheduler that JSON can describe, with the arguments that torch documents; that is
all but {}. The parameters, or the optimiser, are set by the code; schedules step after each
epoch. `OneCycleLR` steps after each batch; it takes `total_steps` from the training, unless that is
given. With `bias_lr`, the rate of the biases rises to `bias_lr` instead of `max_lr`."""
UNREAD = """\
Published configs have these keys, which this project does not read: {} (the last with data sets
other than CelebA's). The log notes them."""
IDLE = "The log also notes these, where they change nothing for the training that is described:"
COLUMNS = ["key", "type", "default", "meaning"]
ENTRY = re.compile(r"(\w+(?:, \w+)*): (.*)")


def reference():
    """Return the page."""
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    from data_loader import DATASETS
    from model import BACKBONES, DENSE_LOSSES, LANDMARK_LOSSES, METRICS, REGRESSORS
    from trainer.optimisation import UNFIT
    from trainer.parts import WARPERS
    from utils.drawing.visualizations import EMBEDDING_PICTURES, LANDMARK_PICTURES

    losses = {**DENSE_LOSSES, **LANDMARK_LOSSES}
    torch_classes = _markdown(TORCH.format(", ".join(f"`{name}`" for name in sorted(UNFIT))))
    unread = [*UNREAD_KEYS, "dataset.args.use_hq_ims"]
    unread = _markdown(UNREAD.format(", ".join(f"`{key}`" for key in unread)))
    idle = "\n".join(f"- `{key.path}`: {key.reason}" for key in IDLE_KEYS)
    sections = {
        "Top level": options_table(Experiment),
        "`trainer`": options_table(TrainerOptions),
        "`arch`: the backbone": _objects(BACKBONES),
        "`dataset`: the images": _objects(DATASETS, runtime=("split",)),
        "`warper`: random warps": _objects(WARPERS, runtime=("H", "W", "crop")),
        "`loss`, with its `loss_args`": _objects(losses),
        "`keypoint_regressor`: landmarks on a frozen embedding": _objects(REGRESSORS),
        "`metrics`": _names(METRICS),
        "`visualizations` of an embedding": _names(EMBEDDING_PICTURES),
        "`visualizations` of landmarks": _names(LANDMARK_PICTURES),
        "`optimizer` and `lr_scheduler`": torch_classes,
        "Accepted, but read by nothing": f"{unread}\n\n{IDLE}\n\n{idle}",
    }
    parts = (f"## {title}\n\n{text}" for title, text in sections.items())
    return "\n\n".join(["# Configuration", _markdown(INTRODUCTION), EXAMPLE, *parts]) + "\n"


def options_table(options):
    """Return the fields of a dataclass of settings as a Markdown table."""
    hints = typing.get_type_hints(options)
    rows = []
    for key in fields(options):
        default = key.default if key.default_factory is MISSING else key.default_factory()
        valid = key.metadata["valid"]
        meaning = key.metadata["meaning"] + (f"; {valid.expected}" if valid else "")
        rows.append(_row(key.name, hints[key.name], default, meaning))
    return markdown_table(COLUMNS, rows)


def arguments_table(thing, others=(), runtime=()):
    """Return the arguments of a class or function as a Markdown table, "" if it has none.

    others: further classes or functions whose docstrings describe its arguments
    runtime: arguments that the code sets
    """
    function = thing.__init__ if inspect.isclass(thing) else thing
    hints, meanings = typing.get_type_hints(function), argument_meanings(thing, others)
    rows = [
        _row(name, hints[name], parameter.default, meanings.get(name, ""))
        for name, parameter in inspect.signature(thing).parameters.items()
        if name in hints and name not in runtime
    ]
    return markdown_table(COLUMNS, rows) if rows else ""


def argument_meanings(thing, others=()):
    """Return {argument: meaning} from the docstrings of a thing, of its bases and of others."""
    places = [*others, *reversed(inspect.getmro(thing) if inspect.isclass(thing) else [thing])]
    names, meanings = set(inspect.signature(thing).parameters), {}
    for place in places:
        meanings.update(split_docstring(place.__doc__ or "", names)[1])
    return meanings


def split_docstring(text, names):
    """Return the prose of a docstring, and {name: meaning} of its lines "name: meaning"; a meaning
    ends at an empty line or at the next such line.
    """
    prose, meanings, current = [], {}, []
    for line in inspect.cleandoc(text).splitlines():
        entry = ENTRY.match(line)
        if entry and names.issuperset(entry[1].split(", ")):
            current = entry[1].split(", ")
            meanings.update(dict.fromkeys(current, entry[2]))
        elif current and line:
            meanings.update({name: f"{meanings[name]} {line.strip()}" for name in current})
        else:
            current = []
            prose.append(line)
    return "\n".join(prose).strip(), {name: text.rstrip(".") for name, text in meanings.items()}


def _objects(registry, runtime=()):
    parts = []
    for name, thing in registry.items():
        others = [] if inspect.isclass(thing) else registry.values()
        prose, _ = split_docstring(thing.__doc__, set(inspect.signature(thing).parameters))
        parts += [f"### {name}", _markdown(prose), arguments_table(thing, others, runtime)]
    return "\n\n".join(filter(None, parts))


def _names(registry):
    lines = []
    for name, function in registry.items():
        text = " ".join(inspect.cleandoc(function.__doc__).split("\n\n")[0].split())
        lines.append(_wrap(f"- `{name}`: {_code(text)}", "  "))
    return "\n".join(lines)


def _row(name, hint, default, meaning):
    absent = default in (MISSING, inspect.Parameter.empty)
    text = repr(default).replace("'", '"')
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    type_text = " or ".join(TYPE_NAMES[typing.get_origin(kind) or kind] for kind in kinds)
    return [f"`{name}`", type_text, "-" if absent else f"`{WORDS.get(text, text)}`", _code(meaning)]


def _markdown(text):
    """Return the prose of a docstring as wrapped Markdown, paragraph by paragraph."""
    paragraphs = (" ".join(part.split()) for part in _code(text).split("\n\n"))
    return "\n\n".join(_wrap(paragraph) for paragraph in paragraphs)


def _code(text):
    return text.replace("``", "`").replace("|", "\\|")


def _wrap(text, indent=""):
    return textwrap.fill(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def main(argv=None):
    parser = make_parser(__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say if it differs")
    parser.add_argument(
        "--output", type=parse_path, default=PAGE, metavar="FILE",
        help="default: the project's own page",
    )
    args = parser.parse_args(argv)
    text, path = reference(), args.output
    current = path.is_file() and path.read_text() == text
    if args.check and not current:
        raise UserError(f"{path}: out of date; python misc/dev/document_configs.py writes it anew")
    if not current:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(text.encode()))
    print(f"{path}: {'as is' if current else 'written'}")


if __name__ == "__main__":
    sys.exit(run_program(main))
