"""test_matching.py repeats a training's figures; mistakes are answered in one clear line."""

import json
import re

import pytest

from tests.data_helpers.comparing_runs import names_in
from tests.data_helpers.run_contents import (
    FIGURES,
    NUMBER,
    assert_one_clear_line,
    results_of,
)
from tests.data_helpers.tiny_runs import write_image, write_landmark_folder


def test_matching_repeats_the_training_s_figures(run_program, trained_embedding, tmp_path):
    output = tmp_path / "out.json"
    done = run_program(
        "test_matching.py", "--config", trained_embedding.config, "--output", output,
        "--resume", trained_embedding.checkpoint(3), "--set", f"trainer.save_dir={tmp_path}",
    )
    assert (done.code, done.stderr) == (0, "")
    results = json.loads(output.read_text())
    trained = results_of(trained_embedding.folder)
    assert {name: results[name] for name in FIGURES} == {name: trained[name] for name in FIGURES}
    for identity in ("same", "different"):
        shown = re.search(rf"^Mean Pixel Error \({identity}-identity\): {NUMBER}$", done.stdout,
                          re.MULTILINE)
        assert float(shown[1]) == pytest.approx(results[f"{identity}_identity_px"], abs=1e-4)
    (folder,) = (tmp_path / "models" / "tiny-embedding").iterdir()
    assert results_of(folder) == results
    assert names_in(folder) == ["config.json", "results.json"]


def test_another_data_set_may_evaluate(call_program, trained_embedding, tmp_path):
    done = call_program(
        "test_matching.py", "--config", trained_embedding.config, "--eval_data", "SyntheticFaces",
        "--resume", trained_embedding.checkpoint(3), "--output", tmp_path / "out.json",
        "--mini_train", "--set", f"trainer.save_dir={tmp_path}",
    )
    assert (done.code, done.stderr) == (0, "")
    results = json.loads((tmp_path / "out.json").read_text())
    assert (results["dataset"], results["num_images"]) == ("SyntheticFaces", 4)


@pytest.mark.parametrize("num_test", [19, 20])
def test_figures_of_few_images_come_with_a_warning(
        call_program, embedding_config, trained_embedding, tmp_path, num_test):
    config = embedding_config(write_landmark_folder(tmp_path / "faces", 2, num_test))
    done = call_program("test_matching.py", "--config", config, "--resume",
                        trained_embedding.checkpoint(3))
    pairs = num_test // 2
    assert done.code == 0 and f"measured on {2 * pairs} images in {pairs} pairs of" in done.stdout
    warning = "the test split has 19 annotated images: figures of fewer than 20 say little"
    assert (warning in done.stdout) == (num_test == 19)


# Mistakes


def test_a_checkpoint_of_another_architecture(run_program, trained_embedding, tmp_path):
    done = run_program(
        "test_matching.py", "--config", trained_embedding.config,
        "--resume", trained_embedding.checkpoint(3), "--set", "arch.args.num_output_channels=16",
        "--set", f"trainer.save_dir={tmp_path}",
    )
    assert_one_clear_line(done, f"{trained_embedding.checkpoint(3)}: its weights do not fit",
                          "conv6.bias is (8,), expected (16,)")


def test_an_evaluation_on_an_unknown_data_set(call_program, trained_embedding):
    done = call_program("test_matching.py", "--config", trained_embedding.config, "--eval_data",
                        "SyntheticFace", "--resume", trained_embedding.checkpoint(3))
    assert_one_clear_line(done, "--eval_data = 'SyntheticFace': did you mean 'SyntheticFaces'?")


def test_an_evaluation_without_images(call_program, embedding_config, trained_embedding):
    done = call_program("test_matching.py", "--config", embedding_config(root="absent"),
                        "--resume", trained_embedding.checkpoint(3))
    assert_one_clear_line(done, "dataset.args.root = 'absent': no such folder")


def test_an_evaluation_without_landmarks(
        call_program, embedding_config, trained_embedding, tmp_path):
    write_image(tmp_path / "faces" / "a.jpg", 0)
    config = embedding_config(root=tmp_path / "faces")
    done = call_program("test_matching.py", "--config", config,
                        "--resume", trained_embedding.checkpoint(3))
    table = tmp_path / "faces" / "landmarks.csv"
    assert_one_clear_line(done, f"{config}: no landmarks yet ({table}, or another format")


def test_matching_takes_two_images(call_program, embedding_config, trained_embedding, tmp_path):
    root = write_landmark_folder(tmp_path / "faces", 8, 1)
    done = call_program("test_matching.py", "--config", embedding_config(root=root),
                        "--resume", trained_embedding.checkpoint(3))
    assert_one_clear_line(done, "two")


@pytest.mark.parametrize("place", ["absent/out.json", "file/out.json", "."])
def test_figures_that_cannot_be_written(
        call_program, embedding_config, trained_embedding, tmp_path, place):
    (tmp_path / "file").write_text("")
    done = call_program("test_matching.py", "--config", embedding_config(), "--mini_train",
                        "--output", tmp_path / place, "--resume", trained_embedding.checkpoint(3))
    assert_one_clear_line(done, f"{tmp_path / place}: cannot write this file (")
