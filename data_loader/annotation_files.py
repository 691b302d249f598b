"""Read annotation files: text, tables, csv, MATLAB and .pts; errors name the file and the line."""

import codecs
import csv
import math
import re
import warnings
from pathlib import Path

import numpy as np

from data_loader.matlab_file import load_matlab
from utils.errors import UserError

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
NOT_LABELLED = {"", "-", "nan", "-nan", "na", "n/a", "#n/a", "<na>", "none", "null"}


def decoded(data, path):
    """Return the text in a file's bytes: UTF-8 or UTF-16, with or without a byte-order mark."""
    encoding = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}.get(data[:2])
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise UserError(f"{path}: expected text in UTF-8 (this is UTF-32)")
    if encoding is None and b"\0" in data[:2]:  # of the two bytes of an ASCII letter one is 0
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
    try:
        return data.decode(encoding or "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected text in UTF-8 ({error.reason})") from error


def read_lines(path):
    """Return the lines of a text file, without blank ones at its end."""
    try:
        lines = decoded(Path(path).read_bytes(), path).splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot read this list ({error.strerror})") from error
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def read_names(path):
    r"""Return the names in a list, one per line, with ``\`` as ``/``."""
    names = [posix(line) for line in read_lines(path)]
    if "" in names:
        raise UserError(f"{path}, line {names.index('') + 1}: expected a name, found nothing")
    return names


def posix(name):
    r"""Return a listed path without surrounding blanks, ``\`` as ``/``."""
    return name.strip().replace("\\", "/")


def parse_number(text):
    """Return a coordinate as a float, NaN for the usual words for a missing value.

    Raises ``ValueError`` for all but decimal numbers in ASCII digits, such as "4_0" or "inf".
    """
    text = text.strip()
    if NUMBER.fullmatch(text):
        return float(text)
    if text.lower() in NOT_LABELLED:
        return math.nan
    raise ValueError(f"{text!r} is no number")


def image_size(width, height):
    """Return a listed image size as two integers, None if it is missing or 0.

    width, height: texts or numbers; raises ``ValueError`` for other texts.
    """
    sides = [parse_number(str(side)) for side in (width, height)]
    return tuple(map(int, sides)) if all(1 <= side < math.inf for side in sides) else None


def parse_table(lines, num_values, path, first_line=1):
    """Return names, list of N, and numbers, (N, num_values), of lines that hold both.

    The numbers are int32, or float32 if any is not whole. path, first_line: for messages.
    """
    try:
        names = [line.split(None, 1)[0] for line in lines]
        return names, _parse_numbers(lines, num_values)
    except (ValueError, IndexError) as error:
        wrong = next(i for i, line in enumerate(lines) if not _is_row(line, num_values))
        raise UserError(
            f"{path}, line {first_line + wrong}: expected a name and {num_values} finite numbers, "
            f"found {' '.join(lines[wrong].split())!r}"
        ) from error


def _parse_numbers(lines, num_values):
    def load(dtype):
        row = np.dtype([("name", "U1"), ("values", dtype, (num_values,))])
        table = np.loadtxt(lines, dtype=row, comments=None, ndmin=1)
        return np.ascontiguousarray(table["values"])

    if not lines:
        return np.empty((0, num_values), np.int32)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # numpy 1 makes "1.5" an integer
            return load(np.int32)  # seven times as fast as float32
    except (ValueError, DeprecationWarning):
        values = load(np.float32)
    if not np.isfinite(values).all():
        raise ValueError("numbers that are not finite")
    return values


def _is_row(line, num_values):
    try:
        return bool(line.strip()) and len(_parse_numbers([line], num_values)) == 1
    except ValueError:
        return False


def without_heading(lines):
    """Return the rows of a table, and the number of the first row's line.

    A heading is a line with the number of rows, a line of column names (no word of it is a
    number), or both.
    """
    start = int(bool(lines) and lines[0].strip().isdigit())
    if len(lines) > start and lines[start].strip():
        start += not any(map(_is_number, lines[start].split()))
    return lines[start:], start + 1


def _is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True


def require_unique(names, path, first_line=1):
    """Raise ``UserError`` if a list has a name twice."""
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
    """Return the points of a ``.pts`` file, (N, 2) float64, as written: iBUG's are 1-based.

    The points are between braces, or on lines of their own without braces.
    num_points: N; None: any number, with NaN for points that are not labelled: NaN, -1 -1 or 0 0.
    """
    lines = read_lines(path)
    head, opening, rest = "\n".join(lines).partition("{")
    if opening and "}" not in rest:
        raise UserError(f"{path}: expected '}}' after the points")
    body = rest.partition("}")[0].splitlines() if opening else [n for n in lines if ":" not in n]
    try:
        rows = [[parse_number(value) for value in line.split()] for line in body]
    except ValueError as error:
        raise UserError(f"{path}: expected numbers, x and y of each point ({error})") from error
    values = np.array([value for row in rows for value in row], np.float64)
    counts = list(map(int, re.findall(r"(?i)\bn_points\b[ \t:=]*(\d+)", head)))
    for count in counts:
        if values.size != 2 * count:
            raise UserError(f"{path}: {values.size} numbers, but n_points is {count}: x and y each")
    lengths = [len(row) for row in rows if row]
    unclear = not counts and num_points is None and len(lengths) > 1 and max(lengths) > 2
    if unclear or any(n % 2 for n in lengths) or num_points not in (None, values.size // 2):
        expected = "the points" if num_points is None else f"{num_points} points"
        raise UserError(
            f"{path}: {values.size} numbers, "
            f"{max(lengths, default=0)} in a line, expected x and y of {expected}"
        )
    labelled = points = values.reshape(-1, 2)
    if num_points is None:
        points[(points == -1).all(axis=1) | (points == 0).all(axis=1)] = math.nan
        labelled = points[~np.isnan(points).all(axis=1)]
    if not len(points) or not np.isfinite(labelled).all():
        raise UserError(f"{path}: {values.size} numbers, expected finite x and y of each point")
    return points
