"""Render the report page: prepare the values that its template, report.html.j2, needs."""

import json
from itertools import chain
from pathlib import Path

import jinja2
import numpy as np

from misc.reporting.charts import curve, distributions
from misc.reporting.findings import place_chart
from misc.reporting.pictures import photo
from trainer.figures import FIGURES, LANDMARK_PIXELS, LANDMARKS, MATCHING
from utils.config.read import flatten
from utils.text import counted

KINDS = {False: "Embeddings", True: "Landmark regressors", None: "Runs without a config"}
KIND = {False: "embedding", True: "landmark regressor", None: None}
UNCHARTED = ("epoch", "val_loss", "images_per_s")  # values of an epoch without a chart of their own
UNSET = "not set"
ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(runs, made):
    """Return the page of evaluated runs; made: date and machine, for its head."""
    configured = [run for run in runs if run.place.config is not None]
    return ENVIRONMENT.get_template("report.html.j2").render(
        title=runs[0].place.name if len(runs) == 1 else f"{len(runs)} runs compared",
        made=made,
        runs=[(run, facts(run)) for run in runs],
        configured=configured,
        configs=[json.dumps(run.place.config, indent=2) for run in configured],
        differences=differences([run.place.config for run in configured]),
        unset=UNSET,
        training=list(filter(None, (training(runs, kind) for kind in KINDS))),
        matching=shown(runs, "matches-same-first", MATCHING),
        dense=shown(runs, "dense-same"),
        colours=shown(runs, "colours"),
        landmarks=shown(runs, "landmarks", [LANDMARKS, LANDMARK_PIXELS]),
        places=photo(place_chart((32, 32))[0], "A square with a different colour at each place"),
    )


def facts(run):
    """Return the lines of a run's card, {name: text}."""
    log, found, config = run.place.log, run.findings, run.config
    training = counted(len(run.epochs), "epoch"), run.trained, log.device
    lines = {
        "Kind": KIND[run.is_landmark],
        "Run": "/".join(run.place.relative.parts[1:]),
        "Network": config and _network(config.arch),
        "Loss": config and config.loss,
        "Trained on": config and config.dataset["type"],
        "Began with": log.origin and f"the backbone of {log.origin.path}",
        "Training": ", ".join(filter(None, training)) if run.epochs else None,
        "Evaluated": found and f"{counted(found.num_images, 'image')} of {found.data}",
        "Checkpoint": run.checkpoint and run.checkpoint.name,
    }
    for name, (mean, std) in log.spread.items():
        lines[f"{name}, over seeds"] = f"{mean:.2f} ± {std:.2f}"
    return {name: text for name, text in lines.items() if text is not None}


def _network(arch):
    args = ", ".join(f"{name} {json.dumps(value)}" for name, value in arch["args"].items())
    return f"{arch['type']} ({args})" if args else arch["type"]


def differences(configs):
    """Return {dotted key: [value of each config as text]} of the keys whose values differ."""
    flat = [flatten(config) for config in configs]
    rows = {
        key: [value if isinstance(value, str) else json.dumps(value) for value in values]
        for key in dict.fromkeys(chain(*flat))
        for values in [[config.get(key, UNSET) for config in flat]]
    }
    return {key: values for key, values in rows.items() if len(set(values)) > 1}


def training(runs, kind):
    """Return heading, runs, names and charts of the training of a kind, None without any."""
    runs = [run for run in runs if run.is_landmark is kind and run.epochs]
    if not runs:
        return None
    names = dict.fromkeys(name for run in runs for values in run.epochs for name in values)
    second = {"loss": "val_loss"}
    charts = [curve(runs, name, second.get(name)) for name in names if name not in UNCHARTED]
    return {"heading": KINDS[kind], "runs": runs, "names": list(names), "charts": charts}


def shown(runs, kind, figures=()):
    """Return the runs that have pictures of a kind, and their errors, None without any."""
    runs = [run for run in runs if run.findings is not None and kind in run.findings.pictures]
    having = {name: [r for r in runs if name in r.findings.errors] for name in figures}
    measured = [
        (FIGURES[name], [(run, summary(run, name)) for run in of], list(distributions(of, name)))
        for name, of in having.items()
        if of
    ]
    return {"runs": runs, "measured": measured} if runs else None


def summary(run, name):
    """Return the columns of a figure's row in the table of errors, {title: text}."""
    errors = run.findings.errors[name].double().numpy()
    low, median, high = np.percentile(errors, (5, 50, 95))
    recorded = run.place.results.get(name)
    return {
        "Mean": f"{errors.mean():.2f}",
        "Deviation": f"{errors.std():.2f}",
        "Median": f"{median:.2f}",
        "5 to 95 %": f"{low:.2f} to {high:.2f}",
        "results.json": "none" if recorded is None else f"{recorded:.2f}",
    }
