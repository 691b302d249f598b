"""Where the project's own files lie: in its clone, or in the installed package ``dve``."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
INSTALLED = __name__.startswith("dve.")
# The folder that holds data/: the clone, or the working folder.
HOME = Path() if INSTALLED else PROJECT


def destination():
    """Return the options with which a download goes to the working folder, where data are sought.

    None are needed if that is ``HOME``.
    """
    return [] if Path.cwd() == HOME.resolve() else ["--dest", "."]
