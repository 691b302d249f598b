"""A folder of one's own: what docs/own_data.md says to type, and broken files in training."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from tests.data_helpers.documents import PLACEHOLDER, commands
from tests.data_helpers.landmark_lists import WRITERS, write_images
from tests.data_helpers.tiny_runs import ROOT, write_image, write_landmark_folder
from utils.checkpoint.save_and_load import read_checkpoint
from utils.config.read import read_config

PAGE = ROOT / "docs" / "own_data.md"
SMALL = ("--set", "dataset.args.imwidth=60", "--set", "dataset.args.crop=10")
PROGRAMS = {"misc/check_data.py", "train.py", "test.py", "test_matching.py"}
COMMANDS = [command.words for command in commands() if command.page == PAGE]


def newest(pattern):
    """Return the checkpoint of a run whose name and time the page leaves open."""
    (path,) = Path.cwd().glob(re.sub(r"epoch\d+", "epoch*", pattern.replace(PLACEHOLDER, "*")))
    return path


def test_the_commands_of_the_page_work(call_program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    points = {f"red/{n}.jpg": [[3 + n, 5], [20, 30 + n / 2], [9, 40]] for n in range(16)}
    write_images(tmp_path / "data" / "own" / "images", points)
    split = {name: "train" if n < 11 else "test" for n, name in enumerate(points)}
    WRITERS["csv"](tmp_path / "data" / "own", points)
    mark_splits(tmp_path / "data" / "own" / "landmarks.csv", split)
    programs = []
    for python, program, *words in COMMANDS:
        if program not in PROGRAMS or "dataset.args.box_margin=0.2" in words:
            continue  # tests/misc has those of the other programs, tests/data_loader boxes
        mini = ["--num_workers", "0"] if program == "misc/check_data.py" else ["--mini_train"]
        words = [newest(word) if word.endswith(".pth") else word for word in words]
        done = call_program(program, *words, *mini, *SMALL)
        assert (python, done.code) == ("python", 0), done.stderr
        programs.append(program)
    assert set(programs) == PROGRAMS
    pictures = {path.name.split("-")[0] for path in tmp_path.rglob("saved/log/**/*.png")}
    assert {"matches", "landmarks", "sphere_colormap"} <= {name.split(".")[0] for name in pictures}


def mark_splits(path, split):
    """Put the column "split" into a csv."""
    header, *rows = path.read_text().splitlines()
    rows = [row.replace(",", f",{split[row.partition(',')[0]]},", 1) for row in rows]
    path.write_text("\n".join([header.replace("file,", "file,split,"), *rows]) + "\n")


@pytest.mark.parametrize("word", [
    word for command in COMMANDS for word in command if word.startswith("configs/")])
def test_the_configs_that_the_page_names_exist(word):
    assert (ROOT / word).is_file()


@pytest.mark.parametrize("path", sorted(ROOT.glob("configs/own*/*.json")), ids=str)
def test_a_killed_training_loses_ten_epochs_at_most(path):
    assert read_config(path).trainer.save_period <= 10


# ---- broken images in training


@pytest.fixture
def folders(tmp_path):
    """Two folders: one with broken images, the other without these."""
    broken = write_landmark_folder(tmp_path / "broken" / "faces", 10, 5)
    whole = tmp_path / "whole" / "faces"
    shutil.copytree(broken, whole)
    bad = ("003.jpg", "006.jpg", "012.jpg")
    for name in bad:
        (broken / "images" / name).write_bytes(b"no image")
        (whole / "images" / name).unlink()
    path = whole / "landmarks.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if not line.startswith(bad)) + "\n")
    return broken, whole


@pytest.mark.parametrize("changes", [{}, {"cache": "memory", "num_workers": 1}, {"cache": "disk"}])
def test_skipped_images_are_as_if_they_were_not_there(train, embedding_config, folders, changes):
    broken, whole = folders
    skipping = train(embedding_config(broken, "a", on_broken_image="skip", **changes),
                     "--mini_train")
    without = train(embedding_config(whole, "b"), "--mini_train")
    states = [read_checkpoint(run.checkpoint(1))["state_dict"] for run in (skipping, without)]
    assert all(torch.equal(*(state[name] for state in states)) for name in states[0])
    results = [json.loads((run.folder / "results.json").read_text()) for run in (skipping, without)]
    assert results[0]["same_identity_px"] == results[1]["same_identity_px"]
    left_out = [f"{count} of {total} images of split '{split}' are broken, left out"
                for count, total, split in ((1, 5, "test"), (1, 5, "val"), (2, 10, "train"))]
    assert results[0]["partial"][1:] == left_out
    assert results[1]["partial"] == results[0]["partial"][:1]  # that it is a small run
    for name in ("003.jpg", "006.jpg", "012.jpg"):
        assert skipping.log.count(f"left out: {broken / 'images' / name}: cannot read this im") == 1


def test_a_broken_image_ends_a_training_unless_told_otherwise(train, embedding_config, folders):
    trained = embedding_config(folders[0])
    with pytest.raises(AssertionError, match="images/00[36].jpg: cannot read this image"):
        train(trained)


def test_what_was_found_begins_the_log(train, embedding_config, landmark_folder):
    trained = train(embedding_config(), "--mini_train")
    begin = trained.log.index("data: 24 images below")
    assert begin < trained.log.index("run: ")
    assert f"data: 3 landmarks of 24 images in {landmark_folder / 'landmarks.csv'}" in trained.log


# ---- few images


def test_fewer_images_than_a_batch_are_told_or_repeated(call_program, embedding_config, tmp_path):
    config = embedding_config(tmp_path / "few")
    for number, words in ((0, "no images of split 'test' among 1, expected at least one for"),
                          (1, "takes two images to validate on, found one"),
                          (2, "takes two images to validate on, found one"),
                          (3, "batch_size = 4, but the training set has 2 images (min_epoch_im")):
        write_image(tmp_path / "few" / f"{number}.jpg", number)
        done = call_program("train.py", "--config", config)
        assert done.code == 2 and words in done.stderr
    done = call_program("train.py", "--config", config, "--mini_train", "--set",
                        "min_epoch_images=8")
    assert done.code == 0, done.stderr
    assert "nothing will be measured: " in done.stdout


def test_an_embedding_is_trained_before_an_image_has_all_its_points(
        call_program, embedding_config, landmark_config, tmp_path):
    root = write_landmark_folder(tmp_path / "begun", 8, 4)
    path = root / "landmarks.csv"
    header, *rows = path.read_text().splitlines()
    rows = [",".join([*row.split(",")[:-2], "-1", "-1"]) for row in rows]
    path.write_text("\n".join([header, *rows]) + "\n")
    lack = f"{path}: no image has all landmarks: 'x2' is labelled in 0 of 12"
    embedding, detector = embedding_config(root), landmark_config(root)
    done = call_program("train.py", "--config", embedding, "--mini_train")
    assert done.code == 0, done.stderr
    assert f"nothing will be measured: {lack}" in done.stdout
    done = call_program("train.py", "--config", detector, "--mini_train")
    assert done.code == 2 and lack in done.stderr
    for config, code in ((embedding, 0), (detector, 2)):
        done = call_program("misc/check_data.py", "--config", config, "--num_workers", "0")
        assert done.code == code and done.stdout.count(lack) == 1 + bool(code)
