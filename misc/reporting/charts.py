"""Charts as SVG; colours are CSS variables, so that they suit a light and a dark page."""

from dataclasses import dataclass
from operator import itemgetter

from misc.reporting.axes import Axis
from misc.reporting.markup import join, tag

WIDTH, HEIGHT = 340, 214
LEFT, RIGHT, TOP, BOTTOM = 46, 322, 10, 172  # of the frame
LETTER_HEIGHT = 13
MOST_MARKS = 40  # points that still have a mark each, which tells its value
STRIP_WIDTH, STRIP_HEIGHT = 200, 20


@dataclass(frozen=True)
class Line:
    """Points (x, y) of a run, whose number gives the colour and whose letter stands at the end."""

    run: int
    letter: str
    points: list
    what: str = ""  # the line's meaning, for its marks
    dashed: bool = False  # a second line of its run, without a letter
    filled: bool = False  # down to 0; without marks and letter
    stepped: bool = False  # a value holds from half a step before its point to half a step after

    @property
    def outline(self):
        """The points to draw through."""
        if not self.stepped or len(self.points) < 2:
            return self.points
        xs, ys = zip(*self.points)
        between = [(left + right) / 2 for left, right in zip(xs, xs[1:])]
        sides = zip([xs[0], *between], [*between, xs[-1]], ys)
        return [point for left, right, y in sides for point in ((left, y), (right, y))]


def chart(lines, title, x_title, x_kind=None, y_kind=None, y_reach=()):
    """Draw lines.

    title: what a screen reader says; x_kind, y_kind: an ``Axis``'s; y_reach: what its values reach.
    """
    lines = [line for line in lines if line.points]
    xs, ys = ([p[i] for line in lines for p in line.points] for i in (0, 1))
    x_axis = Axis.over(xs, LEFT, RIGHT, **x_kind or {})
    y_axis = Axis.over([*ys, *y_reach], BOTTOM, TOP, **y_kind or {})
    letters = len({line.letter for line in lines}) > 1
    return tag(
        "svg",
        _frame(x_axis, y_axis, x_title),
        *(_line(line, x_axis, y_axis) for line in lines),
        _letters(lines, x_axis, y_axis) if letters else None,
        class_="chart",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=title,
    )


def _frame(x_axis, y_axis, x_title):
    """Draw grid lines, ticks and the horizontal axis' title; the other one's is the caption."""
    parts = []
    for x, text in x_axis.ticks():
        parts.append(tag("path", class_="grid", d=f"M{x:.1f} {TOP}V{BOTTOM}"))
        parts.append(tag("text", text, x=f"{x:.1f}", y=BOTTOM + 16, text_anchor="middle"))
    for y, text in y_axis.ticks():
        parts.append(tag("path", class_="grid", d=f"M{LEFT} {y:.1f}H{RIGHT}"))
        parts.append(tag("text", text, x=LEFT - 7, y=f"{y + 4:.1f}", text_anchor="end"))
    middle = (LEFT + RIGHT) / 2
    return join([*parts, tag("text", x_title, x=middle, y=HEIGHT - 6, text_anchor="middle")])


def _line(line, x_axis, y_axis):
    """Draw a line, the area below it if it is filled, and a mark for each of a few points."""
    corners = [f"{x_axis.place(x):.1f} {y_axis.place(y):.1f}" for x, y in line.outline]
    d = "M" + "L".join(corners)
    parts = [tag("path", class_="line dashed" if line.dashed else "line", d=d)]
    if line.filled:
        start = corners[0].partition(" ")[0]
        parts.insert(0, tag("path", class_="area", d=f"{d}V{BOTTOM}H{start}Z"))
    elif len(line.points) <= MOST_MARKS:
        parts += [_mark(line, x, y, x_axis, y_axis) for x, y in line.points]
    return tag("g", *parts, class_=f"run-{line.run}")


def _mark(line, x, y, x_axis, y_axis):
    says = f"{line.letter}, {line.what}: {y:.4g} at {x:g}"
    place = {"cx": f"{x_axis.place(x):.1f}", "cy": f"{y_axis.place(y):.1f}"}
    return tag("circle", tag("title", says), class_="mark", r=2.5, **place)


def _letters(lines, x_axis, y_axis):
    """Write each run's letter at the end of its line, side by side with no other letter."""
    ends = [(line, *line.points[-1]) for line in lines if not (line.dashed or line.filled)]
    ends = sorted(
        ((y_axis.place(y) + 4, x_axis.place(x), line) for line, x, y in ends), key=itemgetter(0)
    )
    parts = []
    for y, (_, x, line) in zip(_apart([end[0] for end in ends]), ends):
        place = {"x": f"{min(x + 5, WIDTH - 12):.1f}", "y": f"{y:.1f}"}
        parts.append(tag("text", line.letter, class_=f"letter run-{line.run}", **place))
    return join(parts)


def _apart(heights):
    """Move sorted heights apart by at least a letter's, downwards, then up off the bottom."""
    moved, free = [], 0
    for y in heights:
        moved.append(max(y, free))
        free = moved[-1] + LETTER_HEIGHT
    free = BOTTOM + 4
    for n in reversed(range(len(moved))):
        moved[n] = min(moved[n], free)
        free = moved[n] - LETTER_HEIGHT
    return moved


def strip(spread, high, run, title):
    """Draw the quantiles of ``spread`` from 0 to ``high``.

    A thin line from 5 to 95 %, a thick one from 25 to 75 %, the median across, the mean as a ring.
    """
    axis = Axis(0, high, 2, STRIP_WIDTH - 2)
    names = ("q05", "q25", "median", "q75", "q95", "mean")
    q05, q25, median, q75, q95, mean = (f"{axis.place(spread[name]):.1f}" for name in names)
    middle = STRIP_HEIGHT / 2
    return tag(
        "svg",
        tag("path", class_="whisker", d=f"M{q05} {middle}H{q95}"),
        tag("path", class_="box", d=f"M{q25} {middle}H{q75}"),
        tag("path", class_="median", d=f"M{median} 3V{STRIP_HEIGHT - 3}"),
        tag("circle", class_="mean", cx=mean, cy=middle, r=3),
        class_=f"strip run-{run}",
        viewBox=f"0 0 {STRIP_WIDTH} {STRIP_HEIGHT}",
        role="img",
        aria_label=title,
    )
