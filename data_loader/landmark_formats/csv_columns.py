"""Find out from the header of a csv of landmarks what its columns are."""

import re
from typing import NamedTuple

from data_loader.landmark_formats.table import Fault

FILE = {"file", "filename", "filepath", "fname", "image", "imagename", "imagefile", "imagepath"}
FILE |= {"imagefilename", "img", "imgname", "imgfile", "imgpath", "path", "name"}
INDEX = {"", "index", "id", "imageid", "imgid"}  # name the image if no column of FILE does
SPLIT = {"split", "set", "subset"}
PASSED_OVER = {"class", "classname", "label", "category", "comment", "comments", "note", "notes"}
PASSED_OVER |= {"date", "time", "timestamp", "url", "license", "annotator"}
SIZE = re.compile(
    r"(?:image|img|im|picture|pic|photo|original|orig)?(width|height|w|h)(?:px|pixels)?"
)
AXIS_LAST = re.compile(r"(?:.*[^a-z])?(?P<axis>[xy])[\W_]*\d*$", re.IGNORECASE)  # eye_x, x, eye_x1
AXIS_FIRST = re.compile(r"(?P<axis>[xy])[\W\d_].*$", re.IGNORECASE)  # x1, x_eye
LETTER_LAST = re.compile(r".*(?P<axis>[xy])\d*$", re.IGNORECASE)  # eyeLX, lx; if all columns are so
BOX = re.compile(r"[xy]?(?:min|max)[xy]?|bbox.*|box[xywh]?")  # even with an axis in the name
BOX_COLUMNS = [  # of a box's edges, or of its corner and size; "box" or "bbox" may precede each
    (("x0", "y0", "x1", "y1"), ("x2",)),  # with x2 they are landmarks
    (("x1", "y1", "x2", "y2"), ("x0", "x3")),
    (("xmin", "ymin", "xmax", "ymax"), ()),
    (("minx", "miny", "maxx", "maxy"), ()),
    (("left", "top", "right", "bottom"), ()),
    (("x", "y", "w", "h"), ()),
    (("x", "y", "width", "height"), ()),
    (("left", "top", "width", "height"), ()),
]
WRITTEN_BOX = ("bbox_x0", "bbox_y0", "bbox_x1", "bbox_y1")  # as programs here write them
UNCLEAR = re.compile(  # columns that are no landmarks, but may be beside them
    r"[xy]?(?:left|top|right|bottom|center|centre)|rows?|cols?|columns?|size|area|depth|channels|"
    r"scale|angle|rotation|age|score|confidence|visible|visibility|z|.*(?:width|height)"
)
SIZED = re.compile(  # what an axis in the name of a column may be of, other than a landmark
    r"(?:im|img|image|pic|picture|photo|orig|original)?"
    r"(?:sizes?|dims?|dimensions?|res|resolution|shape|offset|scale|crop)"
)
DIGIT = re.compile(r"\d")  # if names of columns without axes have one, those without are odd
ROW_COLUMN = re.compile(r"(?:.*[^a-z])?(?:rows?|cols?|columns?)(?:[^a-z].*)?", re.IGNORECASE)
CORNERS = {"x", "y", "left", "top", "cx", "cy", "xcenter", "ycenter", "centerx", "centery"}


class Columns(NamedTuple):
    """Column numbers; None for a column that is missing."""

    file: int
    split: int | None
    size: tuple | None  # the image's width and height
    points: list  # (x, y) of each landmark
    passed_over: list
    box: tuple | None  # left, top, right, bottom; or left, top, width, height if it has a size
    box_has_size: bool


def columns_of(header, empty, with_box=False):
    """Return the ``Columns`` of a header; raises ``Fault`` if it is ambiguous.

    header: the column names; empty: the numbers of columns that are empty or count the rows;
    with_box: expect a box in each row, with or without landmarks.
    """
    words = list(map(_word, header))
    box, box_has_size = _box_columns(words) if with_box else (None, False)
    sides = [None if n in (box or ()) else SIZE.fullmatch(word) for n, word in enumerate(words)]

    def only(numbers, what):
        if len(numbers) > 1:
            names = " and ".join(f"'{header[n]}'" for n in numbers)
            raise Fault(f"columns {names}: expected one that names {what}")
        return next(iter(numbers), None)

    def size_column(side):
        numbers = [n for n, match in enumerate(sides) if match and match[1][0] == side[0]]
        return only(numbers, f"the image's {side}")

    file = only([n for n, word in enumerate(words) if word in FILE], "the image")
    if file is None:
        indices = [n for n, word in enumerate(words) if word in INDEX and (word or n not in empty)]
        file = only(indices, "the image")
    if file is None:
        raise Fault(f"expected a header with a column 'file', found {', '.join(header[:4])!r}")
    split = only([n for n, word in enumerate(words) if word in SPLIT], "the split")
    size = size_column("width"), size_column("height")
    _refuse_boxes({n: word for n, word in enumerate(words) if n not in (box or ())}, header)
    others = [n for n in range(len(header)) if n not in (file, split, *size, *(box or ()))]
    size = None if None in size else size
    passed_over = [
        n for n in others if words[n] in PASSED_OVER | INDEX and (words[n] or n in empty)
    ]
    others = [n for n in others if n not in passed_over]
    if box and not _axes({n: header[n] for n in others}):
        return Columns(file, split, size, [], sorted(passed_over + others), box, box_has_size)
    points = _pair_up(others, header)
    return Columns(file, split, size, points, passed_over, box, box_has_size)


def _box_columns(words):
    """Return the numbers of a box's four columns, and whether the last two are its size."""
    for prefix in ("bbox", "box", ""):
        for names, further in BOX_COLUMNS:
            wanted = [prefix + name for name in names]
            if all(words.count(word) == 1 for word in wanted):
                if not any(prefix + name in words for name in further):
                    return tuple(map(words.index, wanted)), names[2] in ("w", "width")
    raise Fault("expected columns of boxes, such as x0, y0, x1, y1")


def _refuse_boxes(words, header):
    """Raise ``Fault`` if columns {number: word} are a box's: xmin and the like, or x, y, w."""
    names = [header[n] for n, word in words.items() if BOX.fullmatch(word)]
    for n, word in words.items():
        before = {words.get(n - 2), words.get(n - 1)}
        if word in ("w", "width") and before <= CORNERS and n + 1 < len(header):
            names.append(header[n])
    if names:
        raise Fault(
            f"column '{names[0]}' belongs to a box, which is no landmark: remove it, or cut the "
            "boxes out (dataset.args.box_margin)"
        )


def _pair_up(numbers, header):
    """Return the columns (x, y) of each landmark, by their names; without axes there, in turn."""
    named = _axes({n: header[n] for n in numbers})
    unclear = [n for n in numbers if n not in named]
    odd = [n for n in named if SIZED.fullmatch(re.sub(r"[\W_]+", "", named[n][0]))]
    odd += [n for n in unclear if UNCLEAR.fullmatch(re.sub(r"[\W_]+", "", header[n].lower()))]
    odd += [n for n in unclear if ROW_COLUMN.fullmatch(header[n])]
    numbered = [n for n in unclear if DIGIT.search(header[n])]
    odd = odd or [n for n in unclear if not header[n] or named or numbered and n not in numbered]
    if odd:
        name = f"column '{header[odd[0]]}'" if header[odd[0]] else f"column {odd[0] + 1}, unnamed,"
        raise Fault(f"{name} is neither x nor y of a landmark: name it so, or remove it")
    if not numbers or len(numbers) % 2 and not named:
        raise Fault(f"{len(numbers)} coordinate columns, expected x and y for each landmark")
    pairs = list(zip(numbers[::2], numbers[1::2]))
    axes = [named[x] + named[y] for x, y in pairs if named]
    if len(numbers) % 2 == 0 and all(of == (of[0], "x", of[0], "y") for of in axes):
        return pairs
    places = {}
    for n in numbers:
        landmark, axis = named[n]
        if axis in places.setdefault(landmark, {}):
            raise Fault(f"column '{header[n]}': {axis} of one landmark a second time")
        places[landmark][axis] = n
    for axes in places.values():
        if len(axes) == 1:
            ((axis, n),) = axes.items()
            other = "y" if axis == "x" else "x"
            raise Fault(f"column '{header[n]}': expected {other} of this landmark, too")
    return [(axes["x"], axes["y"]) for axes in places.values()]


def _word(name):
    return re.sub(r"[\W_]+|^unnamed\W*\d*$", "", name.lower())


def may_name_images(name):
    """Return whether the column of a name may hold the names of images."""
    return _word(name) in FILE | INDEX


def axis_in(name):
    """Return the match of an axis, "x" or "y", in a column's name (group "axis"), or None."""
    return AXIS_LAST.match(name) or AXIS_FIRST.match(name)


def ends_in_axis(name):
    """Return whether the last letter of a column's name is an axis, as in "eyeLX"."""
    return bool(LETTER_LAST.match(name))


def column_names(name, number):
    """Return the names of the columns of a landmark's x and y: from its own name if that can be
    recognised when the table is read, else from its number.
    """
    found = axis_in(name)
    if not name or not name.isprintable() or found and found["axis"] in "yY" or BOX.match(name):
        return f"x{number}", f"y{number}"
    if found is None:
        return f"{name}_x", f"{name}_y"
    first, last = found.span("axis")
    y = {"x": "y", "X": "Y"}[name[first:last]]
    return name, f"{name[:first]}{y}{name[last:]}"


def _axes(names):
    """Return {number: (landmark, axis)} of the columns {number: name} whose names have an axis."""
    matches = {n: match for n, name in names.items() if (match := axis_in(name))}
    letters = {n: LETTER_LAST.match(name) for n, name in names.items() if n not in matches}
    if all(letters.values()):  # eyeLX, eyeLY, not lynx, fox
        if 2 * sum(match["axis"] in "xX" for match in letters.values()) == len(letters):
            matches |= letters
    found = {}
    for n, match in matches.items():
        name, (first, last) = names[n].lower(), match.span("axis")
        found[n] = name[:first] + name[last:], name[first:last]
    return found
