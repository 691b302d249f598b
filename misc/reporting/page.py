"""The page as a whole: one HTML file that needs nothing else."""

from pathlib import Path

from misc.reporting.blocks import note
from misc.reporting.figures import training_section
from misc.reporting.galleries import (
    colours_section,
    dense_section,
    landmarks_section,
    matching_section,
)
from misc.reporting.markup import Markup, join, tag
from misc.reporting.overview import differences_section, runs_section

STYLE = Path(__file__).with_name("report.css")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # nothing from outside
NAVIGATION = {
    "runs": "Runs",
    "configs": "Configs",
    "training": "Training",
    "matching": "Matching",
    "dense": "Dense correspondence",
    "colours": "Colours",
    "landmarks": "Landmarks",
}


def render(runs, made):
    """Return the page of examined runs; made: when and where, in words."""
    seen = [run for run in runs if run.findings is not None]
    sections = {
        "runs": runs_section(runs),
        "configs": differences_section(runs),
        "training": training_section(runs),
        "matching": matching_section(seen),
        "dense": dense_section(seen),
        "colours": colours_section(seen),
        "landmarks": landmarks_section(seen),
    }
    sections = {name: section for name, section in sections.items() if section is not None}
    title = runs[0].place.name if len(runs) == 1 else f"{len(runs)} runs compared"
    links = [tag("a", NAVIGATION[name], href=f"#{name}") for name in sections]
    header = tag("header", tag("h1", title), note(made), tag("nav", *links))
    body = tag("body", header, tag("main", *sections.values()))
    return Markup("<!DOCTYPE html>\n") + tag("html", _head(title), body, lang="en")


def _head(title):
    policy = {"http_equiv": "Content-Security-Policy", "content": POLICY}
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", **policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", join([title, " · report"])),
        tag("style", Markup(STYLE.read_text(encoding="utf-8"))),
    )
