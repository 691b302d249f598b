"""The order of the packages in docs/architecture.md, and the way from main to the loss."""

import ast
import functools
import os
import traceback
from graphlib import TopologicalSorter

import pytest

import model
from tests.data_helpers.command_lines import PROGRAMS
from tests.data_helpers.tiny_runs import ROOT

PROGRAM = "programs"  # at the top of the repository and in misc/, with what they share there
FLOORS = [{"utils"}, {"base", "data_loader", "model"}, {"trainer"}, {"inference"}, {PROGRAM}]
HEIGHTS = {package: height for height, floor in enumerate(FLOORS) for package in floor}
MOST_FRAMES = 11


def module_names():
    """Return {name of a module: its file} of all that is no test."""
    paths = [path for path in ROOT.glob("*.py")]
    for folder in ("utils", "base", "data_loader", "model", "trainer", "inference", "misc"):
        paths += (ROOT / folder).rglob("*.py")
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}
    return {name.removesuffix(".__init__"): path for name, path in names.items()}


MODULES = module_names()


def package_of(module):
    first = module.split(".")[0]
    return first if first in HEIGHTS else PROGRAM


def imports_of(path):
    """Return the project's modules that a file names, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}, line {node.lineno}: a relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or {node.module}
    return found & MODULES.keys()


IMPORTS = {name: imports_of(path) for name, path in MODULES.items()}


def test_imports_are_found():
    assert "trainer.training" in IMPORTS["train"]
    assert "utils.geometry.coordinates" in IMPORTS["model.loss"]
    assert sum(map(len, IMPORTS.values())) > 300


@pytest.mark.parametrize("package", sorted(HEIGHTS))
def test_a_package_imports_from_lower_ones_only(package):
    wrong = [f"{module} imports {imported}" for module, names in IMPORTS.items()
             if package_of(module) == package for imported in names
             if package_of(imported) != package
             and HEIGHTS[package_of(imported)] >= HEIGHTS[package]]
    assert wrong == []


def test_the_models_know_nothing_but_tensors_and_geometry():
    allowed = ("model", "utils.geometry.", "utils.errors", "utils.transfer")
    wrong = [f"{module} imports {imported}" for module, names in IMPORTS.items()
             if package_of(module) == "model" for imported in names
             if not imported.startswith(allowed)]
    assert wrong == []


def test_no_imports_go_in_a_circle():
    TopologicalSorter(IMPORTS).prepare()  # raises CycleError, with the circle


def test_nothing_imports_a_program():
    programs = {path.removesuffix(".py").replace("/", ".") for path in PROGRAMS}
    wrong = [f"{module} imports {imported}" for module, names in IMPORTS.items()
             for imported in names & programs]
    assert len(programs) > 10 and wrong == []


def test_the_loss_is_a_few_calls_away_from_main(call_program, embedding_config, monkeypatch):
    """Counted among the project's own functions, ``main`` of train.py and the loss included."""
    name, stacks = "dense_correlation_loss_dve", []
    loss = model.DENSE_LOSSES[name]

    @functools.wraps(loss)
    def watched(*args, **kwargs):
        stacks.append(traceback.extract_stack()[:-1])
        return loss(*args, **kwargs)

    monkeypatch.setitem(model.DENSE_LOSSES, name, watched)
    assert call_program("train.py", "--config", embedding_config(), "--mini_train").code == 0
    files = {os.fspath(path) for path in MODULES.values()}
    frames = [f"{frame.filename}:{frame.name}" for frame in stacks[0] if frame.filename in files]
    below_main = frames[frames.index(f"{ROOT / 'train.py'}:main"):]
    assert len(below_main) + 1 <= MOST_FRAMES, below_main
