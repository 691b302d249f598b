"""Progress bars: on a terminal only, and hidden on request."""

import io

import pytest

from utils.progress import bars_hidden, with_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream, hidden, shows", [
    (Terminal, False, True), (Terminal, True, False), (io.StringIO, False, False)])
def test_items_pass_and_bars_are_shown_on_terminals_unless_hidden(
        monkeypatch, stream, hidden, shows):
    written = stream()
    monkeypatch.setattr("sys.stderr", written)
    with bars_hidden(hidden):
        assert list(with_progress("abc", "letters", "letter")) == ["a", "b", "c"]
    assert ("letters" in written.getvalue()) == shows
