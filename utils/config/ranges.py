"""Keys of a config as fields of a dataclass, each with its meaning and its range."""

import os
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields

from utils.errors import shown


@dataclass(frozen=True)
class Range:
    """Which values are valid: a test, and what a message says was expected."""

    holds: Callable
    expected: str


PATH = Range(bool, "a path, not empty")  # a "~" at its beginning is the home folder


def as_path(value):
    """Return the path, or the list of paths, that a key holds, with the home folder for "~"."""
    if isinstance(value, list):
        return [as_path(one) for one in value]
    return os.path.expanduser(value) if isinstance(value, str) else value


def at_least(bound, unit=""):
    """Return the range of numbers from a bound on; the unit is for messages."""
    return Range(lambda value: value >= bound, f"at least {bound}" + (f" ({unit})" if unit else ""))


def one_of(*names):
    """Return the range of a few names."""
    return Range(lambda value: value in names, f"one of {', '.join(names)}")


def setting(meaning, default=MISSING, valid=None, factory=MISSING):
    """Return a dataclass field of a config's key; null, where it is a default, is always valid.

    meaning: a phrase for the reference of all keys; valid: its ``Range``, None for any value of
    its type.
    """
    metadata = {"meaning": meaning, "valid": valid}
    return field(default=default, default_factory=factory, metadata=metadata)


def require_valid(options):
    """Raise ``ValueError`` for the first field of a dataclass whose value is out of its range.

    Of a path, "~" becomes the home folder.
    """
    for key in fields(options):
        value, valid = getattr(options, key.name), key.metadata.get("valid")
        absent = value is None and key.default is None
        if valid is not None and not absent and not valid.holds(value):
            raise ValueError(f"{key.name} = {shown(value)}, expected {valid.expected}")
        if valid is PATH:
            setattr(options, key.name, as_path(value))
