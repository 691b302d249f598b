"""Write tables as Markdown, and fill their places in a README."""

import re
from collections import defaultdict

from misc.reproduction.protocol import EXPERIMENTS
from misc.reproduction.tables import BACKBONES, TABLES, our_figure, published_figure
from utils.errors import UserError

MARK = "*"
LABELS = {
    "Embedding dim": lambda model: str(model.dim),
    "Model": lambda model: BACKBONES[model.backbone],
    "DVE": lambda model: "yes" if model.dve else "no",
    "Params": lambda model: f"{EXPERIMENTS[f'celeba-{model.name}']['params']:,}",
}
OPENING = re.compile(r"<!-- table: (\S+) -->\s*")
CLOSING = re.compile(r"<!-- /table -->\s*")


def render(table, store):
    """Return a table with our figures beside the published ones, and the notes below it."""
    rows = [[*table.labels, *(title for c in table.columns for title in (c.title, "ours"))]]
    footnotes = defaultdict(set)  # deviation -> runs
    for model in table.models:
        row = [LABELS[label](model) for label in table.labels]
        for column in table.columns:
            experiment = column.experiment.format(model=model.name)
            ours = our_figure(store, experiment, column.figure)
            row += [_text(published_figure(experiment, column.figure)), _text(ours)]
            for deviation in ours.deviations if ours else ():
                footnotes[deviation].add(experiment)
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [f"| {' | '.join(map(str.ljust, row, widths))} |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    lines += ["", table.note]
    if footnotes:
        lines += ["", f"\\{MARK} Not the published protocol:", ""]
    for text, names in footnotes.items():
        runs = next(iter(names)) if len(names) == 1 else f"{len(names)} experiments"
        lines.append(f"- {text} ({runs})")
    return "\n".join(lines)


def document(names, store):
    """Return tables as Markdown, each below its title."""
    return "\n".join(f"### {TABLES[n].title}\n\n{render(TABLES[n], store)}\n" for n in names)


def _text(figure):
    if figure is None:
        return ""
    spread = "" if figure.std is None else f" ± {figure.std:.2f}"
    return f"{figure.mean:.2f}{spread}{MARK if figure.deviations else ''}"


def fill_markers(text, path, rendered):
    """Return a README's text with tables filled in, and the names of tables that have no place.

    rendered: {name: table}; a place lies between the lines ``<!-- table: NAME -->`` and
    ``<!-- /table -->``, and other tables' places stay as they are. Raises ``UserError``.
    """
    filled, absent, place = [], set(rendered), None
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        opening, closing = OPENING.fullmatch(line), CLOSING.fullmatch(line)
        if opening and place or closing and not place:
            raise UserError(f"{path}:{number}: '{line.strip()}' does not fit the marker before it")
        if opening:
            place = opening[1]
            if place not in TABLES:
                expected = ", ".join(TABLES)
                raise UserError(f"{path}:{number}: no table '{place}', expected one of {expected}")
        elif closing:
            if place in rendered:
                filled.append(f"\n{rendered[place]}\n\n")
            absent, place = absent - {place}, None
        if opening or closing or place not in rendered:
            filled.append(line)
    if place:
        raise UserError(f"{path}: no '<!-- /table -->' after '<!-- table: {place} -->'")
    return "".join(filled), sorted(absent)
