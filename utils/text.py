"""Texts for messages: counts, lists of names, command lines."""

import os
import shlex
from contextlib import suppress
from pathlib import Path

from utils.project import INSTALLED, PROJECT


def counted(number, noun):
    """Return a number and its noun, in the plural unless it is one: "1 image", "2,000 images"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def some_of(names, most=4):
    """Return the first names, separated by commas, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def command(program, *words):
    """Return the command line that runs a program of the project from the working folder."""
    if INSTALLED:
        return shlex.join(["dve", Path(program).stem, *map(os.fspath, words)])
    path = PROJECT / program
    with suppress(OSError):  # the working folder was removed
        path = program if os.path.samefile(os.curdir, PROJECT) else path
    return shlex.join(["python", os.fspath(path), *map(os.fspath, words)])
