"""test.py evaluates embeddings and landmark regressors, and refuses one for the other."""

import json

import pytest
import torch

from tests.data_helpers.run_contents import FIGURES, assert_one_clear_line, results_of
from utils.checkpoint.save_and_load import read_checkpoint


def test_a_run_s_own_config_evaluates_it_and_any_place_takes_the_figures(
        run_program, trained_embedding, tmp_path):
    output = tmp_path / "out.json"
    done = run_program(
        "test.py", "--config", trained_embedding.folder / "config.json", "--output", output,
        "--resume", trained_embedding.folder / "model_best.pth",
        "--set", f"trainer.save_dir={tmp_path}",
    )
    assert (done.code, done.stderr) == (0, "")
    results = json.loads(output.read_text())
    trained = results_of(trained_embedding.folder)  # unwatched, the last epoch is the best
    assert {name: results[name] for name in FIGURES} == {name: trained[name] for name in FIGURES}
    assert results["run_name"] == "tiny-embedding"


def test_test_py_evaluates_the_regressor_too(run_program, regressor, tmp_path):
    output = tmp_path / "out.json"
    done = run_program(
        "test.py", "--config", regressor.config, "--resume", regressor.checkpoint(3),
        "--output", output, "--set", f"trainer.save_dir={tmp_path}",
    )
    assert (done.code, done.stderr) == (0, "")
    trained, results = results_of(regressor.folder), json.loads(output.read_text())
    assert results["inter_ocular_error_pct"] == trained["inter_ocular_error_pct"]
    assert results["checkpoint"] == str(regressor.checkpoint(3))


def test_a_regressor_as_other_code_saved_it_is_evaluated_alike(
        call_program, regressor, tmp_path):
    state = read_checkpoint(regressor.checkpoint(3))["state_dict"]
    named = {f"module.{name}": value for name, value in state.items()}
    unused = {"module.1.descriptors": torch.zeros(3, 8), "module.1.linear.0.weight": torch.ones(2)}
    torch.save({"epoch": 300, "state_dict": {**named, **unused}}, tmp_path / "published.pth")
    done = call_program(
        "test.py", "--config", regressor.config, "--resume", tmp_path / "published.pth",
        "--output", tmp_path / "out.json", "--set", f"trainer.save_dir={tmp_path}",
    )
    assert (done.code, done.stderr) == (0, "")
    results = json.loads((tmp_path / "out.json").read_text())
    expected = results_of(regressor.folder)["inter_ocular_error_pct"]
    assert results["inter_ocular_error_pct"] == pytest.approx(expected, rel=1e-6)


# Mistakes


def test_a_missing_checkpoint(run_program, trained_embedding, tmp_path):
    done = run_program("test.py", "--config", trained_embedding.config,
                       "--resume", tmp_path / "absent.pth")
    assert_one_clear_line(done, f"{tmp_path / 'absent.pth'}: ", "No such file")


def test_a_regressor_is_no_embedding_and_an_embedding_no_regressor(
        call_program, trained_embedding, regressor):
    regressor_file, embedding_file = regressor.checkpoint(3), trained_embedding.checkpoint(3)
    for program in ("test_matching.py", "test.py"):
        done = call_program(program, "--config", trained_embedding.config,
                            "--resume", regressor_file)
        assert_one_clear_line(done, f"{regressor_file}: holds a landmark regressor",
                              f"{trained_embedding.config} describes an embedding")
    done = call_program("test.py", "--config", regressor.config, "--resume", embedding_file)
    assert_one_clear_line(done, f"{embedding_file}: holds an embedding",
                          f"{regressor.config} describes a landmark regressor")
    done = call_program("test_matching.py", "--config", regressor.config,
                        "--resume", regressor_file)
    assert_one_clear_line(done, f"{regressor.config}: describes a landmark regressor", "test.py")
