"""Landmarks in a csv: ``file[,split],x0,y0,x1,y1,...``, one image in each row.

Pixels, the centre of the top-left pixel is (0, 0). Which columns there may be: ``csv_columns``.
As spreadsheets and pandas write it: in UTF-8, UTF-16 or Windows-1252, cells parted by commas,
semicolons, tabs or bars, with decimal points or commas, with an index or empty columns.
"""

import csv
import io
import re

from data_loader.annotation_files import decoded, image_size, parse_number
from data_loader.image_folder import split_named
from data_loader.landmark_formats.csv_columns import columns_of
from utils.errors import UserError

SEPARATORS = ",;\t|"
SEP_LINE = re.compile(r'"?sep=(.)"?,*\r?\n?', re.IGNORECASE)  # the first line, for Excel
WINDOWS = "cp1252"


def read(path, annotations, split=None):
    """Read a csv. A row without a split is of the one given."""
    try:
        rows = _read_rows(path, annotations)
        header = [" ".join(name.split()) for name in rows[0][1]] if rows else []
        columns = columns_of(header, _empty_columns([row for _, row in rows]))
    except UserError as error:
        annotations.faults.append(str(error))
        return
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        annotations.fault(path, f"cannot read this csv ({error})")
        return
    except ValueError as error:
        annotations.fault(path, error)
        return
    if not annotations.take_names([header[x] for x, _ in columns.points], path):
        return
    if columns.passed_over:
        names = ", ".join(f"'{header[n]}'" for n in columns.passed_over if header[n])
        annotations.notes += [f"columns passed over: {names}"] if names else []
    cells = [n for pair in columns.points for n in pair]
    comma = any("," in row[n] for _, row in rows[1:] for n in cells if n < len(row))
    for number, row in rows[1:]:
        if len(row) != len(header):
            text = f"{len(row)} columns, expected {len(header)} as in the header"
            annotations.fault(f"{path}, line {number}", text)
        else:
            _add_row(row, columns, comma, annotations, split, f"{path}, line {number}")


def _read_rows(path, annotations):
    """Return (line, cells) of the rows that are not blank, the header first; cells are stripped,
    and empty ones beyond those of the header are left out.
    """
    data = path.read_bytes()
    try:
        text = decoded(data, path)
    except UserError:
        if b"\0" in data:
            raise
        text = data.decode(WINDOWS)
        annotations.notes.append(f"{path.name} is not UTF-8, and read as Windows-1252")
    told = SEP_LINE.match(text)
    text = text[told.end() :] if told else text
    separators = told[1] if told else SEPARATORS
    separator = max(separators, key=lambda mark: _header_width(text, mark))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows = [(reader.line_num + bool(told), [cell.strip() for cell in row]) for row in reader]
    rows = [(number, row) for number, row in rows if any(row)]
    width = max(n for n, name in enumerate(rows[0][1], start=1) if name) if rows else 0
    return [(n, row[:width] if not any(row[width:]) else row) for n, row in rows]


def _header_width(text, separator):
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    return next((len(row) for row in reader if any(cell.strip() for cell in row)), 0)


def _empty_columns(rows):
    """Return the numbers of the columns that are empty; the first is, too, if it numbers rows."""
    header, *rows = rows or [[]]
    cells = [[row[n] for row in rows if n < len(row)] for n in range(len(header))]
    empty = {n for n, column in enumerate(cells) if not any(column)}
    numbered = cells and all(cell.isdigit() for cell in cells[0])
    return empty | {0} if numbered else empty


def _add_row(row, columns, comma, annotations, split, where):
    """Take what a row says of an image; comma: whether that is the decimal sign."""
    cell = row[columns.split] if columns.split is not None else ""
    split = split_named(cell) if cell else split
    if cell and split is None:
        expected = ", ".join(annotations.splits)
        annotations.fault(where, f"split '{cell}', expected one of {expected}, or nothing")
        return
    if not row[columns.file]:
        annotations.fault(where, "expected the name of an image")
        return
    try:
        points = [[_number(row[n], comma) for n in pair] for pair in columns.points]
        size = columns.size and image_size(*(_number(row[n], comma) for n in columns.size))
    except ValueError as error:
        annotations.fault(where, f"expected numbers ({error})")
        return
    name = annotations.name_of(row[columns.file], annotations.sources[-1])
    annotations.add_labelled(name, points, split, size, where)


def _number(text, comma):
    if comma and "." in text:
        raise ValueError(f"{text!r}, where other cells have decimal commas")
    return parse_number(text.replace(",", ".") if comma else text)
