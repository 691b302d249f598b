"""What the campaigns found, as a table in docs/reliability.md."""

from dataclasses import dataclass, field

from misc.benchmarking.measuring import markdown_table
from tests.data_helpers.tiny_runs import ROOT
from utils.disk import write_atomically
from utils.errors import UserError

PAGE = ROOT / "docs" / "reliability.md"
OPENING, CLOSING = "<!-- faults -->\n", "<!-- /faults -->\n"
HEADER = ["fault", "how it is injected", "tried", "losses", "no clear message", "outcome"]


@dataclass(frozen=True)
class Row:
    """A fault, how often it was injected, and what came of it."""

    fault: str
    injected: str
    tried: str
    losses: int
    outcome: str
    messages: list = field(default_factory=list)  # those of what ended unclearly

    @property
    def unclear(self):
        """How many ended without a clear message."""
        return len(self.messages)

    @property
    def cells(self):
        counts = [str(self.losses), str(self.unclear)]
        return [self.fault, self.injected, self.tried, *counts, self.outcome]


def around_table(path):
    """Return what stands before and after a page's markers of the table."""
    try:
        text = path.read_text()
    except OSError as error:
        raise UserError(f"{path}: cannot read this page ({error.strerror})") from error
    if text.count(OPENING) != 1 or text.count(CLOSING) != 1:
        raise UserError(f"{path}: expected one line {OPENING.strip()} and one {CLOSING.strip()}")
    before, rest = text.split(OPENING)
    return before, rest.split(CLOSING)[1]


def fill_page(path, rows, when):
    """Write a table of rows between the page's markers; ``when``: date and machine."""
    before, after = around_table(path)
    table = markdown_table(HEADER, [row.cells for row in rows])
    filled = f"{before}{OPENING}\n{table}\n\n`make soak`, {when}.\n\n{CLOSING}{after}"
    write_atomically(path, lambda file: file.write(filled.encode()))
