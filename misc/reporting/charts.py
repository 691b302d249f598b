"""The charts of a report: matplotlib figures as SVG, coloured by the page's style sheet."""

import io
import re
from functools import partial

import numpy as np
from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from trainer.figures import FIGURES

NUM_COLOURS = 8  # of runs
INK, QUIET, RULE = "#00000a", "#00000b", "#00000c"
VARIABLES = {INK: "var(--ink)", QUIET: "var(--quiet)", RULE: "var(--rule)"}  # of report.css
VARIABLES.update({f"#00000{n + 1}": f"var(--c{n})" for n in range(NUM_COLOURS)})
STYLE = {
    "svg.fonttype": "none", "font.size": 11, "font.sans-serif": ["DejaVu Sans"],
    "axes.axisbelow": True, "axes.grid": True, "axes.labelcolor": QUIET,
    **{f"axes.spines.{side}": False for side in ("left", "right", "top")},
    **dict.fromkeys(("axes.edgecolor", "grid.color", "xtick.color", "ytick.color"), RULE),
    **dict.fromkeys(("xtick.labelcolor", "ytick.labelcolor"), QUIET),
}
SIZE = 4.7, 2.9  # inches, at 11 points for text
METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # none
MOST_MARKS = 40  # epochs that are marked on a curve
LETTER_WIDTH = 11  # points
SHOWN_QUANTILE = 0.98  # of the errors that a distribution's axis reaches
NUM_BINS = 24
PERCENTS = (5, 25, 50, 75, 95)
PERCENT = FuncFormatter(lambda share, _: f"{100 * share:.3g} %")


def draw(title, says, x_title, plot):
    """Return (title, SVG) of a chart that ``plot(axes)`` fills.

    says: the text for screen readers, different for each chart of a page
    """
    with rc_context({**STYLE, "svg.hashsalt": says}):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        axes.set_xlabel(x_title)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        plot(axes)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=METADATA, transparent=True)
    return title, inline(file.getvalue(), says)


def inline(svg, says):
    """Return an SVG file of matplotlib as an element of a page: without style, namespaces and ids
    that nothing refers to; "svg.hashsalt" makes the other ids unique.
    """
    opening, body = re.search(r"<svg([^>]*)>(.*)", svg, re.DOTALL).groups()
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", body)
    body = re.sub("|".join(VARIABLES), lambda found: VARIABLES[found[0]], body)
    view = re.search(r'viewBox="[^"]*"', opening)[0]
    return Markup(f'<svg class="chart" role="img" aria-label="{escape(says)}" {view}>{body}')


def colour_of(run):
    """Return the colour to draw a run in."""
    return f"#00000{run.colour + 1}"


def names_of(runs):
    """Return the letters and names of the runs of a chart, for its description."""
    return ", ".join(f"{run.letter} {run.place.name}" for run in runs)


def curve(runs, name, second=None):
    """Return the chart of a value by epoch, and of a second one, dashed; each run's letter stands
    to the right of its line's end.
    """
    title = "Learning rate" if name == "lr" else name.removeprefix("val_").replace("_", " ")
    title = title[:1].upper() + title[1:]

    def plot(axes):
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        steps = "steps-mid" if name == "lr" else "default"
        for n, run in enumerate(runs):
            for key, dash in ((name, "-"), (second, "--")):
                points = [(e["epoch"], e[key]) for e in run.epochs if key in e]
                x, y = zip(*points) if points else ((), ())
                mark = "o" if len(x) <= MOST_MARKS else ""
                axes.plot(x, y, dash, color=colour_of(run), marker=mark, ms=3.5, drawstyle=steps)
                if key == name and points and len(runs) > 1:
                    offset = {"xytext": (6 + LETTER_WIDTH * n, 0), "textcoords": "offset points"}
                    look = {"color": colour_of(run), "weight": "bold", "va": "center"}
                    axes.annotate(run.letter, points[-1], **offset, **look)
        low, high = axes.dataLim.intervaly
        if name == "lr" and high > 10 * low > 0:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
        elif name == "lr":
            axes.set_ylim(0, 1.1 * high)

    return draw(title, f"{title} by epoch, of {names_of(runs)}", "epoch", plot)


def distributions(runs, name):
    """Yield the charts of a figure's errors: quantiles, a histogram, the cumulative share."""
    text = FIGURES[name]
    errors = [run.findings.errors[name].double().numpy() for run in runs]
    high = max(np.quantile(e, SHOWN_QUANTILE) for e in errors) or 1.0  # where all errors are 0
    for title, plot in (
        ("Spread", partial(_spread, runs, errors)),
        (f"Share of {text.of}", partial(_histogram, runs, errors, high)),
        (f"Share of {text.of} up to an error", partial(_cumulative, runs, errors, high)),
    ):
        says = f"{text.title}: {title.lower()}, of {names_of(runs)}"
        yield draw(title, says, f"error, {text.unit}", plot)


def _spread(runs, errors, axes):
    for n, (run, e) in enumerate(zip(runs, errors)):
        q05, q25, median, q75, q95 = np.percentile(e, PERCENTS)
        colour = colour_of(run)
        axes.hlines(n, q05, q95, color=colour, lw=1.5)
        axes.hlines(n, q25, q75, color=colour, lw=12, alpha=0.45)
        axes.plot(median, n, "|", color=INK, markersize=18, markeredgewidth=2)
        axes.plot(e.mean(), n, "o", color=colour, markersize=7, mew=1.75, mfc="none")
    axes.set_yticks(range(len(runs)), [run.letter for run in runs], weight="bold")
    for label, run in zip(axes.get_yticklabels(), runs):
        label.set_color(colour_of(run))
    axes.set(xlim=(0, None), ylim=(len(runs) - 0.5, -0.5))
    axes.grid(False, axis="y")


def _histogram(runs, errors, high, axes):
    for run, e in zip(runs, errors):
        colour, shares = colour_of(run), np.full(len(e), 1 / len(e))
        bins = {"bins": NUM_BINS, "range": (0, high), "weights": shares}
        for kind, alpha in (("step", 1), ("stepfilled", 0.12)):
            axes.hist(e.clip(max=high), **bins, color=colour, histtype=kind, alpha=alpha)
    axes.set_xlim(0, high)
    axes.yaxis.set_major_formatter(PERCENT)


def _cumulative(runs, errors, high, axes):
    for run, e in zip(runs, errors):
        shares = [*np.linspace(0, 1, len(e) + 1), 1]
        reach = [0, *np.sort(e), max(high, e.max())]
        axes.step(reach, shares, where="post", color=colour_of(run))
    axes.set(xlim=(0, high), ylim=(0, 1.02))
    axes.yaxis.set_major_formatter(PERCENT)
