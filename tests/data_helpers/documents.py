"""The project's pages, and the commands in them."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.data_helpers.command_lines import join_lines, split_line
from tests.data_helpers.tiny_runs import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACEHOLDER = "PLACEHOLDER"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND_LANGUAGES = ("", "sh", "bash", "console")


@dataclass(frozen=True)
class Command:
    """A command of a page, in words; what stands in <angle brackets> is ``PLACEHOLDER``."""

    page: Path
    words: tuple

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}: {' '.join(self.words)}"


def commands():
    """Return the commands in the pages' blocks, each once."""
    found = {}
    for page in PAGES:
        for language, text in BLOCK.findall(page.read_text()):
            if language in COMMAND_LANGUAGES:
                for line in join_lines(text):
                    for words in _simple_commands(line):
                        found.setdefault(words, Command(page, words))
    return list(found.values())


def _simple_commands(line):
    """Yield the commands of a line, which && joins, in words."""
    words = split_line(re.sub(r"<[^<>]*>", PLACEHOLDER, line.removeprefix("$ ")))
    while words:
        end = words.index("&&") if "&&" in words else len(words)
        yield tuple(words[:end])
        words = words[end + 1:]


def links(page):
    """Return the targets of a page's links and pictures that lie in the repository."""
    targets = re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text()))
    return [target for target in targets if "://" not in target]


def named_paths(text):
    """Return the files and folders of the repository that a page names: what ends in .py in `code`
    and in blocks without commands, and in `code` what begins with one of the repository's folders.
    """
    pictures = [block for language, block in BLOCK.findall(text) if language in ("mermaid", "text")]
    spans = re.findall(r"`([^`]+)`", BLOCK.sub("", text))
    words = [word.strip(",;:()") for span in spans for word in span.split()]
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"data", "saved"}
    return re.findall(r"[\w./-]+\.py\b", " ".join(pictures)) + [
        word for word in words if re.fullmatch(r"[\w./-]+", word)
        and (word.endswith(".py") or "/" in word and word.split("/")[0] in folders)]


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}
