"""What train.py, test.py and test_matching.py share: help, empty configs, how they end."""

import pytest

from tests.data_helpers.run_contents import assert_one_clear_line
from utils.cli import run_program


def test_help_is_printed_by_all(capsys, call_program):
    for program in ("train.py", "test.py", "test_matching.py"):
        with pytest.raises(SystemExit) as end:
            call_program(program, "--help")
        assert end.value.code == 0
        assert "--config FILE" in capsys.readouterr().out


def test_a_config_file_that_is_empty(call_program, tmp_path):
    (tmp_path / "empty.json").write_text("")
    for program in ("train.py", "test.py", "test_matching.py"):
        resume = () if program == "train.py" else ("--resume", "a.pth")
        done = call_program(program, "--config", tmp_path / "empty.json", *resume)
        assert_one_clear_line(done, f"{tmp_path / 'empty.json'}: expected JSON, the file is empty")


def test_a_mistake_inside_the_code_keeps_its_traceback(monkeypatch):
    def broken():
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError):
        run_program(broken)


def test_an_interrupted_program_says_so(capsys):
    def interrupted():
        raise KeyboardInterrupt

    assert run_program(interrupted) == 130
    assert capsys.readouterr().err == "interrupted\n"
