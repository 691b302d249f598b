"""Declare config keys as dataclass fields, each with its meaning and its valid range."""

import os
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields

from utils.errors import shown


@dataclass(frozen=True)
class Range:
    """The valid values of a key: a test, and the words of a message for what was expected."""

    holds: Callable
    expected: str


PATH = Range(bool, "a path, not empty")  # ``require_valid`` expands "~"


def as_path(value):
    """Return a path, or a list of paths, with "~" expanded."""
    if isinstance(value, list):
        return [as_path(one) for one in value]
    return os.path.expanduser(value) if isinstance(value, str) else value


def at_least(bound, unit=""):
    """Return the range of numbers >= bound; the unit is for messages."""
    return Range(lambda value: value >= bound, f"at least {bound}" + (f" ({unit})" if unit else ""))


def one_of(*names):
    """Return the range that consists of these names."""
    return Range(lambda value: value in names, f"one of {', '.join(names)}")


def setting(meaning, default=MISSING, valid=None, factory=MISSING):
    """Return the dataclass field of a config key.

    meaning: a phrase for docs/configuration.md.
    valid: its ``Range``; None: any value of its type. A default of None is always valid.
    """
    metadata = {"meaning": meaning, "valid": valid}
    return field(default=default, default_factory=factory, metadata=metadata)


def require_valid(options):
    """Raise ``ValueError`` for the first field of a dataclass that is out of its range.

    Expands "~" in paths.
    """
    for key in fields(options):
        value, valid = getattr(options, key.name), key.metadata.get("valid")
        absent = value is None and key.default is None
        if valid is not None and not absent and not valid.holds(value):
            raise ValueError(f"{key.name} = {shown(value)}, expected {valid.expected}")
        if valid is PATH:
            setattr(options, key.name, as_path(value))
