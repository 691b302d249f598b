"""Programs are started, never imported: what two of them need lies in a module of its own."""

import ast

import pytest

from tests.data_helpers.tiny_runs import ROOT

PACKAGES = ("base", "data_loader", "inference", "misc", "model", "trainer", "utils")
FILES = [*ROOT.glob("*.py"), *(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))]


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def is_program(tree):
    """Whether a file has the line ``if __name__ == "__main__":``."""
    tests = [node.test for node in tree.body if isinstance(node, ast.If)]
    return any(ast.unparse(test) == "__name__ == '__main__'" for test in tests)


def imported(tree):
    """The modules that a file imports anywhere, in functions too, and the names in packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute in this project"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def programs_imported(trees):
    """Return [(importer, program)] of {module: tree}."""
    programs = {module for module, tree in trees.items() if is_program(tree)}
    return [(module, name) for module, tree in trees.items()
            for name in imported(tree) if name in programs]


def test_no_file_of_the_project_imports_a_program():
    trees = {module_of(path): ast.parse(path.read_text()) for path in FILES}
    assert {"train", "misc.demo", "misc.dev.draw_method"} <= {
        module for module, tree in trees.items() if is_program(tree)}
    assert programs_imported(trees) == []


@pytest.mark.parametrize("text", [
    "import misc.demo", "from misc import demo", "from misc.demo import main",
    "def late():\n    from misc.demo import main",
])
def test_an_import_of_a_program_is_noticed(text):
    program = ast.parse("if __name__ == '__main__':\n    main()")
    trees = {"misc.demo": program, "utils.other": ast.parse(text)}
    assert ("utils.other", "misc.demo") in programs_imported(trees)
