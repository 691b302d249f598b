"""Output that nobody reads any more, as of a program before ``| head``."""

import os
import select


def is_closed_pipe(stream):
    """Whether a stream leads to a pipe that nobody reads."""
    try:
        watch = select.poll()
        watch.register(stream.fileno(), 0)
    except (OSError, ValueError):  # tests put streams in place that are no files
        return False
    return any(event & select.POLLERR for _, event in watch.poll(0))


def silence(stream):
    """Lead a stream to nowhere, what it still holds included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
