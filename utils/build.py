"""From a config section to an object: one door, which refuses what it does not know."""

import difflib
import inspect
import types
import typing

from utils.errors import ConfigError


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
        raise ConfigError(f"{where} = {name!r}: {expected_one_of(name, registry)}")
    return registry[name]


def call(function, args, where, **runtime):
    """Call ``function(**args, **runtime)`` once its signature accepts them.

    A ``ValueError`` of its names the key too.
    """
    check_arguments(function, args, where, runtime)
    try:
        return function(**args, **runtime)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{where}: {error}") from error


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
        raise ConfigError(f"{where} lacks {', '.join(missing)}")
    hints = _hints(function)
    for name, value in args.items():
        check_type(value, hints.get(name), f"{where}.{name}")


def check_type(value, hint, where):
    """Raise ``ConfigError`` unless a JSON value fits a plain type hint.

    Hints of other kinds are not looked at.
    """
    allowed = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if not all(t in (bool, int, float, str, list, dict, type(None)) for t in allowed):
        return
    fits = any(
        isinstance(value, t)
        and (not isinstance(value, bool) or t is bool)
        or t is float
        and isinstance(value, int)
        and not isinstance(value, bool)
        for t in allowed
    )
    if not fits:
        names = " or ".join("null" if t is type(None) else t.__name__ for t in allowed)
        raise ConfigError(f"{where} = {value!r}, expected {names}")


def expected_one_of(name, valid):
    """Say which names are valid, the likeliest first."""
    close = difflib.get_close_matches(str(name), list(valid), n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}expected one of: {', '.join(sorted(valid))}"


def _hints(function):
    """Type hints of a function, or of a class's constructor.

    Empty where they cannot be resolved.
    """
    target = function.__init__ if inspect.isclass(function) else function
    try:
        return typing.get_type_hints(target)
    except (NameError, TypeError):
        return {}
