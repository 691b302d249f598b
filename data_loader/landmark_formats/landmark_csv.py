"""Read landmarks from a csv: ``file[,split],x0,y0,x1,y1,...``, one image in each row.

Where boxes are read, each row is an object: ``file[,split],x0,y0,x1,y1[,heel_x,heel_y,...]``, where
x0 to y1 are its edges, with 0 at the corner of the top-left pixel.

Pixels, the centre of the top-left pixel is (0, 0). ``csv_columns`` says which columns may be there.
Read as spreadsheets and pandas write it: in UTF-8, UTF-16 or Windows-1252, separated by commas,
semicolons, tabs or bars, with decimal points or commas, with index or empty columns.
"""

import csv
import io
import math
import re
from contextlib import suppress

from data_loader.annotation_files import NOT_LABELLED, decoded, image_size, parse_number
from data_loader.landmark_formats.csv_columns import axis_in, columns_of, ends_in_axis
from data_loader.landmark_formats.table import Fault
from data_loader.splits import split_named
from utils.errors import UserError

SEPARATORS = ",;\t|"
THOUSANDS = re.compile(r"-?[1-9]\d{0,2}(,\d{3})+")  # 1,024
SEP_LINE = re.compile(r'"?sep=(.)"?,*\r?\n?', re.IGNORECASE)  # the first line, for Excel
WINDOWS = "cp1252"


def read(path, annotations, split=None):
    """Read a csv into ``annotations``; split: of the rows that name none."""
    with annotations.reading(path, "cannot read this csv"):
        rows = _read_rows(path, annotations)
        header = [" ".join(name.split()) for name in rows[0][1]] if rows else []
        empty = _empty_columns([row for _, row in rows[1:]], len(header))
        columns = columns_of(header, empty, annotations.with_boxes)
        _refuse_visibilities(rows, columns)
        annotations.take_names([header[x] for x, _ in columns.points])
        passed_over = ", ".join(f"'{header[n]}'" for n in columns.passed_over if header[n])
        if passed_over:
            annotations.notes.append(f"columns passed over: {passed_over}")
        cells = [*(columns.box or ()), *(n for pair in columns.points for n in pair)]
        numbers = [row[n] for _, row in rows[1:] for n in cells if n < len(row)]
        mark = "," if _has_decimal_commas(numbers) else "."
        for number, row in rows[1:]:
            where = f"{path}, line {number}"
            with annotations.reading(where, "expected numbers"):
                if len(row) != len(header):
                    raise Fault(f"{len(row)} columns, expected {len(header)} as in the header")
                _add_row(row, columns, mark, annotations, split, where)


def _read_rows(path, annotations):
    """Return (line number, cells) of the rows that are not blank, the header first.

    Cells are stripped; empty ones beyond the header's last name are left out.
    """
    data = path.read_bytes()
    try:
        text = decoded(data, path)
    except UserError:
        if b"\0" in data:
            raise
        text = data.decode(WINDOWS)
        annotations.notes.append(f"{path.name} is not UTF-8, and read as Windows-1252")
    named = SEP_LINE.match(text)
    text = text[named.end() :] if named else text

    def parsed(separator):
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num + bool(named), cells

    def header_width(separator):
        return len(next(parsed(separator), (0, []))[1])

    rows = list(parsed(max(named[1] if named else SEPARATORS, key=header_width)))
    width = max(n for n, name in enumerate(rows[0][1], start=1) if name) if rows else 0
    return [(n, row[:width] if not any(row[width:]) else row) for n, row in rows]


def _empty_columns(rows, width):
    """Return the numbers of the columns without content; the first is one if it counts the rows."""
    cells = [[row[n] for row in rows if n < len(row)] for n in range(width)]
    empty = {n for n, column in enumerate(cells) if not any(column)}
    counts = cells and all(cell.isdigit() for cell in cells[0])
    return empty | {0} if counts else empty


def _refuse_visibilities(rows, columns):
    """Raise ``Fault`` if every third coordinate seems to be a visibility: at most 2, no other is.

    Columns whose names have no axis are paired in turn, so x, y, visibility would be misread.
    """
    header, places = rows[0][1], [n for pair in columns.points for n in pair]
    with_axis = [n for n in places if axis_in(header[n]) or ends_in_axis(header[n])]
    if with_axis or not places or len(places) % 3:
        return
    largest = [-math.inf] * len(places)
    for _, row in rows[1:]:
        for k, n in enumerate(places):
            with suppress(ValueError, IndexError):  # told where the row is read
                largest[k] = max(largest[k], parse_number(row[n].replace(",", ".")))
    others = [value for k, value in enumerate(largest) if k % 3 < 2]
    if max(largest[2::3]) <= 2 < min(others):
        raise Fault(
            f"column '{header[places[2]]}' and every third one hold visibilities or certainties, "
            "no coordinates: remove them, or name the others like heel_x, heel_y"
        )


def _has_decimal_commas(cells):
    """Return whether most coordinates that are not whole have decimal commas, not points.

    Raises ``Fault`` if the commas may separate thousands: all stand before three digits, and the
    numbers without one are below 1000.
    """
    with_comma = [cell for cell in cells if "," in cell]
    if len(with_comma) <= sum("." in cell for cell in cells):
        return False
    whole = [int(cell) for cell in cells if cell.isdecimal()]
    if with_comma and whole and max(whole) < 1000 and all(map(THOUSANDS.fullmatch, with_comma)):
        raise Fault(
            f"'{with_comma[0]}' may be {with_comma[0].replace(',', '')} or "
            f"{with_comma[0].replace(',', '.')}: expected numbers without separators of thousands"
        )
    return True


def _add_row(row, columns, mark, annotations, split, where):
    cell = row[columns.split] if columns.split is not None else ""
    cell = "" if cell.lower() in NOT_LABELLED else cell
    split = split_named(cell) if cell else split
    if cell and split is None:
        splits = ", ".join(annotations.splits)
        raise Fault(f"split '{cell}', expected one of {splits}, or nothing")
    if not row[columns.file]:
        raise Fault("expected the name of an image")
    points = [[_number(row[n], mark) for n in pair] for pair in columns.points]
    size = columns.size and image_size(*(_number(row[n], mark) for n in columns.size))
    name = annotations.name_of(row[columns.file])
    if columns.box is None:
        annotations.add(name, points, split, size, where)
    else:
        box = _edges([_number(row[n], mark) for n in columns.box], columns.box_has_size)
        annotations.add_object(name, box, points, split, size, where)


def _edges(numbers, has_size):
    """Return left, top, right, bottom; None if no number is given."""
    if all(map(math.isnan, numbers)):
        return None
    left, top, right, bottom = numbers
    return (left, top, left + right, top + bottom) if has_size else tuple(numbers)


def _number(text, mark):
    for name, other in (("points", ","), ("commas", ".")):
        if mark != other and other in text:
            raise ValueError(f"{text!r}, where other cells have decimal {name}")
    try:
        return parse_number(text.replace(mark, "."))
    except ValueError as error:
        raise ValueError(f"{text!r} is no number") from error
