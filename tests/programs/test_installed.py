"""The package ``dve`` as pip installs it, in an environment without the clone."""

import ast
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import inference
import setup
from tests.data_helpers.command_lines import PROGRAMS
from tests.data_helpers.stand_ins import ramp, save_both
from tests.data_helpers.tiny_runs import EMBEDDING, ENVIRONMENT, ROOT, write_tiny_config

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
OFFLINE = ["--no-index", "--no-build-isolation", "--no-deps"]


def call(words, folder, code=0):
    """Run a command in a folder; returns what it printed to stdout, or to stderr if it fails."""
    done = subprocess.run([*map(str, words)], cwd=folder, env=ENVIRONMENT, capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr if code else done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of this project, since pip builds a wheel in the folder itself."""
    path = tmp_path_factory.mktemp("clones") / "clone"
    shutil.copytree(ROOT, path, ignore=shutil.ignore_patterns(
        ".*", "__pycache__", "*.egg-info", "build", "data", "docs", "saved", "tests"))
    return path


@pytest.fixture(scope="module")
def wheel(clone):
    """The path of the wheel, built from the copy."""
    stale = clone / "build" / "lib" / "dve" / "utils" / "removed_since.py"
    stale.parent.mkdir(parents=True)
    stale.touch()
    call([*PIP, "wheel", *OFFLINE, "--wheel-dir", clone / "dist", clone], clone)
    (path,) = (clone / "dist").iterdir()
    return path


@pytest.fixture(scope="module")
def commands(wheel, tmp_path_factory):
    """The folder of commands of an environment with the wheel, and the packages it needs."""
    path = tmp_path_factory.mktemp("environments") / "env"
    venv.create(path, symlinks=True)
    call([*PIP, "--python", path / "bin" / "python", "install", *OFFLINE, wheel], path)
    (packages,) = path.glob("lib/python*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return path / "bin"


def test_imports_are_rewritten():
    source = '''"""python train.py; python misc/predict.py a.pth; python notes.txt"""
import sys
import inference
sys.path.insert(0, "x")
from utils.text import a
from model import b
from modelling import c
def f():
    from trainer.training import d
'''
    assert setup.as_installed(source) == '''"""dve train; dve predict a.pth; python notes.txt"""
import sys
from dve import inference
from dve.utils.text import a
from dve.model import b
from modelling import c
def f():
    from dve.trainer.training import d
'''


@pytest.mark.slow
def test_the_wheel_holds_one_package_with_imports_of_its_own(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        sources = {name: archive.read(name).decode() for name in names if name.endswith(".py")}
    assert {name.split("/")[0] for name in names} == {"dve", "dve-0.1.0.dist-info"}
    assert {"dve/configs/own/smallnet-64d-dve.json", "dve/misc/reporting/report.css"} <= set(names)
    assert not any("removed_since" in name or name.startswith("dve/misc/dev") for name in names)
    assert len(sources) > 100
    for name, source in sources.items():
        imported = {alias.name for node in ast.walk(ast.parse(source))
                    if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module for node in ast.walk(ast.parse(source))
                     if isinstance(node, ast.ImportFrom)}
        assert not {module.split(".")[0] for module in imported} & set(setup.FOLDERS), name
        assert "sys.path" not in source, name


@pytest.mark.slow
def test_a_script_uses_the_package_beside_modules_of_the_same_names(commands, tmp_path):
    embedding, _ = save_both(tmp_path)
    for name in setup.FOLDERS:
        (tmp_path / f"{name}.py").write_text("owner = 'the script'")
    (tmp_path / "script.py").write_text(f"""if True:
        import importlib, pkgutil, sys
        import dve
        assert "torch" not in sys.modules
        for module in pkgutil.walk_packages(dve.__path__, "dve."):
            if module.name not in ("dve.__main__", "dve.model.fused_kernels"):
                importlib.import_module(module.name)
        assert not set(sys.modules) & set({setup.FOLDERS})
        for name in {setup.FOLDERS}:
            assert importlib.import_module(name).owner == "the script"
        try:
            dve.load("absent.pth")
        except dve.UserError as error:
            assert "absent.pth" in str(error)
        model = dve.load("embedding.pth")
        assert isinstance(model, dve.Model) and model.__module__ == "dve.inference.model"
        import numpy
        print(model.embed(numpy.full((9, 7, 3), 50, numpy.uint8)).descriptors.sum().item())
    """)
    printed = call([commands / "python", "script.py"], tmp_path)
    expected = inference.load(embedding).embed(0 * ramp(7, 9) + 50).descriptors.sum().item()
    assert abs(float(printed) - expected) < 1e-3


@pytest.mark.slow
def test_the_command_trains_and_uses_what_it_trained(commands, landmark_folder, tmp_path):
    write_tiny_config(tmp_path / "tiny" / "embedding.json", EMBEDDING, landmark_folder, "saved")
    train = [commands / "dve", "train", "--config", "tiny/embedding.json", "--mini_train"]
    call(train, tmp_path)
    (run,) = tmp_path.glob("saved/models/tiny-embedding/*")
    log = (tmp_path / "saved" / "log" / run.relative_to(tmp_path / "saved" / "models") / "info.log")
    assert f"look at it: dve report {run.relative_to(tmp_path)}" in log.read_text()
    call([*train, "--device", "cpu,cpu"], tmp_path)
    assert len(list(tmp_path.glob("saved/models/tiny-embedding/*"))) == 2
    call([commands / "dve", "export", run, "--format", "torch", "--output", "a.pt2"], tmp_path)
    assert (tmp_path / "a.pt2").stat().st_size > 10_000


@pytest.mark.slow
def test_a_config_of_the_package_is_found_from_any_folder(commands, tmp_path):
    words = ["--config", "configs/synthetic/smallnet-64d-dve.json", "--dry_run"]
    for change in ("cache=off", "num_workers=0", "batch_size=4", "dataset.args.num_images=8"):
        words += ["--set", change]
    told = call([commands / "python", "-m", "dve", "train", *words], tmp_path)
    assert "SyntheticFaces: images of 56x56" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_command_names_its_programs_and_refuses_others(commands, tmp_path):
    told = call([commands / "dve", "--help"], tmp_path)
    offered = {line.split()[0] for line in told.splitlines() if line.startswith("    ")
               and not line.startswith("     ")} - {"PROGRAM", "dve"}
    left_out = {name.removeprefix("misc.") for name in setup.LEFT_OUT}
    assert offered == {Path(path).stem for path in PROGRAMS if "/dev/" not in path} - left_out
    for program in offered:
        assert f"usage: dve {program} " in call([commands / "dve", program, "--help"], tmp_path)
    assert "invalid choice: 'trian'" in call([commands / "dve", "trian"], tmp_path, code=2)
    assert "dve train: error: " in call([commands / "dve", "train", "--absent"], tmp_path, code=2)


@pytest.mark.slow
def test_an_editable_installation_is_refused(clone, commands):
    words = [*PIP, "--python", commands / "python", "install", *OFFLINE, "--editable", clone]
    assert "dve cannot be installed with -e" in call(words, clone, code=1)
