"""The benchmark: that its baseline computes the same, what it measures, what it writes."""

import json
import time
from dataclasses import replace
from functools import partial
from subprocess import CalledProcessError
from unittest.mock import Mock

import pytest
import torch

from misc import benchmark
from misc.benchmarking import kernels, lists, pairs, report, step
from misc.benchmarking.literal_loss import literal_loss
from misc.benchmarking.subject import Subject
from model import DENSE_LOSSES
from utils.cli import run_program

CPU = torch.device("cpu")


@pytest.mark.parametrize("dve", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_the_baseline_is_the_same_loss(dve, normalize):
    maps = torch.randn(2, 3, 4, 5, 6, dtype=torch.float64,
                       generator=torch.Generator().manual_seed(0)).requires_grad_()
    grid = 2 * torch.rand(3, 10, 12, 2, generator=torch.Generator().manual_seed(1)).double() - 1
    value = literal_loss(*maps, grid, dve, normalize_vectors=normalize)
    expected = DENSE_LOSSES[f"dense_correlation_loss{'_dve' if dve else ''}"](
        *maps, grid, normalize_vectors=normalize)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(*(torch.autograd.grad(v, maps)[0] for v in (value, expected)))


def counting_subject(calls):
    def make(name, device):
        held = []

        def work():
            calls.append(name)
            held.append(bytearray(40 << 20))
            time.sleep(0.02)
            return float(len(held))

        return work

    variants = {name: partial(make, name) for name in ("slow", "fast")}
    return Subject("Work", variants, ratios=(("slow", "fast"),), note="A note.")


def test_a_variant_is_timed_run_by_run_for_as_long_as_asked():
    calls = []
    measured = counting_subject(calls).measure("fast", 0.1, CPU)
    assert measured["values"] == [1, len(calls)] and set(calls) == {"fast"}
    assert all(seconds >= 0.02 for seconds in measured["seconds"])
    assert 1 <= len(measured["seconds"]) <= 5 and len(calls) > len(measured["seconds"]) + 1
    # On a busy machine a run takes longer, and torch times several runs as one block.
    assert sum(measured["seconds"]) >= 0.1 or len(calls) >= 5
    assert measured["peak_gib"] > measured["added_gib"] >= 0


def test_the_table_tells_best_and_median_and_ratios():
    results = {
        "slow": {"seconds": [3.0, 2.0, 8.0], "peak_gib": 3.0, "added_gib": 2.0},
        "fast": {"seconds": [0.5, 1.0, 4.0], "peak_gib": 1.5, "added_gib": 0.25},
    }
    assert counting_subject([]).table(results).splitlines()[2:] == [
        "| slow | 2.00 | 3.00 | 3.00 | 2.00 |",
        "| fast | 0.5 | 1.00 | 1.50 | 0.25 |",
        "| slow / fast | 4.0 | 3.0 | 2.0 | 8.0 |",
    ]


def test_the_seconds_of_a_gpu_are_told_though_they_are_few():
    results = {"fast": {"seconds": [0.00123456, 0.0456789], "peak_gib": 3.0, "added_gib": 2.0}}
    assert "| fast | 0.00123 | 0.0235 | 3.00 | 2.00 |" in counting_subject([]).table(results)


@pytest.mark.parametrize("computed", [False, True])
def test_what_a_device_would_emulate_is_left_out(monkeypatch, computed):
    monkeypatch.setattr("misc.benchmarking.subject.computes_bfloat16", lambda device: computed)
    names = ["float32, ours", "bfloat16, ours"][:1 + computed]
    variants = dict.fromkeys(["float32, ours", "bfloat16, ours"], lambda device: float)
    subject = Subject("Work", variants, ratios=(tuple(variants),))
    assert subject.variants_on(CPU) == names
    result = {"seconds": [2.0], "peak_gib": 1.0, "added_gib": 1.0}
    assert len(subject.table(dict.fromkeys(names, result)).splitlines()) == (5 if computed else 3)


def test_the_table_tells_images_per_second_of_the_best_run():
    subject = replace(counting_subject([]), count=60)
    result = {"seconds": [3.0, 2.0], "peak_gib": 1.0, "added_gib": 0.0}
    assert subject.table({"slow": result, "fast": result}).splitlines()[2:] == [
        "| slow | 2.00 | 2.50 | 1.00 | 0.00 | 30 |",
        "| fast | 2.00 | 2.50 | 1.00 | 0.00 | 30 |",
        "| slow / fast | 1.0 | 1.0 | 1.0 | inf |  |",
    ]


def test_the_table_tells_operations_per_second_and_their_share_of_the_peak():
    subject = replace(counting_subject([]), ratios=(), peaks={"slow": "slow", "fast": "slow"})
    results = {name: {"seconds": [4.0, seconds], "flop": flop, "peak_gib": 1.0, "added_gib": 0.0}
               for name, seconds, flop in (("slow", 2.0, 8e12), ("fast", 1.0, 3e12))}
    assert subject.table(results).splitlines()[2:] == [
        "| slow | 2.00 | 3.00 | 1.00 | 0.00 | 4 | 100 % |",
        "| fast | 1.00 | 2.50 | 1.00 | 0.00 | 3 | 75 % |",
    ]


def test_operations_are_counted():
    variants = {"product": lambda device: lambda: torch.ones(2, 3) @ torch.ones(3, 5)}
    assert Subject("Work", variants, peaks={"product": "product"}).measure(
        "product", 0.001, CPU)["flop"] == 2 * 2 * 3 * 5


@pytest.mark.parametrize("whole", [False, True])
def test_training_from_the_cache_takes_steps(whole, monkeypatch):
    monkeypatch.setattr(pairs, "NUM_PAIRS", 2)
    train = pairs.make_training(2, "float32", whole, CPU)
    values = [train() for _ in range(3)]
    assert len(set(values)) == 3 and all(0 < value < 10 for value in values)


def test_the_fused_loss_is_compared_where_it_is_available(monkeypatch):
    subject = report.SUBJECTS["implementations"]
    for reason, names in (("no GPU", {"chunked"}), (None, {"chunked", "fused"})):
        monkeypatch.setattr("misc.benchmarking.subject.why_not_fused", lambda device: reason)
        found = {name.rpartition(" ")[2] for name in subject.variants_on(CPU)}
        assert found == names


def test_what_does_not_fit_into_memory_is_left_out(monkeypatch, capsys):
    def measure(script, name, *options):
        if "literal" in options:
            raise CalledProcessError(2, script)
        return fake_measurement(script, name)

    monkeypatch.setattr(report, "measure_in_process", measure)
    measured = report.measure_subject("step", 1, None)
    assert measured["results"].keys() == step.SUBJECT.variants.keys() - {"literal"}
    assert "left out: step, literal\n" in capsys.readouterr().err
    assert "| literal, memory kept / ours |" in report.describe("step", measured)
    failure = CalledProcessError(1, "a fault of the program")
    monkeypatch.setattr(report, "measure_in_process", Mock(side_effect=failure))
    with pytest.raises(CalledProcessError):
        report.measure_subject("step", 1, None)


def test_figures_of_a_gpu_stand_beside_those_of_a_cpu(tmp_path):
    for device in ("cpu", "cuda", "cpu"):
        measured = {"device": device, "machine": f"a {device}", "date": "2026-11-29",
                    "results": dict.fromkeys(lists.SUBJECT.variants, fake_measurement("", ""))}
        report.write_documents(tmp_path, {"lists": measured})
    text = (tmp_path / "benchmarks.md").read_text()
    assert text.count(lists.SUBJECT.title) == 2 and "measured on a GPU" not in text
    assert "a cpu; 2026-11-29; `python misc/benchmark.py lists`" in text
    assert "a cuda; 2026-11-29; `python misc/benchmark.py lists --device 0`" in text


def fake_measurement(script, name, *options):
    return {"seconds": [1.0], "values": [0.0], "peak_gib": 1.0, "added_gib": 0.5}


def test_new_figures_stand_beside_those_of_other_subjects(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(report, "measure_in_process", fake_measurement)
    assert run_program(lambda: benchmark.main(["lists", "--folder", str(tmp_path)])) == 0
    printed = capsys.readouterr().out
    before = (tmp_path / "benchmarks.md").read_text()
    assert lists.SUBJECT.title in before and step.SUBJECT.title not in before
    assert all(f"| {name} | 1.00 | 1.00 | 1.00 | 0.50 |" in printed
               for name in lists.SUBJECT.variants)
    assert run_program(lambda: benchmark.main(["step", "--folder", str(tmp_path)])) == 0
    after = (tmp_path / "benchmarks.md").read_text()
    assert after.index(step.SUBJECT.title) < after.index(lists.SUBJECT.title)
    known = json.loads((tmp_path / "benchmarks.json").read_text())
    assert known["step"]["results"].keys() == step.SUBJECT.variants.keys()
    assert "1 thread, torch" in known["lists"]["machine"]
    assert "Nothing was measured on a GPU yet" in after


def test_a_process_measures_one_variant(capsys):
    arguments = ["loss", "--variant", "Hourglass, ours", "--seconds", "1"]
    assert run_program(lambda: benchmark.main(arguments)) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["values"][0] == measured["values"][1] > 0


def test_kernels_are_compiled_for_a_gpu_that_is_not_there(monkeypatch, capsys):
    pytest.importorskip("triton")
    monkeypatch.setattr(kernels, "CAPABILITIES", (80,))
    arguments = ["kernels", "--variant", "likelihood, 16-d"]
    assert run_program(lambda: benchmark.main(arguments)) == 0
    measured = json.loads(capsys.readouterr().out)
    assert [len(found) for found in measured.values()] == [3]
    assert all(16 < kernel["registers"] <= 255 for kernel in measured["80"])
    numbers = [str(kernel["registers"]) for kernel in measured["80"]]
    assert f"| x | {', '.join(numbers)} |" in kernels.SUBJECT.table({"x": measured})


@pytest.mark.parametrize("arguments, expected", [
    (["stepp"], "SUBJECT = 'stepp'"),
    (["step", "--variant", "our"], "--variant = 'our'"),
])
def test_unknown_names_are_answered_with_the_known_ones(capsys, arguments, expected):
    assert run_program(lambda: benchmark.main(arguments)) == 2
    assert expected in capsys.readouterr().err


def test_every_ratio_compares_two_variants():
    assert tuple(report.SUBJECTS) == benchmark.SUBJECTS
    for subject in report.SUBJECTS.values():
        assert {name for pair in subject.ratios for name in pair} <= subject.variants.keys()
        assert {name for pair in subject.peaks.items() for name in pair} <= subject.variants.keys()
