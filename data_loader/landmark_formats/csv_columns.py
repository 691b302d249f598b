"""What the columns of a csv of landmarks are, by their names."""

import re
from typing import NamedTuple

FILE = {"file", "filename", "filepath", "fname", "image", "imagename", "imagefile", "imagepath"}
FILE |= {"imagefilename", "img", "imgname", "imgfile", "imgpath", "path", "name"}
INDEX = {"", "index", "id", "imageid", "imgid"}  # of the image, where no column of FILE is
SPLIT = {"split", "set", "subset"}
PASSED_OVER = {"class", "classname", "label", "category", "comment", "comments", "note", "notes"}
PASSED_OVER |= {"date", "time", "timestamp", "url", "license", "annotator"}
SIZE = re.compile(
    r"(?:image|img|im|picture|pic|photo|original|orig)?(width|height|w|h)(?:px|pixels)?"
)
AXIS_LAST = re.compile(r"(?:.*[^a-z])?(?P<axis>[xy])[\W_]*\d*$", re.IGNORECASE)  # eye_x, x, eye_x1
AXIS_FIRST = re.compile(r"(?P<axis>[xy])[\W\d_].*$", re.IGNORECASE)  # x1, x_eye
LETTER_LAST = re.compile(r".*(?P<axis>[xy])\d*$", re.IGNORECASE)  # eyeLX, lx; if all columns are so
BOX = re.compile(r"[xy]?(?:min|max)[xy]?|bbox.*|box[xywh]?")  # even where an axis is in the name
UNCLEAR = re.compile(  # what may stand beside landmarks, and is none
    r"[xy]?(?:left|top|right|bottom|center|centre)|rows?|cols?|columns?|size|area|depth|channels|"
    r"scale|angle|rotation|age|score|confidence|visible|visibility|z|.*(?:width|height)"
)
SIZED = re.compile(  # what an axis in the name of a column may be of, other than a landmark
    r"(?:im|img|image|pic|picture|photo|orig|original)?"
    r"(?:sizes?|dims?|dimensions?|res|resolution|shape|offset|scale|crop)"
)
ROW_COLUMN = re.compile(r"(?:.*[^a-z])?(?:rows?|cols?|columns?)(?:[^a-z].*)?", re.IGNORECASE)
CORNERS = {"x", "y", "left", "top", "cx", "cy", "xcenter", "ycenter", "centerx", "centery"}


class Columns(NamedTuple):
    """The numbers of the columns; None for one that is not there."""

    file: int
    split: int | None
    size: tuple | None  # of the image's width and height
    points: list  # (x, y) of each landmark
    passed_over: list


def columns_of(header, empty):
    """Return the ``Columns`` of a header, a list of names.

    empty: the numbers of the columns whose cells are all empty or count the rows.
    Raises ``ValueError`` for a header that may mean several things.
    """
    words = [re.sub(r"[\W_]+|^unnamed\W*\d*$", "", name.lower()) for name in header]
    file = _only({n for n, word in enumerate(words) if word in FILE}, header, "the image")
    if file is None:
        indices = {n for n, word in enumerate(words) if word in INDEX and (word or n not in empty)}
        file = _only(indices, header, "the image")
    if file is None:
        raise ValueError(
            f"expected a header with a column 'file', found {', '.join(header[:4])!r}"
        )
    split = _only({n for n, word in enumerate(words) if word in SPLIT}, header, "the split")
    sizes = {side: _size_columns(side, words, header) for side in "wh"}
    taken = {file, split, *sizes.values()}
    _refuse_boxes(words, header)
    others = [n for n in range(len(header)) if n not in taken]
    passed_over = [n for n in others if words[n] in PASSED_OVER | INDEX]
    passed_over = [n for n in passed_over if words[n] or n in empty]
    points = _pair_up([n for n in others if n not in passed_over], header)
    size = None if None in sizes.values() else (sizes["w"], sizes["h"])
    return Columns(file, split, size, points, passed_over)


def _only(numbers, header, what):
    if len(numbers) > 1:
        names = " and ".join(f"'{header[n]}'" for n in sorted(numbers))
        raise ValueError(f"columns {names}: expected one that names {what}")
    return next(iter(numbers), None)


def _size_columns(side, words, header):
    told = [SIZE.fullmatch(word) for word in words]
    numbers = {n for n, match in enumerate(told) if match and match[1][0] == side}
    return _only(numbers, header, "the image's width" if side == "w" else "the image's height")


def _refuse_boxes(words, header):
    """Raise ``ValueError`` for columns that are a box, such as xmin, or x, y, w, h in turn."""
    names = [name for word, name in zip(words, header) if BOX.fullmatch(word)]
    for n, word in enumerate(words[2:-1], start=2):
        if word in ("w", "width") and {words[n - 2], words[n - 1]} <= CORNERS:
            names.append(header[n])
    if names:
        raise ValueError(f"column '{names[0]}' belongs to a box, which is no landmark: remove it")


def _pair_up(numbers, header):
    """Return the columns (x, y) of each landmark: by their names, or, where these tell nothing, in
    turn.
    """
    told = _axes({n: header[n] for n in numbers})
    unclear = [n for n in numbers if n not in told]
    odd = [n for n in told if SIZED.fullmatch(re.sub(r"[\W_]+", "", told[n][0]))]
    odd += [n for n in unclear if UNCLEAR.fullmatch(re.sub(r"[\W_]+", "", header[n].lower()))]
    odd += [n for n in unclear if ROW_COLUMN.fullmatch(header[n])]
    odd = odd or [n for n in unclear if not header[n] or told]
    if odd:
        name = f"column '{header[odd[0]]}'" if header[odd[0]] else f"column {odd[0] + 1}, unnamed,"
        raise ValueError(f"{name} is neither x nor y of a landmark: name it so, or remove it")
    if not numbers or len(numbers) % 2 and not told:
        raise ValueError(f"{len(numbers)} coordinate columns, expected x and y for each landmark")
    pairs = list(zip(numbers[::2], numbers[1::2]))
    axes = [told[x] + told[y] for x, y in pairs if told]
    in_turn = all(of == (of[0], "x", of[0], "y") for of in axes)
    if in_turn and len(numbers) % 2 == 0:
        return pairs
    places = {}
    for n in numbers:
        landmark, axis = told[n]
        if axis in places.setdefault(landmark, {}):
            raise ValueError(f"column '{header[n]}': {axis} of one landmark a second time")
        places[landmark][axis] = n
    for axes in places.values():
        if len(axes) == 1:
            ((axis, n),) = axes.items()
            other = "y" if axis == "x" else "x"
            raise ValueError(f"column '{header[n]}': expected {other} of this landmark, too")
    return [(axes["x"], axes["y"]) for axes in places.values()]


def axis_in(name):
    """Return the match of "x" or "y", its group "axis", in the name of a column; None: no such."""
    return AXIS_LAST.match(name) or AXIS_FIRST.match(name)


def _axes(names):
    """Return {column: (landmark, axis)} of the columns {number: name} whose names tell both."""
    told = {n: match for n, match in ((n, axis_in(name)) for n, name in names.items()) if match}
    letters = {n: LETTER_LAST.match(name) for n, name in names.items() if n not in told}
    if all(letters.values()):  # eyeLX, eyeLY, not lynx, fox
        if 2 * sum(match["axis"] in "xX" for match in letters.values()) == len(letters):
            told |= letters
    return {n: _landmark_and_axis(names[n].lower(), match) for n, match in told.items()}


def _landmark_and_axis(name, match):
    first, last = match.span("axis")
    return name[:first] + name[last:], name[first:last]
