"""Handle standard streams that are closed, from the start or by a reader such as ``| head``."""

import os
import select
import sys


def is_closed_pipe(stream):
    """Return whether a stream is a pipe whose reader has closed it."""
    try:
        watch = select.poll()
        watch.register(stream.fileno(), 0)
    except (OSError, ValueError):  # not a file, as under tests
        return False
    return any(event & select.POLLERR for _, event in watch.poll(0))


def open_standard_streams():
    """Open stdin, stdout and stderr on /dev/null if they are closed, as under some daemons.

    Otherwise the next file that is opened gets their number, and what is printed goes into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r"))


def silence(stream):
    """Redirect a stream to /dev/null, including what it still buffers."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
