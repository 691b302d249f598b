"""What programs leave behind: values in logs, figures, one line for a mistake."""

import json
import re

STAMP = r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d"
FIGURES = ("same_identity_px", "different_identity_px")
COSINE_FIGURES = ("same_identity_cosine_px", "different_identity_cosine_px")
NUMBER = r"(\d+\.?\d*(?:e-?\d+)?)"


def values_in(log, name):
    """Return the values of a name in a log, one for each epoch."""
    found = re.findall(rf" - INFO -     {name} *: {NUMBER}$", log, re.MULTILINE)
    return [float(value) for value in found]


def one_in(log, line):
    """Return the group of the only line of a log that ends as a pattern says."""
    (found,) = re.findall(rf" - INFO - {line}$", log, re.MULTILINE)
    return found


def first_line(trained):
    return trained.log.splitlines()[0].split(" - ", maxsplit=3)[3]


def results_of(folder):
    return json.loads((folder / "results.json").read_text())


def root_of(trained):
    return json.loads(trained.config.read_text())["dataset"]["args"]["root"]


def assert_one_clear_line(finished, *words):
    assert finished.code == 2, finished
    (line,) = finished.stderr.splitlines()
    assert line.startswith("error: ")
    assert all(word in line for word in words), line
