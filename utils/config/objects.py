"""Build the object that a config section names, after checking its arguments."""

import collections.abc
import difflib
import inspect
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
    """Return ``registry[section["type"]](**section["args"], **runtime)``.

    Raises ``ConfigError`` naming key and value.

    section: {"type": name, "args": {...}}.
    registry: {name: callable}.
    where: the section's key, for messages.
    runtime: arguments that JSON cannot hold, or that another section gives.
    """
    return call(
        look_up(section["type"], registry, f"{where}.type"),
        section["args"],
        f"{where}.args",
        **runtime,
    )


def look_up(name, registry, where):
    """Return ``registry[name]``; raises ``ConfigError`` with the valid names."""
    if not isinstance(name, str) or name not in registry:
        raise ConfigError(f"{where} = {shown(name)}: {expected_one_of(name, registry)}")
    return registry[name]


def call(function, args, where, **runtime):
    """Return ``function(**args, **runtime)``; raises ``ConfigError`` naming key and value."""
    check_arguments(function, args, where, runtime)
    return attempt(
        lambda values: function(**values, **runtime), args, where, f"what {function.__name__} takes"
    )


def attempt(make, args, where, expected):
    """Return ``make(args)``; if it raises for a value, raise ``ConfigError`` naming the key.

    The key is found by trial: with that argument left out or changed, ``make`` succeeds.
    """
    try:
        return make(args)
    except REFUSALS as error:
        message = (str(error).strip() or type(error).__name__).splitlines()[0]
        names_key = any(re.match(rf"{re.escape(name)} = ", message) for name in args)
        changes = [(name, {k: args[k] for k in args if k != name}) for name in args]
        changes += [(name, {**args, name: value}) for value in STAND_INS for name in args]
        for name, changed in () if names_key else changes:
            try:
                make(changed)
            except (*REFUSALS, UserError):
                continue
            raise ConfigError(
                f"{where}.{name} = {shown(args[name])}, expected {expected} ({message})"
            ) from error
        raise ConfigError(f"{where}{'.' if names_key else ': '}{message}") from error


def check_arguments(function, args, where, runtime=()):
    """Raise ``ConfigError`` for an argument that is unknown, missing, or of a wrong type.

    runtime: names of arguments that the code sets, which a config must not give.
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
    """Raise ``ConfigError`` unless a JSON value fits a type hint, if the hint restricts it."""
    allowed = _json_hints(hint)
    if allowed and not any(_fits(value, one) for one in allowed):
        names = " or ".join(dict.fromkeys(map(_name, allowed)))
        raise ConfigError(f"{where} = {shown(value)}, expected {names}")


def _json_hints(hint):
    """Return the parts of a hint that JSON can hold; [] if it allows everything."""
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
    """Return the end of a message: the likeliest valid name, then all of them."""
    close = difflib.get_close_matches(str(name), list(valid), n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}expected one of: {', '.join(sorted(valid))}"


def _hints(function):
    """Return the type hints of a function or constructor that can be resolved.

    Some names torch imports for type checkers only.
    """
    target = inspect.unwrap(function.__init__ if inspect.isclass(function) else function)
    names = {**vars(collections.abc), **vars(typing), **getattr(target, "__globals__", {})}
    hints = {}
    for name, annotation in getattr(target, "__annotations__", {}).items():
        with suppress(NameError, TypeError, AttributeError, SyntaxError):
            alone = types.SimpleNamespace(__annotations__={name: annotation})
            hints.update(typing.get_type_hints(alone, names))
    return hints
