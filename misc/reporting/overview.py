"""The head of a report: which runs it is of, what is missing, how their configs differ."""

import json

from misc.reporting.blocks import badge, label, note, section
from misc.reporting.markup import join, tag
from utils.wording import counted

UNSET = "not set"
UNSET_CLASS = {UNSET: "unset"}


def runs_section(runs):
    """Return a card for each run."""
    return section("runs", "Runs", tag("div", *map(_card, runs), class_="cards"))


def _card(run):
    facts = [
        join([tag("dt", name), tag("dd", value)])
        for name, value in _facts(run)
        if value is not None
    ]
    return tag(
        "article",
        tag("h3", label(run)),
        tag("dl", *facts),
        _missing(run),
        class_="card",
    )


def _facts(run):
    log, config = run.place.log, run.config
    kinds = {None: None, False: "embedding", True: "landmark regressor"}
    origin = log.origin
    yield "Kind", kinds[run.is_landmark]
    yield "Run", "/".join(run.place.relative.parts[1:])
    yield "Network", config and _network(config.arch)
    yield "Loss", config and config.loss
    yield "Trained on", config and config.dataset["type"]
    yield "Began with", origin and f"the backbone of {origin.path}"
    yield "Training", _training(run)
    yield "Evaluated", _evaluated(run)
    yield "Checkpoint", run.checkpoint and run.checkpoint.name
    for name, (mean, std) in log.spread.items():
        yield f"{name}, over seeds", f"{mean:.2f} ± {std:.2f}"


def _network(arch):
    args = ", ".join(f"{name} {json.dumps(value)}" for name, value in arch["args"].items())
    return f"{arch['type']} ({args})" if args else arch["type"]


def _evaluated(run):
    found = run.findings
    return found and f"{counted(found.num_images, 'image')} of {found.data}"


def _training(run):
    if not run.epochs:
        return None
    parts = [counted(len(run.epochs), "epoch"), run.trained, run.place.log.device]
    return ", ".join(filter(None, parts))


def _missing(run):
    if not run.missing:
        return None
    items = [tag("li", text) for text in run.missing]
    return tag("div", tag("h4", "Missing"), tag("ul", *items), class_="missing")


def differences_section(runs):
    """Return a table of the keys whose values differ, and each config in full, folded away."""
    configured = [run for run in runs if run.place.config is not None]
    rows = differences([run.place.config for run in configured])
    parts = []
    if len(configured) > 1:
        parts.append(_table(configured, rows) if rows else tag("p", "The configs are the same."))
    for run in configured:
        text = json.dumps(run.place.config, indent=2)
        parts.append(tag("details", tag("summary", "Config of ", label(run)), tag("pre", text)))
    if not parts:
        parts = [note("No run has a config.json.")]
    title = "Configs: what differs" if len(configured) > 1 else "Config"
    return section("configs", title, *parts)


def _table(runs, rows):
    head = tag(
        "tr", tag("th", "Key", scope="col"), *(tag("th", badge(r), scope="col") for r in runs)
    )
    body = [
        tag(
            "tr",
            tag("th", key, scope="row"),
            *(
                tag("td", value, data_label=run.letter, class_=UNSET_CLASS.get(value))
                for run, value in zip(runs, values)
            ),
        )
        for key, values in rows
    ]
    return tag("table", tag("thead", head), tag("tbody", *body), class_="stacking configs")


def differences(configs):
    """Return [(key, [value as text, ...])] of the keys, dotted paths, whose values differ."""
    flat = [dict(_flatten(config)) for config in configs]
    keys = dict.fromkeys(key for config in flat for key in config)
    rows = [(key, [config.get(key, UNSET) for config in flat]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _flatten(config, prefix=""):
    """Yield (dotted path, value as text) of a nested dictionary; an empty one is a value."""
    for key, value in config.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            yield f"{prefix}{key}", text
