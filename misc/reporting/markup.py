"""HTML and SVG from Python calls: what is not markup already is escaped."""

from html import escape

VOID = ("br", "img", "meta")  # elements without an end


class Markup(str):
    """A text that is markup."""


def tag(name, /, *children, **attributes):
    """Return an element.

    Children may be text, markup, numbers or None (left out); so may attributes, whose names are
    written with hyphens for underscores, and without one at the end.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(parts):
    """Return parts one after another; None is left out."""
    return Markup(
        "".join(
            part if isinstance(part, Markup) else escape(str(part), quote=False)
            for part in parts
            if part is not None
        )
    )
