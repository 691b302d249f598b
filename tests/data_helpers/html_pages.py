"""HTML read back as a tree."""

from html.parser import HTMLParser
from xml.etree import ElementTree

VOID = ("br", "img", "meta")


class _TreeBuilder(HTMLParser):
    def __init__(self):
        super().__init__()
        self.builder, self.open = ElementTree.TreeBuilder(), []

    def handle_starttag(self, tag, attrs):
        self.builder.start(tag, dict(attrs))
        self.open.append(tag)
        if tag in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> has no beginning"
        self.builder.end(tag)

    def handle_data(self, data):
        if self.open:
            self.builder.data(data)


def read_html(text):
    """Return the root element; fails where elements do not nest. Names are in lower case."""
    parser = _TreeBuilder()
    parser.feed(text)
    parser.close()
    assert not parser.open, f"{parser.open} have no end"
    return parser.builder.close()


def text_of(element):
    """Return the words of an element and all in it."""
    return " ".join(" ".join(element.itertext()).split())


def with_class(root, name):
    """Return the elements of a class, in order."""
    return [element for element in root.iter() if name in element.get("class", "").split()]


def with_id(root, name):
    """Return the element of an id, None if there is none."""
    return next((element for element in root.iter() if element.get("id") == name), None)
