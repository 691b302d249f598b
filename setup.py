"""Build the package ``dve`` from this folder, for pip; docs/architecture.md gives the reasons.

In the clone, modules are imported from its top: ``from utils.errors import UserError``. The wheel
holds the same folders below ``dve``, with these imports written as ``from dve.utils.errors``.
"""

import ast
import re
import shutil
import sys
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

FOLDERS = ("base", "data_loader", "inference", "misc", "model", "trainer", "utils")
PROGRAMS = ("train", "test", "test_matching")  # at the top of this folder
# What works on the clone itself: its documentation, its configs, its figures.
LEFT_OUT = ("misc.dev", "misc.installed", "misc.ablation", "misc.benchmark")
LEFT_OUT += ("misc.generate_configs", "misc.reproduce", "misc.results_table")
DATA = ["*.json", "*.css", "*.html", "*.js", "*.j2"]
TOP = "misc/installed"  # holds the package's __init__.py and __main__.py


def as_installed(source):
    """Return a module's source as it reads in ``dve``: imports of the project's folders begin with
    ``dve``, nothing is put on ``sys.path``, and commands in texts are those of ``dve``.
    """
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        text = lines[node.lineno - 1] if hasattr(node, "lineno") else ""
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in FOLDERS:
            lines[node.lineno - 1] = text.replace("from ", "from dve.", 1)
        elif isinstance(node, ast.Import) and node.names[0].name in FOLDERS:
            lines[node.lineno - 1] = text.replace("import ", "from dve import ", 1)
        elif isinstance(node, ast.Expr) and text.startswith("sys.path.insert("):
            lines[node.lineno - 1] = ""
    return re.sub(r"\bpython (?:misc/)?(\w+)\.py\b", r"dve \1", "".join(lines))


class BuildPackage(build_py):
    """Copies the modules, then rewrites them."""

    def run(self):
        if self.editable_mode:
            sys.exit("dve cannot be installed with -e: set PYTHONPATH to the clone instead")
        built = Path(self.build_lib, "dve")
        shutil.rmtree(built, ignore_errors=True)  # modules of an earlier build
        super().run()
        for path in built.rglob("*.py"):
            path.write_text(as_installed(path.read_text("utf-8")), "utf-8")

    def find_package_modules(self, package, package_dir):
        found = super().find_package_modules(package, package_dir)
        if package == "dve":
            found += [(package, program, f"{program}.py") for program in PROGRAMS]
        left_out = {name.removeprefix("misc.") for name in LEFT_OUT}
        return [part for part in found if part[0] != "dve.misc" or part[1] not in left_out]


def packages():
    """Return {name of a package of the wheel: its folder here}."""
    kept = [f"{folder}{below}" for folder in FOLDERS for below in ("", ".*")]
    found = set(find_packages(include=kept)) - set(LEFT_OUT)
    folders = {f"dve.{name}": name.replace(".", "/") for name in sorted(found)}
    return {"dve": TOP, "dve.configs": "configs", **folders}


if __name__ == "__main__":
    setup(
        packages=list(packages()),
        package_dir=packages(),
        package_data={"": DATA, "dve.configs": ["*/*.json"]},
        cmdclass={"build_py": BuildPackage},
    )
