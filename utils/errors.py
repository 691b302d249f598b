"""What a user can get wrong, told in one line."""

from contextlib import contextmanager

MOST_SHOWN = 100  # characters of a value in a message


class UserError(Exception):
    """A mistake outside the code (a key, a file, a value).

    The message names it and what was expected.
    """


class ConfigError(UserError):
    """A config, or a command-line override of one, that cannot be used as it stands."""


class EmptySplit(ConfigError):
    """A data set that has no images of a split, or too few to evaluate with."""


@contextmanager
def blamed_on(where):
    """Turn an error of a value into a ``ConfigError`` that begins with ``where``: key or file."""
    try:
        yield
    except (ValueError, UserError) as error:
        raise ConfigError(f"{where}: {error}") from error


def shown(value, write=repr):
    """Return a value of a config as messages show it: as ``write`` does, cut if it is long."""
    text = write(value)
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "..."


def one_line(error):
    """Return an error's message.

    Out of a loader's worker process it comes with a traceback, of which this is the last line.
    """
    last = str(error).strip().splitlines()[-1]
    return last.partition("Error: ")[2] or last if "\n" in str(error) else last
