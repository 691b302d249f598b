"""What the sections of a report are built from."""

from misc.reporting.markup import join, tag


def section(name, title, *parts):
    """Return a section, which ``#name`` links to."""
    return tag("section", tag("h2", title), *parts, id=name)


def note(text):
    """Return an explanation."""
    return tag("p", text, class_="note")


def badge(run):
    """Return a run's letter in its colour."""
    return tag("span", run.letter, class_=f"badge run-{run.colour}")


def label(run):
    """Return a run's letter and name."""
    return tag("span", badge(run), " ", run.place.name, class_="label")


def legend(runs):
    """Return the names of several runs beside their letters; of a single one, nothing."""
    if len(runs) < 2:
        return None
    return tag("ul", *(tag("li", label(run)) for run in runs), class_="legend")


def titled(title, content):
    """Return a figure with its title above it."""
    return tag("figure", tag("figcaption", title), content)


def captioned(content, caption):
    """Return a figure with its caption below it."""
    return tag("figure", content, tag("figcaption", caption))


def galleries(runs, draw):
    """Return the pictures that ``draw(run)`` yields of each run, below its name where there are
    several runs.
    """
    parts = []
    for run in runs:
        parts.append(tag("p", label(run), class_="of-run") if len(runs) > 1 else None)
        parts.append(tag("div", *draw(run), class_="gallery"))
    return join(parts)
