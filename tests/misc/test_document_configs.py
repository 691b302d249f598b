"""The reference of all keys: as the code is now, complete, and written only where it differs."""

import json

import pytest

from misc.dev import document_configs
from misc.dev.document_configs import PAGE, argument_meanings, reference, split_docstring
from tests.data_helpers.tiny_runs import ROOT
from utils.cli import run_program
from utils.config.read import UNREAD_KEYS

CONFIGS = [path for path in (ROOT / "configs").rglob("*.json") if path.parent.name != "templates"]


def keys_of(value, name=""):
    """Yield the keys of nested objects; of ``optimizer`` and ``lr_scheduler``, torch's, the first
    alone.
    """
    for key, part in value.items():
        yield key
        if isinstance(part, dict) and key not in ("optimizer", "lr_scheduler"):
            yield from keys_of(part)


def test_the_page_is_as_the_code_is():
    assert PAGE.read_text() == reference(), "run python misc/dev/document_configs.py"


def test_every_key_has_a_type_and_a_meaning():
    rows = [line.split(" | ") for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    for key, kind, default, *meaning in rows:
        assert kind and default and " | ".join(meaning).strip(" |"), key


@pytest.mark.parametrize("path", CONFIGS[::7], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_key_of_the_configs_is_in_it(path):
    text, unread = reference(), {key.rpartition(".")[2] for key in UNREAD_KEYS}
    for key in set(keys_of(json.loads(path.read_text()))) - {"type", "args"} - unread:
        assert f"| `{key}` |" in text, key


DOCSTRING = """Does things.

    More of it: a note that is no entry.

    size: how large; at
        least 1.
    first, last: where it begins and ends.

    The end.
    """


def test_a_docstring_is_split_into_prose_and_meanings():
    prose, meanings = split_docstring(DOCSTRING, {"size", "first", "last", "more"})
    assert prose == "Does things.\n\nMore of it: a note that is no entry.\n\n\nThe end."
    assert meanings == {"size": "how large; at least 1", "first": "where it begins and ends",
                        "last": "where it begins and ends"}


def test_a_class_s_own_docstring_says_more_than_its_base_s():
    class Base:
        """width: of anything."""

    class Derived(Base):
        """width: of this."""

        def __init__(self, width: int):
            self.width = width

    assert argument_meanings(Derived) == {"width": "of this"}


def test_it_is_written_where_it_differs_and_checked_without(tmp_path, monkeypatch, capsys):
    path = tmp_path / "deep" / "page.md"

    def call(*options):
        monkeypatch.setattr("sys.argv", ["document_configs.py", "--output", str(path), *options])
        return run_program(document_configs.main)

    assert call("--check") == 2 and not path.exists()
    assert "out of date" in capsys.readouterr().err
    assert call() == 0 and path.read_text() == reference()
    assert call("--check") == 0
    path.write_text(path.read_text() + "more\n")
    assert call("--check") == 2
