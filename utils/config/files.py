"""Read config files, JSON or YAML, and the values of ``--set``."""

import json
import re
from contextlib import suppress
from pathlib import Path

from utils.errors import ConfigError

YAML_SUFFIXES = (".yaml", ".yml")
MOST_NODES = 100_000  # of a YAML file, aliases expanded
PYTHON_WORDS = {"True": True, "False": False, "None": None}


class RepeatedKey(Exception):
    """A mapping that gives a key twice."""


def read_file(path):
    """Return the mapping in a config file: YAML (.yaml, .yml) or JSON, in UTF-8.

    Raises ``ConfigError`` that names the file.
    """
    path = Path(path)
    name, parse = ("YAML", _yaml) if path.suffix.lower() in YAML_SUFFIXES else ("JSON", _json)
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
        raw = parse(text) if text.strip() else None
    except OSError as error:
        raise ConfigError(f"{path}: cannot read this config ({error.strerror})") from error
    except UnicodeDecodeError as error:
        utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        found = "this is UTF-16" if utf16 else f"{error.reason} at byte {error.start}"
        raise ConfigError(f"{path}: expected {name} in UTF-8 ({found})") from error
    except RepeatedKey as error:
        raise ConfigError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: expected {name}, {error}") from error
    if raw is None and not text.strip():
        raise ConfigError(f"{path}: expected {name}, the file is empty")
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected a {name} object, found {type(raw).__name__}")
    return raw


def parse_value(text):
    """Return the value of a ``--set``: JSON; Python's True, False or None; else text."""
    try:
        return _json(text)
    except (ValueError, RecursionError, RepeatedKey):
        return PYTHON_WORDS.get(text, text)


def _json(text):
    repeated = []

    def mapping(pairs):
        names = [name for name, _ in pairs]
        repeated.extend(name for name in set(names) if names.count(name) > 1)
        return dict(pairs)

    raw = json.loads(text, object_pairs_hook=mapping)
    if repeated:
        with suppress(ValueError):  # nearly all JSON is YAML, whose parser knows line numbers
            _yaml(text.replace("\t", " "))
        raise RepeatedKey(f"key '{repeated[0]}' is given twice")
    return raw


def _yaml(text):
    """Return the content of a YAML text, with values resolved as in JSON.

    1e-3 is a number; no, off and dates are text. Raises ``ValueError``.
    """
    import yaml  # needed for YAML files only

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {}

    for tag, pattern, first in (
        ("bool", "true|false|True|False|TRUE|FALSE", "tTfF"),
        ("null", "null|Null|NULL|~|", ["n", "N", "~", ""]),
        ("int", r"[-+]?(0|[1-9]\d*)", "-+0123456789"),
        ("float", r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?", "-+.0123456789"),
        ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
        ("merge", "<<", "<"),
    ):
        Loader.add_implicit_resolver(
            f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), list(first)
        )
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check_keys(node, budget=[MOST_NODES])
        raw = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        message = " ".join(filter(None, (error.context, error.problem)))
        raise ValueError(f"{message}: line {line}") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    try:
        return json.loads(json.dumps(raw))  # aliases become copies
    except TypeError as error:
        raise ValueError(f"found a value that JSON lacks ({error})") from error


def _check_keys(node, budget):
    """Raise ``ValueError`` for a key that is not text, ``RepeatedKey`` for one given twice."""
    budget[0] -= 1
    if budget[0] < 0:
        raise ValueError(f"found more than {MOST_NODES} values, aliases counted each time")
    if not isinstance(node.value, list):
        return
    first = {}
    for child in node.value:
        if not isinstance(child, tuple):
            _check_keys(child, budget)
            continue
        key, value = child
        line = key.start_mark.line + 1
        if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
            raise ValueError(f"the key in line {line} is no text")
        if key.value in first:
            lines = dict.fromkeys((first[key.value], line))
            where = f"line{'s' * (len(lines) > 1)} {' and '.join(map(str, lines))}"
            raise RepeatedKey(f"key '{key.value}' is given twice, in {where}")
        first[key.value] = line
        _check_keys(value, budget)
