"""Command lines as people type them, parsed by the programs' own parsers; nothing is run."""

import argparse
import importlib
import shlex
from unittest import mock

from tests.data_helpers.tiny_runs import ROOT, program_main

PROGRAMS = ["train.py", "test.py", "test_matching.py"] + sorted(
    str(path.relative_to(ROOT)) for path in (ROOT / "misc").rglob("*.py")
    if "\ndef main(" in path.read_text()
)


class Parsed(Exception):
    """A program has parsed its arguments; it goes no further."""

    def __init__(self, parser, arguments):
        self.parser, self.arguments = parser, arguments


def _parse_only(parser, args=None, namespace=None):
    raise Parsed(parser, parser.parse_known_args(args, namespace))


def main_of(program):
    """Return ``main`` of a program, by its path from the root of the repository."""
    if program.startswith("misc/"):
        module = program.removesuffix(".py").replace("/", ".")
        return importlib.import_module(module).main
    return program_main(program)


def parse(program, words):
    """Return a program's parser, and its arguments for the words after its name.

    Raises ``SystemExit`` as the program does where they are wrong.
    """
    with mock.patch("sys.argv", [program, *words]), \
            mock.patch.object(argparse.ArgumentParser, "parse_args", _parse_only):
        try:
            main_of(program)()
        except Parsed as parsed:
            arguments, unknown = parsed.arguments
            if unknown:
                parsed.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
            return parsed.parser, arguments
    raise AssertionError(f"{program} parses no arguments")


def split_line(line):
    """Return the words of a line of a shell, without its comment."""
    return shlex.split(line, comments=True)


def join_lines(text):
    """Return the lines of a text, those that end with a backslash joined to the next."""
    return text.replace("\\\n", " ").splitlines()
