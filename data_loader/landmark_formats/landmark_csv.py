"""Landmarks in a csv: ``file[,split],x0,y0,x1,y1,...``, one image in each row.

Pixels, the centre of the top-left pixel is (0, 0).
"""

import csv
import re

import numpy as np

from data_loader.image_folder import split_named
from data_loader.landmark_formats.annotations import Entry

AXIS = re.compile(r"(?:^|[^a-z])([xy])[\W_]*\d*$|^([xy])(?:[\W\d_]|$)")  # in a column's name


def read(path, annotations, split=None):
    """Read a csv, from a spreadsheet too. A row without a split is of the one given."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        annotations.fault(path, f"cannot read this csv ({error}), expected text in UTF-8")
        return
    header = [name.strip() for name in rows[0]] if rows else []
    fault = _header_fault(header)
    if fault:
        annotations.fault(path, fault)
        return
    first = _first_coordinate(header)
    if not annotations.take_names(header[first::2], path):
        return
    for number, row in enumerate(rows[1:], start=2):
        if any(cell.strip() for cell in row):
            _read_row(row, header, annotations, split, f"{path}, line {number}")


def _first_coordinate(header):
    return 2 if header[1:2] == ["split"] else 1


def _header_fault(header):
    """Return what is wrong with a header, or None."""
    if not header or header[0] != "file":
        separated = header and re.match(r"file\s*([;\t|])", header[0])
        hint = f"; its columns are parted by {separated[1]!r}, expected ','" if separated else ""
        return f"expected a header that begins with 'file'{hint}"
    names = header[_first_coordinate(header) :]
    if not names or len(names) % 2:
        return f"{len(names)} coordinate columns, expected x and y for each landmark"
    for name, axis in zip(names, "xy" * len(names)):
        told = AXIS.search(name.lower())
        if told and axis not in told.groups():
            return f"column '{name}' where {axis} is expected: x and y of each landmark in turn"
    return None


def _read_row(row, header, annotations, split, where):
    first = _first_coordinate(header)
    if len(row) != len(header):
        annotations.fault(where, f"{len(row)} columns, expected {len(header)} as in the header")
        return
    cell = row[1].strip() if first == 2 else ""
    split = split_named(cell) if cell else split
    if cell and split is None:
        expected = ", ".join(annotations.splits)
        annotations.fault(where, f"split '{cell}', expected one of {expected}, or nothing")
        return
    try:
        values = np.array(row[first:], dtype=np.float64).reshape(-1, 2)
    except ValueError as error:
        annotations.fault(where, f"expected numbers ({error})")
        return
    name = annotations.name_of(row[0], annotations.sources[-1])
    annotations.add(name, Entry(split, values), where)
