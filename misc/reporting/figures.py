"""The measured part of a report: training curves, figures with their spread, distributions."""

from misc.reporting.blocks import badge, legend, note, section, titled
from misc.reporting.charts import Line, chart, strip
from misc.reporting.markup import join, tag
from misc.reporting.spread import cumulative, histogram, shown_range, spread_of

FIGURES = {  # figure -> title, unit, what each error is of
    "same_identity_px": ("Same identity", "px of 70", "pairs"),
    "different_identity_px": ("Different identity", "px of 70", "pairs"),
    "same_identity_cosine_px": ("Same identity, cosine", "px of 70", "pairs"),
    "different_identity_cosine_px": ("Different identity, cosine", "px of 70", "pairs"),
    "inter_ocular_error_pct": ("Landmarks", "% of the eyes' distance", "images"),
}
KINDS = {False: "Embeddings", True: "Landmark regressors", None: "Runs without a config"}
SECOND = "val_loss"
UNCHARTED = ("epoch", SECOND, "images_per_s")  # any other value of an epoch has a chart


def training_section(runs):
    """Return the curves of all values of the epochs, embeddings and regressors apart."""
    parts = [_curves(kind, [run for run in runs if run.is_landmark is kind]) for kind in KINDS]
    parts = [part for part in parts if part] or [
        note("No run has an info.log that tells of an epoch.")
    ]
    return section("training", "Training", *parts)


def _curves(kind, runs):
    runs = [run for run in runs if run.epochs]
    if not runs:
        return None
    names = dict.fromkeys(name for run in runs for values in run.epochs for name in values)
    charts = [_value_chart(runs, name) for name in names if name not in UNCHARTED]
    key = note("Loss: a full line in training, a dashed one in validation.")
    return join([tag("h3", KINDS[kind]), legend(runs), tag("div", *charts, class_="charts"), key])


def _value_chart(runs, name):
    title = "learning rate" if name == "lr" else name.removeprefix("val_").replace("_", " ")
    lines = [_curve(run, name, stepped=name == "lr") for run in runs]
    if name == "loss":
        lines += [_curve(run, SECOND, dashed=True) for run in runs]
    log = name == "lr" and all(y > 0 for line in lines for _, y in line.points)
    says = f"{title} by epoch, of {_listed(runs)}"
    drawn = chart(lines, says, "epoch", {"whole": True}, {"log": log})
    return titled(title.capitalize(), drawn)


def _curve(run, name, **style):
    points = [(values["epoch"], values[name]) for values in run.epochs if name in values]
    return Line(run.colour, run.letter, points, what=name, **style)


def _listed(runs):
    return ", ".join(run.place.name for run in runs)


def figures_parts(runs, names):
    """Return tables and distributions of some of ``FIGURES``, of the runs that have them."""
    shown = {name: [run for run in runs if name in run.findings.errors] for name in names}
    shown = {name: having for name, having in shown.items() if having}
    rows = [row for name, having in shown.items() for row in _rows(name, having)]
    head = ["Error", "Run", "Mean", "Deviation", "Median", "5 to 95 %", "Spread", "results.json"]
    table = tag(
        "table",
        tag("thead", tag("tr", *(tag("th", text, scope="col") for text in head))),
        tag("tbody", *rows),
        class_="stacking errors",
    )
    charts = [part for name, having in shown.items() for part in _distributions(name, having)]
    return join([table, legend(runs), tag("div", *charts, class_="charts")])


def _rows(name, runs):
    title, unit, _ = FIGURES[name]
    spreads = [spread_of(run.findings.errors[name]) for run in runs]
    high = max(spread["q95"] for spread in spreads) or 1.0
    for run, spread in zip(runs, spreads):
        recorded = run.place.results.get(name)
        cells = {
            "Run": badge(run),
            "Mean": tag("strong", f"{spread['mean']:.2f}"),
            "Deviation": f"{spread['std']:.2f}",
            "Median": f"{spread['median']:.2f}",
            "5 to 95 %": f"{spread['q05']:.2f} to {spread['q95']:.2f}",
            "Spread": strip(spread, high, run.colour, f"{title}: spread of {run.letter}"),
            "results.json": f"{recorded:.2f}" if isinstance(recorded, (int, float)) else "none",
        }
        heading = tag("th", title, " ", tag("small", unit), scope="row")
        yield tag("tr", heading, *(tag("td", v, data_label=k) for k, v in cells.items()))


def _distributions(name, runs):
    """Return the histogram and the cumulative curve of a figure."""
    title, unit, items = FIGURES[name]
    errors = [run.findings.errors[name] for run in runs]
    high = shown_range(errors)
    for function, what, reach in (
        (histogram, "histogram", (0,)),
        (cumulative, "cumulative", (0, 1)),
    ):
        lines = [
            Line(run.colour, run.letter, function(of_run, high), filled=function is histogram)
            for run, of_run in zip(runs, errors)
        ]
        says = f"{title}: {what} of the error, share of {items}, of {_listed(runs)}"
        drawn = chart(lines, says, f"error, {unit}", y_kind={"shares": True}, y_reach=reach)
        yield titled(f"{title}: {what}", drawn)
