"""misc/check_gpu.py on a pretend GPU: a sound one, a faulty one, and what it says of them."""

import json
from pathlib import Path

import pytest
import torch

from misc import check_gpu
from misc.gpu_checks import numbers, trainings
from misc.gpu_checks.findings import Findings
from tests.data_helpers.pretend_gpu import PretendGpu
from utils.checkpoint.find import checkpoint_name
from utils.checkpoint.save_and_load import save_checkpoint
from utils.cli import run_program


@pytest.fixture
def check(tmp_path, capsys, monkeypatch):
    """Return a function that runs the quick check; returns exit code, output and its file."""
    monkeypatch.setattr(numbers, "BACKBONES", {"SmallNet": numbers.BACKBONES["SmallNet"]})
    monkeypatch.setattr(numbers, "why_not_fused", lambda *args, **kwargs: "there is no Triton")

    def run():
        path = tmp_path / "found.json"
        with PretendGpu():
            code = run_program(lambda: check_gpu.main(
                ["--device", "0", "--quick", "--output", str(path)]))
        return code, capsys.readouterr().out, json.loads(path.read_text())

    return run


def test_a_sound_gpu(check):
    code, out, found = check()
    assert code == 0, out
    assert "FAIL" not in out and "not fused, 16-d: there is no Triton" in out
    assert out.splitlines()[-1].startswith("a pretend GPU, torch ") and ": is sound; " in out
    assert found["differences"] == [] and len(found["compared"]) > 20
    names = " ".join(found["compared"])
    for part in ("warp: grid", "augmentation", "SmallNet, bfloat16", "dve, chunked, 3-d, 5x5",
                 "regressor", "matching, cosine"):
        assert part in names


def test_a_faulty_gpu_is_named_with_what_differs(check, monkeypatch):
    right = numbers.match_landmarks
    monkeypatch.setattr(numbers, "match_landmarks",
                        lambda source, *rest: right(source, *rest) + 2 * source.is_cuda)
    code, out, found = check()
    assert code == 1 and found["differences"] == ["matching, published", "matching, cosine"]
    assert "FAIL matching, published: " in out and ": differs in 2 places; " in out


def test_what_cannot_be_computed_and_what_is_no_number_is_a_difference(capsys):
    findings = Findings("cpu", "a machine")
    findings.compare("first", lambda: 1 / 0, torch.ones(2), 1e-3)
    findings.compare("second", lambda: torch.full((2,), torch.nan), torch.ones(2), 1e-3)
    findings.compare("third", lambda: torch.ones(2), torch.ones(2), 0)
    assert findings.bad == ["first", "second"]
    assert "FAIL first: ZeroDivisionError: division by zero" in capsys.readouterr().out
    json.dumps(findings.content(), allow_nan=False)


def test_what_cannot_be_timed_is_a_difference(capsys):
    findings = Findings("cpu", "a machine")
    findings.time("loss, fused", lambda: 1 / 0, 3)
    assert findings.bad == ["loss, fused"] and findings.milliseconds == {}
    assert "FAIL loss, fused: ZeroDivisionError: division by zero" in capsys.readouterr().out


def test_the_file_is_written_whatever_fails(check, monkeypatch, tmp_path):
    def fail(*args):
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(numbers, "check_landmarks", fail)
    with pytest.raises(RuntimeError, match="no kernel image"):
        check()
    found = json.loads((tmp_path / "found.json").read_text())
    assert len(found["compared"]) > 10 and found["differences"] == ["all checks"]
    error = found["compared"]["all checks"]["error"]
    assert error == "ended early by RuntimeError: no kernel image"


def test_trainings_that_fail_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(trainings, "fast_precisions", lambda device: ["bfloat16"])
    findings, calls = Findings("cpu", "a machine"), []

    def run(*command):
        calls.append(command)
        return "error: no compiler" if "trainer.compile=true" in command else None

    trainings.check_trainings(findings, "0", tmp_path, run)
    assert findings.bad == ["training: trainer.compile=true"]
    assert findings.compared["training: trainer.compile=true"]["error"] == "error: no compiler"
    assert "training: trainer.precision=bfloat16" in findings.compared
    assert all(call[0] == "train.py" and "--device" in call for call in calls)


def test_a_training_that_ends_early_is_named(tmp_path):
    findings = Findings("cpu", "a machine")

    def run(program, *words):
        folder = Path(next(word for word in words if "save_dir" in str(word)).partition("=")[2])
        path = folder / "models" / "synthetic" / "now" / checkpoint_name(1)
        path.parent.mkdir(parents=True)
        save_checkpoint(path, {"state_dict": {}})
        return "error: the GPU is lost"

    trainings.check_trainings(findings, "0", tmp_path, run)
    assert "training: deterministic" in findings.bad
    assert "training: resumed" not in findings.compared


@pytest.mark.parametrize("change, expected", [(0, 0), (1, 1)])
def test_a_training_that_goes_on_otherwise_is_named(tmp_path, change, expected):
    """The runs write what ``train.py`` does: a resumed one, into the folder of the first."""
    findings = Findings("cpu", "a machine")

    def run(program, *words):
        words = list(map(str, words))
        place = next(word.partition("=")[2] for word in words if "save_dir" in word)
        folder = Path(place) / "models" / "synthetic" / "now"
        if "--resume" in words:
            folder = Path(words[words.index("--resume") + 1]).parent
        folder.mkdir(parents=True, exist_ok=True)
        for epoch in (1, 2):
            weight = torch.ones(2) + change * ("--resume" in words)
            save_checkpoint(folder / checkpoint_name(epoch), {"state_dict": {"weight": weight}})

    trainings.check_trainings(findings, "0", tmp_path, run)
    assert findings.bad == ["training: goes on exactly"] * expected


def test_it_takes_a_gpu(capsys):
    with pytest.raises(SystemExit) as error:
        check_gpu.main([])
    assert error.value.code == 2 and "expected a GPU, such as 0" in capsys.readouterr().err
