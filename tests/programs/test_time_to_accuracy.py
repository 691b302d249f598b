"""misc/time_to_accuracy.py: the shortest training that gets below an error."""

import re

import pytest

from misc import time_to_accuracy
from tests.data_helpers.landmark_lists import write_images
from utils.cli import EXIT_USER_ERROR, run_program


def call(capsys, *arguments):
    code = run_program(lambda: time_to_accuracy.main(list(map(str, arguments))))
    captured = capsys.readouterr()
    rows = [line.split(" | ") for line in captured.out.splitlines() if line.startswith("| ")][2:]
    return code, rows, captured


def test_longer_trainings_are_left_out_once_one_is_good_enough(embedding_config, capsys):
    config = embedding_config()
    code, rows, captured = call(capsys, config, "--below", 1000, "--epochs", "1,2")
    assert code == 0
    assert [row[1] for row in rows] == ["1"]
    assert re.fullmatch(r"\d+\.\d", rows[0][2])
    assert f"below 1000 px: reached by {config}" in captured.out


def test_every_length_is_tried_where_none_is(embedding_config, capsys):
    config = embedding_config()
    code, rows, captured = call(capsys, config, "--below", 0.001, "--epochs", "1,2")
    assert code == 0
    assert [row[1] for row in rows] == ["1", "2"]
    assert rows[0][3:] != rows[1][3:]
    assert f"below 0.001 px: not reached by {config}" in captured.out


def test_images_without_landmarks_are_told_before_the_training(embedding_config, capsys, tmp_path):
    write_images(tmp_path / "photos", ["a.jpg", "b.jpg", "c.jpg"])
    config = embedding_config(tmp_path / "photos")
    code, _, captured = call(capsys, config, "--below", 1)
    assert code == EXIT_USER_ERROR and captured.err.startswith(f"error: {config}: ")
    assert "no landmarks yet" in captured.err and not list(tmp_path.rglob("info.log"))


def test_every_seed_must_be_good_enough(embedding_config, capsys):
    config = embedding_config()
    code, ((*_, different),), _ = call(capsys, config, "--below", 1000, "--seeds", "0,1")
    errors = [float(part) for part in different.removesuffix(" px |").split(", ")]
    assert code == 0 and len(set(errors)) == 2
    between = sum(errors) / 2
    _, _, captured = call(capsys, config, "--below", between, "--seeds", "0,1")
    assert f"below {between:g} px: not reached by {config}" in captured.out


def test_milestones_move_with_the_number_of_epochs(embedding_config):
    config = embedding_config(
        trainer={"epochs": 10, "verbosity": 0, "tensorboardX": False},
        lr_scheduler={"type": "MultiStepLR", "args": {"milestones": [7, 9]}})
    shorter = time_to_accuracy.of_length(str(config), [], 20)
    assert shorter.lr_scheduler["args"]["milestones"] == [14, 18]
    assert shorter.trainer.epochs == 20
    assert time_to_accuracy.of_length(str(config), [], None).trainer.epochs == 10


def test_milestones_that_are_none_are_left_to_the_training_to_refuse(embedding_config, capsys):
    config = embedding_config(lr_scheduler={"type": "MultiStepLR", "args": {"milestones": "abc"}})
    code, _, captured = call(capsys, config, "--below", 1, "--epochs", "2")
    assert code == EXIT_USER_ERROR
    assert "lr_scheduler.args.milestones = 'abc', expected list of int" in captured.err


def test_numbers_of_epochs_that_do_not_increase_are_refused(embedding_config, capsys):
    with pytest.raises(SystemExit) as ended:
        call(capsys, embedding_config(), "--below", 1, "--epochs", "3,2")
    assert ended.value.code == EXIT_USER_ERROR
    assert "--epochs: '3,2', expected increasing numbers" in capsys.readouterr().err
