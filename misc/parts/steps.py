"""The steps of a program that runs others: each printed as a command line, and run if need be."""

import os
import shlex
import subprocess
import sys

from utils.project import INSTALLED
from utils.text import command

GRACE = 2  # seconds to end without being told
PYTHON = [sys.executable, *(["-m", "dve"] if INSTALLED else [])]


def step(title, is_done, program, *words):
    """Print a program's command line, and run it unless its result is there.

    Its exit code, unless it is 0, ends this program too.
    """
    line = command(program, *words)
    print(f"\n== {title}{': done before' if is_done else ''}\n{line}", flush=True)
    if is_done:
        return
    process = subprocess.Popen([*PYTHON, *shlex.split(line)[1:]])
    try:
        code = process.wait()
    except KeyboardInterrupt:
        try:
            process.wait(GRACE)  # Ctrl-C in a terminal has reached it, too
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
        raise
    if code:
        sys.exit(code if code > 0 else 128 - code)


def is_newer(path, sources):
    """Return whether a file exists and is no older than the files and folders it was made from."""
    changed = max(os.stat(source).st_mtime_ns for source in sources)
    return path.exists() and path.stat().st_mtime_ns >= changed
