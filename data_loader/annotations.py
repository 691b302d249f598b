"""Reading published annotation files, large ones quickly; errors name the file and the line."""

import csv
import warnings
from pathlib import Path

import numpy as np

from data_loader.matlab_file import load_matlab
from utils.errors import UserError


def read_lines(path):
    """Return the lines of a text file without blank ones at its end."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected text in UTF-8 ({error.reason})") from error
    except OSError as error:
        raise UserError(f"{path}: cannot read this list ({error.strerror})") from error
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def read_names(path):
    """Return the names in a list with one per line, both path separators allowed."""
    names = [posix(line) for line in read_lines(path)]
    if "" in names:
        raise UserError(f"{path}, line {names.index('') + 1}: expected a name, found nothing")
    return names


def posix(name):
    r"""Return a listed path without surrounding blanks, ``\`` as ``/``."""
    return name.strip().replace("\\", "/")


def parse_table(lines, num_values, path, first_line=1):
    """Return what lines hold that have a name and ``num_values`` numbers each: the names, and an
    array (N, num_values), int32, or float32 where a number is not whole.

    path, first_line: where the lines come from, for messages.
    """
    try:
        names = [line.split(None, 1)[0] for line in lines]
        values = _parse_numbers(lines, num_values)
    except (ValueError, IndexError) as error:
        wrong = next(i for i, line in enumerate(lines) if not _is_row(line, num_values))
        raise UserError(
            f"{path}, line {first_line + wrong}: expected a name and {num_values} finite numbers, "
            f"found {' '.join(lines[wrong].split())!r}"
        ) from error
    return names, values


def _parse_numbers(lines, num_values):
    """Return (N, num_values), or raise ``ValueError``."""
    if not lines:
        return np.empty((0, num_values), np.int32)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # numpy 1 makes "1.5" an integer
            return _load_rows(lines, num_values, np.int32)  # seven times as fast as float32
    except (ValueError, DeprecationWarning):
        values = _load_rows(lines, num_values, np.float32)
    if not np.isfinite(values).all():
        raise ValueError("numbers that are not finite")
    return values


def _load_rows(lines, num_values, dtype):
    row = np.dtype([("name", "U1"), ("values", dtype, (num_values,))])
    values = np.loadtxt(lines, dtype=row, comments=None, ndmin=1)["values"]
    return np.ascontiguousarray(values)


def _is_row(line, num_values):
    try:
        return bool(line.strip()) and len(_parse_numbers([line], num_values)) == 1
    except ValueError:
        return False


def require_unique(names, path, first_line=1):
    """Raise ``UserError`` where a list has a name twice."""
    if len(set(names)) == len(names):
        return
    seen = {}
    for number, name in enumerate(names, start=first_line):
        if name in seen:
            raise UserError(f"{path}, line {number}: {name} is listed in line {seen[name]} too")
        seen[name] = number


def read_csv(path):
    """Return the rows of a csv, the header first, as lists of strings."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot read this csv ({error})") from error


def read_matlab(path, *variables):
    """Return the named variables of a MATLAB file, in that order."""
    try:
        contents = load_matlab(Path(path), variables)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot read this MATLAB file ({error})") from error
    for name in variables:
        if name not in contents:
            raise UserError(f"{path}: holds no variable '{name}'")
    return [contents[name] for name in variables]


def read_pts(path, num_points=None):
    """Return the points of a ``.pts`` file, (num_points, 2), as they stand there; None: as many as
    there are.
    """
    body = "\n".join(read_lines(path)).partition("{")[2].partition("}")[0]
    try:
        values = np.array(body.split(), dtype=np.float64)
    except ValueError as error:
        raise UserError(f"{path}: expected numbers between braces ({error})") from error
    sound = values.size and values.size % 2 == 0 and np.isfinite(values).all()
    if not sound or num_points not in (None, values.size // 2):
        expected = "the points" if num_points is None else f"{num_points} points"
        raise UserError(
            f"{path}: {values.size} values between braces, expected finite x and y of {expected}"
        )
    return values.reshape(-1, 2)
