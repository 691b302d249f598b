"""From a config section to an object: one door, which refuses what it does not know."""

import collections.abc
import difflib
import inspect
import itertools
import re
import types
import typing
from collections.abc import Iterable, Sequence
from contextlib import suppress

from utils.errors import ConfigError, UserError, shown

JSON_TYPES = (bool, int, float, str, list, dict, type(None))
LISTS = (Iterable, Sequence, list, tuple)  # what a JSON list stands for
ANYTHING = (typing.Any, object)
REFUSALS = (ValueError, TypeError, ArithmeticError, MemoryError, RuntimeError)
STAND_INS = (1, 0.5, [1], 1000)  # one of them will do for an argument that must be given


def build(section, registry, where, **runtime):
    """Call ``registry[section["type"]](**section["args"], **runtime)``.

    section: {"type": name, "args": {...}}; registry: name -> callable; where: the section's key,
    for messages;
    runtime: what JSON cannot hold, or what another section says. Raises ``ConfigError`` naming key
    and value.
    """
    return call(
        look_up(section["type"], registry, f"{where}.type"),
        section["args"],
        f"{where}.args",
        **runtime,
    )


def look_up(name, registry, where):
    """Return ``registry[name]``, or raise ``ConfigError`` with the valid names."""
    if not isinstance(name, str) or name not in registry:
        raise ConfigError(f"{where} = {shown(name)}: {expected_one_of(name, registry)}")
    return registry[name]


def call(function, args, where, **runtime):
    """Call ``function(**args, **runtime)`` once its signature accepts them.

    An error of a value in it names the key too.
    """
    check_arguments(function, args, where, runtime)
    return attempt(
        lambda values: function(**values, **runtime), args, where, f"what {function.__name__} takes"
    )


def attempt(make, args, where, expected):
    """Return ``make(args)``; where it refuses a value, raise ``ConfigError`` with the key of that.

    The key is found by trying: without that argument, or with another value, ``make`` succeeds.
    """
    try:
        return make(args)
    except REFUSALS as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        names_itself = any(re.match(rf"{re.escape(name)} = ", told) for name in args)
        for name, changed in () if names_itself else _changes(args):
            if _succeeds(make, changed):
                raise ConfigError(
                    f"{where}.{name} = {shown(args[name])}, expected {expected} ({told})"
                ) from error
        raise ConfigError(f"{where}{'.' if names_itself else ': '}{told}") from error


def _changes(args):
    """Yield (name, arguments with that one left out, or with another value in its place)."""
    for name in args:
        yield name, {key: value for key, value in args.items() if key != name}
    for value, name in itertools.product(STAND_INS, args):
        yield name, {**args, name: value}


def _succeeds(make, args):
    try:
        make(args)
    except (*REFUSALS, UserError):
        return False
    return True


def check_arguments(function, args, where, runtime=()):
    """Raise ``ConfigError`` for an argument that is unknown, missing, of a wrong type, or set by
    the code itself.
    """
    parameters = {
        name: p
        for name, p in inspect.signature(function).parameters.items()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }
    valid = [name for name in parameters if name not in runtime]
    for name in args:
        if name in runtime:
            raise ConfigError(f"{where}.{name} is set by the code: remove it")
        if name not in parameters:
            raise ConfigError(f"{where}.{name} is not a key here: {expected_one_of(name, valid)}")
    missing = [
        name
        for name in valid
        if name not in args and parameters[name].default is inspect.Parameter.empty
    ]
    if missing:
        names = ", ".join(f"{where}.{name}" for name in missing)
        raise ConfigError(f"{names} {'is' if len(missing) == 1 else 'are'} missing")
    hints = _hints(function)
    for name, value in args.items():
        check_type(value, hints.get(name), f"{where}.{name}")


def check_type(value, hint, where):
    """Raise ``ConfigError`` unless a JSON value fits a type hint, as far as that speaks of such."""
    allowed = _json_hints(hint)
    if allowed and not any(_fits(value, one) for one in allowed):
        names = " or ".join(dict.fromkeys(map(_name, allowed)))
        raise ConfigError(f"{where} = {shown(value)}, expected {names}")


def _json_hints(hint):
    """Return the parts of a hint that JSON can hold; none of them where it allows everything."""
    origin = typing.get_origin(hint) or hint
    if origin in (types.UnionType, typing.Union):
        parts = typing.get_args(hint)
        if any(part in ANYTHING for part in parts):
            return []
        return [one for part in parts for one in _json_hints(part)]
    return [hint] if origin in (*JSON_TYPES, *LISTS) else []


def _fits(value, hint):
    if typing.get_origin(hint) in LISTS:
        return isinstance(value, list) and _items_fit(value, hint)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, hint) or hint is float and isinstance(value, int)


def _items_fit(items, hint):
    of_items = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and Ellipsis not in of_items:
        if len(items) != len(of_items):
            return False
    else:
        of_items = of_items[:1] * len(items)
    allowed = map(_json_hints, of_items)
    return all(
        not hints or any(_fits(item, one) for one in hints) for item, hints in zip(items, allowed)
    )


def _name(hint):
    if typing.get_origin(hint) in LISTS:
        names = dict.fromkeys(_name(one) for t in typing.get_args(hint) for one in _json_hints(t))
        return f"list of {' or '.join(names)}" if names else "list"
    return "null" if hint is type(None) else hint.__name__


def expected_one_of(name, valid):
    """Say which names are valid, the likeliest first."""
    close = difflib.get_close_matches(str(name), list(valid), n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}expected one of: {', '.join(sorted(valid))}"


def _hints(function):
    """Type hints of a function, or of a class's constructor, without those that cannot be resolved:
    torch imports some names for type checkers only.
    """
    target = inspect.unwrap(function.__init__ if inspect.isclass(function) else function)
    names = {**vars(collections.abc), **vars(typing), **getattr(target, "__globals__", {})}
    hints = {}
    for name, annotation in getattr(target, "__annotations__", {}).items():
        with suppress(NameError, TypeError, AttributeError, SyntaxError):
            alone = types.SimpleNamespace(__annotations__={name: annotation})
            hints.update(typing.get_type_hints(alone, names))
    return hints
