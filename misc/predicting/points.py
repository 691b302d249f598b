"""Points of a reference image, typed or in a file."""

from pathlib import Path

from data_loader.annotation_files import read_csv
from inference.model import as_points
from utils.errors import UserError


def read_points(arguments):
    """Return points (K, 2) from texts "x,y", or from the one file that is named instead: a csv with
    a point per line, a header "x,y" or none.
    """
    if len(arguments) > 1 or "," in arguments[0] and not Path(arguments[0]).is_file():
        points = [_parse(text.split(","), f"--points {text}") for text in arguments]
    else:
        points = _read_file(Path(arguments[0]))
    return as_points(points)


def _read_file(path):
    rows = read_csv(path)
    if rows and [name.strip() for name in rows[0]] == ["x", "y"]:
        rows = rows[1:]
    if not rows:
        raise UserError(f"{path}: holds no points, expected x,y in each line")
    return [_parse(row, path) for row in rows]


def _parse(texts, where):
    try:
        x, y = map(float, texts)
    except ValueError as error:
        raise UserError(f"{where}: found {','.join(texts)!r}, expected x,y: two numbers") from error
    return x, y
