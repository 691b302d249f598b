"""The names of checkpoints, which say how far a training was."""

import re

PATTERN = re.compile(r"checkpoint-epoch(\d+)(?:-step(\d+))?\.pth")


def checkpoint_name(epoch, step=0):
    """Return the name of a checkpoint written after a whole epoch, or so many steps into the next
    one.
    """
    return f"checkpoint-epoch{epoch}{f'-step{step}' if step else ''}.pth"


def parse_name(name):
    """Return (epoch, step) of a checkpoint's name, None if it is none."""
    match = PATTERN.fullmatch(name)
    return match and (int(match[1]), int(match[2] or 0))
