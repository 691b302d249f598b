"""The table of what networks cost, against arithmetic."""

import pytest
import torch

from misc.benchmarking.measuring import measure_in_process
from misc.dev import profile_models
from misc.dev.profile_models import HEADER, MODELS, main, measure, table

CPU = torch.device("cpu")
# Side of the output, kernel, channels in and out, of each convolution of SmallNet at 70 x 70.
SMALLNET = [
    (70, 5, 3, 20), (35, 5, 20, 48), (35, 5, 48, 64), (35, 3, 64, 80), (35, 3, 80, 256),
    (35, 1, 256, 8),
]


def test_operations_and_parameters_are_those_of_the_convolutions():
    operations = sum(2 * side**2 * k**2 * c_in * c_out for side, k, c_in, c_out in SMALLNET)
    # Weights and a bias each; scale and shift of the norms after all but the last.
    parameters = sum(c_in * c_out * k**2 + c_out for _, k, c_in, c_out in SMALLNET)
    parameters += sum(2 * c_out for *_, c_out in SMALLNET[:-1])
    row = measure("SmallNet", channels=8, batch_size=2, seconds=0.01, device=CPU)
    assert row["gflop_per_image"] == pytest.approx(operations / 1e9, rel=1e-12)
    assert row["parameters"] == parameters
    assert row["side"] == 70 and row["images_per_s"] > 0 and 0.1 < row["peak_memory_gib"] < 16


def test_a_regressor_adds_its_own():
    alone, with_regressor = (
        measure(name, channels=8, batch_size=1, seconds=0.01, device=CPU)
        for name in ("SmallNet", "SmallNet and regressor")
    )
    added = 250 * 8 + 10 * 100  # virtual keypoints, then ten coordinates from a hundred each
    assert with_regressor["parameters"] - alone["parameters"] == added
    assert with_regressor["gflop_per_image"] > alone["gflop_per_image"]


def test_the_table_has_a_row_for_each_network(monkeypatch, capsys):
    row = {"side": 70, "parameters": 1234567, "gflop_per_image": 0.5, "peak_memory_gib": 1.25,
           "images_per_s": 321.4}
    calls = []
    monkeypatch.setattr(profile_models, "measure_in_process", lambda *a: calls.append(a) or row)
    main(["--channels", "16"])
    assert [call[1:] for call in calls] == [("--channels", "16", "--model", m) for m in MODELS]
    printed = capsys.readouterr().out
    assert printed.startswith("16-d, batches of 32, float32\n")
    assert table(dict.fromkeys(MODELS, row)) in printed
    assert "| SmallNet | 70x70 | 1,234,567 | 0.50 | 1.25 | 321 |" in printed
    assert printed.count("\n|") == len(MODELS) + 2 and all(title in printed for title in HEADER)


def test_each_row_is_measured_by_a_process_of_its_own():
    row = measure_in_process(profile_models.__file__, "--model", "SmallNet", "--channels", 4,
                             "--batch_size", 1, "--seconds", 1)
    assert row.keys() == measure("SmallNet", 4, 1, 0.01, CPU).keys()


@pytest.mark.parametrize("option", ["--channels", "--batch_size", "--seconds"])
@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_wrong_number_is_an_error(capsys, option, value):
    with pytest.raises(SystemExit) as stopped:
        main([f"{option}={value}"])
    assert stopped.value.code == 2
    assert f"'{value}', expected a whole number from 1" in capsys.readouterr().err


def test_a_network_that_does_not_fit_is_told_in_one_line(capfd):
    assert main(["--channels", "1000000000"]) == 2
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(told) == 1 and "memory" in told[0]
