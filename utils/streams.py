"""Standard streams that are closed: from the start, or by a reader such as ``| head``."""

import os
import select
import sys


def is_closed_pipe(stream):
    """Whether a stream leads to a pipe that nobody reads."""
    try:
        watch = select.poll()
        watch.register(stream.fileno(), 0)
    except (OSError, ValueError):  # tests put streams in place that are no files
        return False
    return any(event & select.POLLERR for _, event in watch.poll(0))


def open_standard_streams():
    """Lead stdin, stdout and stderr to nowhere where they are closed, as under some daemons.

    Else a file that is opened later takes their place, and what is printed goes into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r"))


def silence(stream):
    """Lead a stream to nowhere, what it still holds included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
