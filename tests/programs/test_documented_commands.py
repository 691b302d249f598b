"""Every command in the README and the docs: known, parsed by its program, and run where that is
quick; links lead somewhere, and the files that pages name exist.
"""

import re

import pytest

from model import IntermediateKeypointPredictor, SmallNet
from model.keypoint_regressor import landmark_model
from tests.data_helpers.command_lines import PROGRAMS, main_of, parse
from tests.data_helpers.documents import (
    PAGES,
    PLACEHOLDER,
    Command,
    anchors,
    commands,
    links,
    named_paths,
)
from tests.data_helpers.tiny_runs import ROOT
from utils.checkpoint.save_and_load import save_checkpoint
from utils.cli import run_program
from utils.config.read import read_config

MODULES = ("pytest", "flake8", "isort")  # of `python -m`, beside misc.*
QUICK_OPTIONS = {"--list", "--check", "--dry_run"}  # of misc programs that only look, then
RUN_PROGRAMS = ("train.py", "test.py", "test_matching.py")
ALIKE = {"--mini_train", "--set", "--device"}  # options that make no other run of the small one
SMALL = ["--mini_train"]
for change in ("dataset.args.imwidth=32", "dataset.args.crop=4", "cache=off", "num_workers=0",
               "batch_size=4", "trainer.tensorboardX=false", "visualizations=[]"):
    SMALL += ["--set", change]
TO_DO = ("'{}' is no command that this test knows: add a check to CHECKS, "
         "or mark its block as text if it is no command")


def program_of(command):
    """Return (path of the project's program, its words), or None if the command runs none."""
    if command.words[0] == "torchrun":
        place = next(n for n, word in enumerate(command.words) if word in PROGRAMS)
        return command.words[place], list(command.words[place + 1:])
    if command.words[0] != "python":
        return None
    words = list(command.words[1:])
    if words[0] == "-m" and words[1].startswith("misc."):
        return words[1].replace(".", "/") + ".py", words[2:]
    return None if words[0] == "-m" else (words[0], words[1:])


def check_python(command):
    if program_of(command) is None:
        assert command.words[2] in MODULES, TO_DO.format(" ".join(command.words[:3]))
        return check_files(command)
    program, words = program_of(command)
    assert program in PROGRAMS, f"{program}: no program of the project"
    _, arguments = parse(program, words)
    config = getattr(arguments, "config", None)
    if config is not None and PLACEHOLDER not in config:
        read_config(ROOT / config, arguments.overrides)
    check_files(command)


def check_files(command):
    """Files that the command names in the project's own folders exist."""
    for word in command.words:
        named = re.match(r"(configs|misc|requirements|tests)/|[\w-]+\.(md|py)$", word)
        if named and PLACEHOLDER not in word:
            assert (ROOT / word).exists(), f"{word}: no such file"


def check_make(command):
    makefile = (ROOT / "Makefile").read_text()
    for target in (word for word in command.words[1:] if "=" not in word):
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), f"no target {target}"


CHECKS = {
    "python": check_python,
    "python3": check_files,
    ".": check_files,
    "torchrun": check_python,
    "make": check_make,
    "pip": check_files,
    "conda": check_files,
    "git": check_files,
    "cd": check_files,
    "tensorboard": check_files,
}


def name(command):
    return str(command).replace("/", ".")


@pytest.mark.parametrize("command", commands(), ids=name)
def test_a_command_is_known_and_right(command):
    assert command.words[0] in CHECKS, TO_DO.format(command.words[0])
    CHECKS[command.words[0]](command)


def runs_on_generated_faces():
    """The commands that train or test one of the configs that need no files, of alike ones one."""
    found = {}
    for command in commands():
        program, words = program_of(command) or (None, [])
        config = [word for word in words if word.startswith("configs/synthetic")]
        if program in RUN_PROGRAMS and config:
            options = {word for word in words if word.startswith("--")} - ALIKE
            found.setdefault((program, config[0], frozenset(options)), command)
    return list(found.values())


def looks():
    """The commands of programs in misc/ that only look at what is there, and that quickly."""
    return [command for command in commands() if (program_of(command) or " ")[0].startswith("misc/")
            and QUICK_OPTIONS & set(command.words)]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Paths of an embedding and of a landmark regressor on it, both with fresh weights."""
    folder = tmp_path_factory.mktemp("checkpoints")
    embedding = SmallNet(64, unit_length=True)
    regressor = landmark_model(embedding, IntermediateKeypointPredictor(64, 5, 50))
    for kind, model in (("embedding", embedding), ("regressor", regressor)):
        save_checkpoint(folder / f"{kind}.pth", {"epoch": 1, "state_dict": model.state_dict()})
    return folder


@pytest.mark.parametrize("command", runs_on_generated_faces(), ids=name)
def test_a_training_or_test_of_generated_faces_runs(
        command, call_program, checkpoints, tmp_path):
    program, words = program_of(command)
    if "--device" in words:
        place = words.index("--device")
        del words[place:place + 2]
    fits = "keypoints" in " ".join(words) and program != "train.py"
    checkpoint = checkpoints / ("regressor.pth" if fits else "embedding.pth")
    words = [str(checkpoint) if PLACEHOLDER in word else word for word in words]
    done = call_program(program, *words, *SMALL, "--set", f"trainer.save_dir={tmp_path}")
    assert (done.code, done.stderr) == (0, "")
    assert ("--dry_run" in words) == (not list(tmp_path.rglob("results.json")))


@pytest.mark.parametrize("command", looks(), ids=name)
def test_a_program_that_only_looks_runs(command, monkeypatch, capsys):
    program, words = program_of(command)
    monkeypatch.setattr("sys.argv", [program, *words])
    monkeypatch.chdir(ROOT)
    assert run_program(main_of(program)) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("words, complaint", [
    (["rm", "-r", "saved"], "'rm' is no command that this test knows: add a check to CHECKS"),
    (["python", "-m", "timeit"], "'python -m timeit' is no command that this test knows"),
    (["python", "train.py", "--confg", "a.json"], "--config"),
    (["python", "train.py", "--config", "configs/celeba/absent.json"], "absent.json"),
    (["python", "train.py", "--config", "configs/synthetic/smallnet-64d.json", "--set",
      "trainer.epoch=3"], "did you mean 'epochs'?"),
    (["python", "-m", "pytest", "tests/test_absent.py"], "tests/test_absent.py: no such file"),
    (["python", "misc/absent.py"], "misc/absent.py: no program"),
    (["make", "coffee"], "no target coffee"),
    (["pip", "install", "-r", "requirements/absent.txt"], "requirements/absent.txt: no such file"),
])
def test_a_wrong_command_is_noticed(words, complaint, capsys):
    with pytest.raises(BaseException) as caught:
        test_a_command_is_known_and_right(Command(ROOT / "README.md", tuple(words)))
    assert complaint in str(caught.value) + capsys.readouterr().err


def test_the_blocks_are_found():
    found = [" ".join(command.words) for command in commands()]
    assert "make demo" in found and "python misc/demo.py" in found
    assert any(PLACEHOLDER in line for line in found)
    assert not any("checkpoint-epochN" in line for line in found)  # of a tree, marked as text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    for link in links(page):
        target, _, anchor = link.partition("#")
        path = (page.parent / target) if target else page
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page):
    absent = [path for path in named_paths(page.read_text()) if not (ROOT / path).exists()]
    assert not absent


def test_names_of_files_are_found():
    text = "`model/loss.py`, `misc/dev/`; `python\nmisc/demo.py --quiet` (`absent.py`), `data/own`"
    text += " `results.json` `a/b.json`\n```\npython misc/absent.py\n```\n"
    text += "```mermaid\na --> b[\"loss: model/absent.py\"]\n```\n"
    assert named_paths(text) == [
        "model/absent.py", "model/loss.py", "misc/dev/", "misc/demo.py", "absent.py"]
