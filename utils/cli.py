"""Command lines and exit codes that all programs share."""

import argparse
import io
import os
import re
import sys
from pathlib import Path

from utils.disk import FULL
from utils.errors import UserError, one_line
from utils.shortages import memory_errors
from utils.stopping import Stopped
from utils.streams import is_closed_pipe, open_standard_streams, silence

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
EXIT_CLOSED_PIPE = 141  # 128 + SIGPIPE
EXIT_CODES = """\
exit code: 0 success; 2 a mistake in arguments, config or files, named in one line; 130 ended by
Ctrl-C, 143 by SIGTERM, 129 by SIGHUP (a training writes a checkpoint first, and prints how to
continue); 141 the reader of the output closed it early"""
DEVICE = re.compile(r"cpu|mps|xpu|cuda|(cuda:)?\d+", re.ASCII)


def run_program(main):
    """Call ``main()`` and return the exit code.

    0, or what ``main`` returns; 2 for a ``UserError``, printed in one line, and when memory runs
    out; 128 plus the number of the signal that ended it: 130 for Ctrl-C, 143 for SIGTERM; 141,
    silently, when the reader of the output has closed it (``| head``).

    Characters that stdout or stderr cannot encode are escaped.
    """
    open_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return _run(main)
        finally:  # argparse leaves with SystemExit
            sys.stdout.flush()
    except BrokenPipeError:
        closed = [stream for stream in (sys.stdout, sys.stderr) if is_closed_pipe(stream)]
        if not closed:
            raise  # another pipe
        for stream in closed:
            silence(stream)  # the interpreter flushes once more at its end
        return EXIT_CLOSED_PIPE
    except OSError as error:
        if error.errno not in FULL or error.filename:
            raise
        silence(sys.stdout)
        sys.stderr.write("error: the disk is full to which the output goes\n")
        return EXIT_USER_ERROR


def _run(main):
    try:
        with memory_errors():
            return main() or 0
    except UserError as error:
        # In one write: print could mix the lines of several processes.
        sys.stderr.write(f"error: {one_line(error)}\n")
        return EXIT_USER_ERROR
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.exit_code
    except KeyboardInterrupt as interrupt:
        print("interrupted", file=sys.stderr)
        return getattr(interrupt, "exit_code", EXIT_INTERRUPTED)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message):
        self.exit(EXIT_USER_ERROR, f"{self.prog}: error: {message} (--help shows all)\n")


def make_parser(description):
    """Return a parser whose help is the program's docstring, unwrapped, and the exit codes."""
    return Parser(
        description=description,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_model(parser):
    """Add MODEL and ``--config``, for programs that use a trained network."""
    parser.add_argument(
        "model", type=path_text, metavar="MODEL", help="a checkpoint, or the folder of a run"
    )
    parser.add_argument(
        "-c",
        "--config",
        type=path_text,
        metavar="FILE",
        help="the model's config, if it does not come with it",
    )


def add_device_option(parser):
    """Add ``--device``, for programs that run networks."""
    parser.add_argument(
        "-d",
        "--device",
        type=device_names,
        metavar="N",
        help="the GPU's number, as 0 or cuda:0 (train.py: 0,1 for several); cpu, mps or xpu; "
        "default: the CPU",
    )


def add_run_options(parser):
    """Add the options of programs that run a config: ``--device``, ``--set``, verbosity."""
    group = parser.add_argument_group("how it runs")
    add_device_option(group)
    add_overrides(group)
    shown = group.add_mutually_exclusive_group()
    for option, level, meaning in (
        ("--quiet", 0, "show warnings and errors only, no progress (info.log holds everything)"),
        ("--verbose", 2, "show everything, regardless of the config's trainer.verbosity"),
    ):
        shown.add_argument(
            option,
            dest="overrides",
            action="append_const",
            const=f"trainer.verbosity={level}",
            help=meaning,
        )


def add_overrides(parser):
    """Add ``--set``, for programs that read a config."""
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY.PATH=VALUE",
        help="change a value of the config, e.g. --set trainer.epochs=10 (repeatable)",
    )


def program(description, resume_help, resume_required=False):
    """Return a parser with the arguments of training and evaluation, and its first group."""
    parser = make_parser(description)
    group = parser.add_argument_group("what it runs")
    group.add_argument(
        "-c",
        "--config",
        type=path_text,
        required=True,
        metavar="FILE",
        help="the experiment, a JSON or YAML file",
    )
    group.add_argument(
        "-r",
        "--resume",
        type=path_text,
        metavar="PATH",
        required=resume_required,
        help=resume_help,
    )
    add_run_options(parser)
    return parser, group


def evaluation_program(description):
    """Return the parser of ``test.py`` and ``test_matching.py``."""
    resume_help = "the checkpoint to evaluate, or the folder of a run: its last one"
    parser, group = program(description, resume_help, resume_required=True)
    group.add_argument(
        "--eval_data", metavar="NAME", help="evaluate on this data set's test split instead"
    )
    group.add_argument(
        "--mini_train", action="store_true", help="evaluate on 4 images: does everything work?"
    )
    group = parser.add_argument_group("what it writes, beside results.json in a run folder")
    group.add_argument(
        "--output", type=path_text, metavar="FILE", help="write results.json there too"
    )
    group.add_argument(
        "--vis",
        action="store_true",
        help="draw the first, the best and the worst cases: matches, or landmarks",
    )
    group.add_argument(
        "--dense_match",
        action="store_true",
        help="draw source, target, and the source warped to the target by its dense matches",
    )
    return parser


def path_text(text):
    """Return a path with "~" expanded; raises ``argparse.ArgumentTypeError`` if it is empty."""
    if not text:
        raise argparse.ArgumentTypeError("'', expected a path (is a variable of the shell unset?)")
    path = os.path.expanduser(text)
    if path.startswith("~"):
        raise argparse.ArgumentTypeError(f"'{text}': no such user has a home folder here")
    return path


def parse_path(text):
    """Return a ``Path`` with "~" expanded."""
    return Path(path_text(text))


def device_names(text):
    """Return "0", "0,1", "cpu", "mps" or "xpu" of such a text, or "0" of "cuda" and "cuda:0"."""
    names = text.split(",") if text else []
    if not all(map(DEVICE.fullmatch, names)):
        raise argparse.ArgumentTypeError(
            f"'{text}', expected the number of a GPU, such as 0 or cuda:0, or cpu, mps, xpu"
        )
    return ",".join("0" if name == "cuda" else name.removeprefix("cuda:") for name in names)


def positive(text):
    """Return a whole number from 1; raises ``argparse.ArgumentTypeError``."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}', expected a whole number from 1")
    return int(text)


def point_names(text):
    """Return the names in "heel,toe,top"; raises ``argparse.ArgumentTypeError``."""
    names = [" ".join(name.split()) for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"'{text}', expected names such as heel,toe,top")
    return names


def parse_seeds(text):
    """Return the seeds in "0,1,2", a list; raises ``argparse.ArgumentTypeError``."""
    try:
        seeds = [int(seed) for seed in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}', expected numbers such as 0,1,2") from error
    if len(set(seeds)) < len(seeds) or not all(0 <= seed < 1 << 63 for seed in seeds):
        raise argparse.ArgumentTypeError(f"'{text}', expected different numbers, 0 to 2^63 - 1")
    return seeds
