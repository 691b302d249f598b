"""Errors that a user can make, with one-line messages."""

from contextlib import contextmanager

MOST_SHOWN = 100  # characters of a value in a message


class UserError(Exception):
    """A mistake outside the code; the message names key, file or value and what was expected."""


class ConfigError(UserError):
    """An invalid config, or an invalid override on the command line."""


class EmptySplit(ConfigError):
    """A split without images, or with too few to evaluate."""


@contextmanager
def config_errors(where):
    """Raise a ``ValueError`` or ``UserError`` of the block as a ``ConfigError``, its message
    prefixed with ``where``, a key or a file.
    """
    try:
        yield
    except (ValueError, UserError) as error:
        raise ConfigError(f"{where}: {error}") from error


def shown(value, write=repr):
    """Return a config's value for a message: ``write(value)``, cut after 100 characters."""
    text = write(value)
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "..."


def one_line(error):
    """Return an error's message, or the last line of one that includes a worker's traceback; the
    name of an error without a message.
    """
    last = (str(error).strip() or type(error).__name__).splitlines()[-1]
    return last.partition("Error: ")[2] or last if "\n" in str(error) else last
