"""What all programs share: a help that teaches, two ways to start them, how much they say."""

import argparse
import os
import re
import runpy
import subprocess
import sys

import pytest

from tests.data_helpers.command_lines import PROGRAMS, join_lines, parse, split_line
from tests.data_helpers.tiny_runs import (
    ENVIRONMENT,
    ROOT,
    run_real_program,
    write_landmark_folder,
)
from utils.cli import run_program
from utils.config.read import read_config

ARGUMENTS = {  # the least that a program asks for
    "train.py": ["--config", "a.json"],
    "test.py": ["--config", "a.json", "--resume", "a.pth"],
    "test_matching.py": ["--config", "a.json", "--resume", "a.pth"],
    "misc/check_data.py": ["--config", "a.json"],
    "misc/export.py": ["a.pth", "--format", "torch", "--output", "a.pt2"],
    "misc/fetch_datasets.py": ["--dataset", "celeba"],
    "misc/fetch_models.py": ["--list"],
    "misc/dev/lower_bounds.py": ["requirements/pip-requirements.txt"],
    "misc/predict.py": ["a.pth", "photos", "--output", "found"],
    "misc/annotate.py": ["photos"],
    "misc/own.py": ["photos", "--names", "heel,toe,top"],
    "misc/dev/measure_annotating.py": ["a.pth", "photos"],
    "misc/dev/draw_fish.py": ["fish"],
    "misc/time_to_accuracy.py": ["a.json", "--below", "1"],
    "misc/report.py": ["saved/models/a/b"],
    "misc/reproduce.py": ["--table", "all"],
}
RUN_CONFIGS = ["train.py", "test.py", "test_matching.py", "misc/demo.py", "misc/ablation.py"]


@pytest.fixture(params=PROGRAMS)
def program(request):
    return request.param


@pytest.fixture
def parser(program):
    return parse(program, ARGUMENTS.get(program, []))[0]


def examples(parser):
    """Return the command lines in a program's description, in words."""
    lines = map(str.strip, join_lines(parser.description))
    return [split_line(line) for line in lines if line.startswith("python ")]


def test_the_help_says_what_it_is_how_it_is_used_and_how_it_ends(program, parser):
    text = parser.format_help()
    assert parser.description and parser.description in text
    assert examples(parser)
    assert "exit code: 0" in text and "130" in text and "143" in text


def test_every_example_is_one(program, parser, capsys):
    found = examples(parser)
    assert program in [name for _, name, *_ in found]
    for _, name, *words in found:
        parse(name, words)


def test_every_option_has_a_meaning_and_names_its_default(program, parser):
    for action in parser._actions:
        assert action.help, action.option_strings
        if action.option_strings and action.default not in (None, False, [], argparse.SUPPRESS):
            assert "default" in action.help, action.option_strings


def test_pages_and_headings_that_the_help_names_exist(program, parser):
    text = " ".join(parser.format_help().split())
    for page, _, title in re.findall(r"((?:docs/)?\w+\.md|README)(, '([^']+)')?", text):
        path = ROOT / (page if page.endswith(".md") else f"{page}.md")
        assert path.exists(), page
        headings = [line.lstrip("#").strip() for line in path.read_text().splitlines()
                    if line.startswith("#")]
        assert not title or title in headings, f"{page}: no heading '{title}'"


def test_a_file_and_a_module_start_alike(program, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [program, "--help"])
    starts = [(runpy.run_path, str(ROOT / program))]
    if program.startswith("misc/"):
        module = program.removesuffix(".py").replace("/", ".")
        monkeypatch.delitem(sys.modules, module, raising=False)  # it is to run as if for once
        starts.append((runpy.run_module, module))
    for start, name in starts:
        with pytest.raises(SystemExit) as end:
            start(name, run_name="__main__")
        assert end.value.code == 0
        assert "exit code: 0" in capsys.readouterr().out


PATHS = {"FILE", "FOLDER", "PATH", "MODEL", "IMAGES", "IMAGE", "RUN", "X,Y", "URL",
         "LIST"}  # metavars


def test_every_path_takes_the_home_folder_and_is_not_empty(program, parser, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    for action in parser._actions:
        if action.metavar in PATHS or action.dest in ("folder", "output", "config", "save_dir"):
            assert str(action.type("~/a b")) == "/home/somebody/a b", action.dest
            assert str(action.type("a/~")) == "a/~"
            with pytest.raises(argparse.ArgumentTypeError, match="no such user has a home"):
                action.type("~nobody-of-this-name/a")
            with pytest.raises(argparse.ArgumentTypeError, match="^'', expected a path"):
                action.type("")


def test_short_options_are_those_of_the_original(program, parser):
    short = {"--config": "-c", "--resume": "-r", "--device": "-d"}
    for action in parser._actions:
        for option in short.keys() & set(action.option_strings):
            assert short[option] in action.option_strings


def test_a_mistake_is_reported_in_one_line(capsys):
    with pytest.raises(SystemExit) as end:
        parse("misc/predict.py", ["a.pth", "", "--output", "found"])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "predict.py: error: argument IMAGES: '', expected a path (is a variable of the shell "
        "unset?) (--help shows all)\n")


@pytest.mark.parametrize("text, names", [
    ("0", "0"), ("cuda", "0"), ("cuda:2", "2"), ("cuda:0,cuda:1", "0,1"), ("1,cuda:0", "1,0"),
    ("cpu", "cpu"), ("cpu,cpu", "cpu,cpu"), ("mps", "mps"), ("xpu", "xpu"), ("", ""),
])
def test_names_of_devices(text, names):
    assert parse("train.py", ["-c", "a.json", "-d", text])[1].device == names


@pytest.mark.parametrize("text", ["-1", "gpu", "0,", "cuda:", "cuda:x", "CPU", "0 1", "\u0661"])
def test_names_of_no_device(text, capsys):
    with pytest.raises(SystemExit) as end:
        parse("train.py", ["-c", "a.json", f"--device={text}"])
    assert end.value.code == 2
    assert f"argument -d/--device: '{text}', expected the number of a GPU" in (
        capsys.readouterr().err)


@pytest.mark.parametrize("program", RUN_CONFIGS)
def test_quiet_and_verbose_set_the_verbosity(program, embedding_config, capsys):
    words = ARGUMENTS.get(program, [])
    for option, level in (("--quiet", 0), ("--verbose", 2)):
        _, arguments = parse(program, [*words, option, "--set", "batch_size=3"])
        config = read_config(embedding_config(trainer={"epochs": 3, "verbosity": 1}),
                             arguments.overrides)
        assert (config.trainer.verbosity, config.batch_size) == (level, 3)
    with pytest.raises(SystemExit) as end:
        parse(program, [*words, "--quiet", "--verbose"])
    assert end.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_a_quiet_training_says_nothing_and_logs_everything(
        call_program, embedding_config, tmp_path):
    root = write_landmark_folder(tmp_path / "faces", 8, 20)  # fewer for the test are a warning
    config = embedding_config(root)
    done = call_program("train.py", "--config", config, "--set", "trainer.epochs=2", "--quiet")
    assert done == type(done)(0, "", "")
    (log,) = (tmp_path / "saved").rglob("info.log")
    assert "Mean Pixel Error (same-identity)" in log.read_text()


def test_a_log_in_a_pipe_has_a_line_for_each_epoch_and_no_bars(trained_embedding):
    printed = trained_embedding.finished.stdout + trained_embedding.finished.stderr
    assert "\r" not in printed and "\x1b" not in printed and "it/s" not in printed
    times = [line for line in printed.splitlines() if line.startswith("    time ")]
    assert len(times) == 3
    assert all(" left" in line for line in times) and times[-1].endswith(", 00:00 left")


def test_a_mistake_on_the_command_line_is_exit_code_2():
    done = run_real_program("misc/results_table.py", "--table", "nothing")
    assert done.code == 2 and "invalid choice: 'nothing'" in done.stderr


def run_unread(*words, stderr=subprocess.PIPE, **environment):
    """Run a program whose output nobody reads; returns exit code and what it says on stderr."""
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen([sys.executable, *map(str, words)], cwd=ROOT, stdout=writing,
                               stderr=writing if stderr is None else stderr,
                               env={**ENVIRONMENT, **environment}, text=True)
    os.close(writing)
    _, told = process.communicate(timeout=300)
    return process.returncode, told


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_program_whose_output_nobody_reads_ends_quietly(unbuffered):
    words = "misc/fetch_models.py", "--list"
    assert run_unread(*words, PYTHONUNBUFFERED=unbuffered) == (141, "")
    assert run_unread(*words, PYTHONUNBUFFERED=unbuffered, stderr=None) == (141, None)


def test_a_help_and_a_mistake_that_nobody_reads():
    assert run_unread("misc/fetch_models.py", "--help", PYTHONUNBUFFERED="") == (141, "")
    assert run_unread("misc/report.py", "absent", stderr=None) == (141, None)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_training_goes_on_when_nobody_reads_its_lines(embedding_config, tmp_path, unbuffered):
    done = run_unread("train.py", "--config", embedding_config(), "--mini_train",
                      PYTHONUNBUFFERED=unbuffered)
    assert done == (0, "")
    (log,) = (tmp_path / "saved").rglob("info.log")
    assert "Mean Pixel Error (same-identity)" in log.read_text()
    assert list((tmp_path / "saved").rglob("results.json"))


def test_a_pipe_that_breaks_elsewhere_is_no_end_of_the_output():
    def broken():
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        run_program(broken)
