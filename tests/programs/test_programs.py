"""The programs as users type them: from images to figures, and from mistakes to one clear line."""

import hashlib
import json
import re
import shutil
import statistics

import numpy as np
import pytest
import torch
from PIL import Image

from base.monitor import Monitor
from misc import ablation, demo, demo_pictures
from tests.data_helpers.tiny_runs import (
    LANDMARKS,
    Trained,
    run_real_program,
    write_image,
    write_landmark_folder,
    write_tiny_config,
)
from trainer.datasets import evaluation_dataset
from trainer.evaluation import measures
from utils.checkpoint.save_and_load import read_checkpoint
from utils.cli import run_program
from utils.config.read import read_config

STAMP = r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d"
FIGURES = ("same_identity_px", "different_identity_px")
COSINE_FIGURES = ("same_identity_cosine_px", "different_identity_cosine_px")
NUMBER = r"(\d+\.?\d*(?:e-?\d+)?)"


def values_in(log, name):
    """Return the values of a name in a log, one for each epoch."""
    found = re.findall(rf" - INFO -     {name} *: {NUMBER}$", log, re.MULTILINE)
    return [float(value) for value in found]


def one_in(log, line):
    """Return the group of the only line of a log that ends as a pattern says."""
    (found,) = re.findall(rf" - INFO - {line}$", log, re.MULTILINE)
    return found


def first_line(trained):
    return trained.log.splitlines()[0].split(" - ", maxsplit=3)[3]


def results_of(folder):
    return json.loads((folder / "results.json").read_text())


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def regressor(trained_embedding, tmp_path_factory):
    """A landmark regressor that a process fitted on the embedding."""
    place = tmp_path_factory.mktemp("regressor")
    config = write_tiny_config(
        place / "configs" / "tiny-keypoints" / "regressor.json", LANDMARKS,
        root_of(trained_embedding), place / "saved",
    )
    finished = run_real_program(
        "train.py", "--config", config, "--resume", trained_embedding.checkpoint(3),
    )
    assert finished.code == 0, finished.stderr
    return Trained(config, finished.run_folder, finished)


def root_of(trained):
    return json.loads(trained.config.read_text())["dataset"]["args"]["root"]


# ---- an embedding, and what evaluates it


def test_a_training_leaves_its_config_every_checkpoint_and_its_figures(trained_embedding):
    folder = trained_embedding.folder
    assert re.fullmatch(STAMP, folder.name)
    assert folder.parent.name == "tiny-embedding"
    assert folder.parents[1].name == "models"
    assert names_in(folder) == [
        "checkpoint-epoch1.pth", "checkpoint-epoch2.pth", "checkpoint-epoch3.pth", "config.json",
        "model_best.pth", "results.json",
    ]
    raw = json.loads(trained_embedding.config.read_text())
    assert json.loads((folder / "config.json").read_text()) == {**raw, "seed": 0}


def test_its_checkpoints_tell_their_epoch_and_hold_plain_data(trained_embedding):
    for epoch in (1, 2, 3):
        checkpoint = torch.load(trained_embedding.checkpoint(epoch), weights_only=True)
        assert (checkpoint["epoch"], checkpoint["run_name"]) == (epoch, "tiny-embedding")
        assert (checkpoint["seed"], checkpoint["arch"]) == (0, "SmallNet")


def test_its_log_reads_as_the_published_ones(trained_embedding):
    log = trained_embedding.log
    line = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - \S+ - (INFO|DEBUG|WARNING) - .+"
    assert all(re.fullmatch(line, text) for text in log.splitlines())
    assert first_line(trained_embedding) == "start: from fresh weights"
    assert values_in(log, "epoch") == [1, 2, 3]
    assert len(values_in(log, "loss")) == len(values_in(log, "val_loss")) == 3
    network = read_checkpoint(trained_embedding.checkpoint(1))["state_dict"]
    parameters = sum(value.numel() for name, value in network.items()
                     if "running" not in name and "num_batches" not in name)
    assert int(one_in(log, r"Trainable parameters: (\d+)")) == parameters
    figures = results_of(trained_embedding.folder)
    for identity in ("same", "different"):
        for protocol, note in (("px", ""), ("cosine_px", "; cosine, upsampled")):
            logged = one_in(log, rf"Mean Pixel Error \({identity}-identity{note}\): {NUMBER}")
            figure = figures[f"{identity}_identity_{protocol}"]
            assert float(logged) == pytest.approx(figure, abs=1e-4)


def test_the_terminal_shows_what_the_log_file_holds(trained_embedding):
    logged = [line.split(" - ", maxsplit=3)[3] for line in trained_embedding.log.splitlines()]
    assert trained_embedding.finished.stdout.splitlines() == logged
    assert trained_embedding.finished.stderr == ""


def test_a_milestone_lowers_the_rate_of_the_epoch_after_it(trained_embedding):
    assert values_in(trained_embedding.log, "lr") == [0.001, 0.0001, 0.0001]


@pytest.mark.parametrize("milestones, epochs, told", [
    ([1, 2], 3, None), ([2, 3], 3, "3"), ([7, 9], 1, "7, 9"),
])
def test_milestones_that_are_never_reached_are_a_warning(
        train, embedding_config, milestones, epochs, told):
    trained = train(embedding_config(), "--set", f"trainer.epochs={epochs}",
                    "--set", f"lr_scheduler.args.milestones={milestones}")
    warned = [line for line in trained.log.splitlines() if " - WARNING - lr_scheduler" in line]
    expected = f"nothing happens at {told}, since the training ends after epoch {epochs} "
    assert [line.partition("milestones: ")[2] for line in warned] == (
        [] if told is None else [expected + "(trainer.epochs)"])
    assert all(line.partition(" - WARNING - ")[2] in trained.finished.stdout for line in warned)


def test_the_results_say_what_they_are_results_of(trained_embedding):
    results = results_of(trained_embedding.folder)
    assert results["same_identity_px"] > 0 and results["different_identity_px"] > 0
    told = {name: results[name] for name in ("dataset", "split", "num_images", "num_pairs", "seed")}
    assert told == {"dataset": "LandmarkFolder", "split": "test", "num_images": 8, "num_pairs": 4,
                    "seed": 0}
    assert results["checkpoint"] == str(trained_embedding.checkpoint(3))
    assert results["config"] == str(trained_embedding.config)


@pytest.mark.parametrize("num_test", [19, 20])
def test_figures_of_few_images_come_with_a_warning(
        call_program, embedding_config, trained_embedding, tmp_path, num_test):
    config = embedding_config(write_landmark_folder(tmp_path / "faces", 2, num_test))
    done = call_program("test_matching.py", "--config", config, "--resume",
                        trained_embedding.checkpoint(3))
    pairs = num_test // 2
    assert done.code == 0 and f"measured on {2 * pairs} images in {pairs} pairs of" in done.stdout
    told = "the test split has 19 annotated images: figures of fewer than 20 say little"
    assert (told in done.stdout) == (num_test == 19)


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


def test_another_data_set_may_evaluate(call_program, trained_embedding, tmp_path):
    done = call_program(
        "test_matching.py", "--config", trained_embedding.config, "--eval_data", "SyntheticFaces",
        "--resume", trained_embedding.checkpoint(3), "--output", tmp_path / "out.json",
        "--mini_train", "--set", f"trainer.save_dir={tmp_path}",
    )
    assert (done.code, done.stderr) == (0, "")
    results = json.loads((tmp_path / "out.json").read_text())
    assert (results["dataset"], results["num_images"]) == ("SyntheticFaces", 4)


# ---- landmarks on it


def test_a_regressor_is_fitted_on_the_frozen_embedding(regressor, trained_embedding):
    assert first_line(regressor) == (
        f"start: backbone weights of {trained_embedding.checkpoint(3)} (epoch 3); "
        "training begins at epoch 1"
    )
    embedding = read_checkpoint(trained_embedding.checkpoint(3))["state_dict"]
    fitted = read_checkpoint(regressor.checkpoint(3))["state_dict"]
    for name, value in embedding.items():
        assert torch.equal(fitted[f"0.wrapped_module.{name}"], value), name
    assert fitted.keys() - {f"0.wrapped_module.{name}" for name in embedding} == {
        "1.inner_conv.weight", "1.reg_conv.weight"}
    errors = values_in(regressor.log, "val_inter_ocular_error")
    assert values_in(regressor.log, "epoch") == [1, 2, 3] and len(errors) == 3
    results = results_of(regressor.folder)
    # Validation reads descriptors that are kept in half precision.
    assert results["inter_ocular_error_pct"] == pytest.approx(errors[-1], rel=2e-3)
    assert results["num_images"] == 8


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


def test_several_seeds_end_with_mean_and_population_deviation(
        train, landmark_config, trained_embedding):
    config = landmark_config(finetune_from=str(trained_embedding.checkpoint(2)))
    trained = train(config, "--seeds", "0,1,5", "--set", "trainer.epochs=1")
    places = [trained.folder.parent / f"seed-{seed}" for seed in (0, 1, 5)]
    of_seeds = [Trained(config, place, trained.finished) for place in places]
    errors = [values_in(run.log, "val_inter_ocular_error")[-1] for run in of_seeds]
    assert len(set(errors)) == 3
    together = Trained(config, trained.folder.parent, trained.finished)
    line = rf"val_inter_ocular_error -> mean: {NUMBER}, std: {NUMBER}"
    mean, deviation = map(float, one_in(together.log, line))
    assert mean == pytest.approx(statistics.mean(errors), abs=1e-3)
    assert deviation == pytest.approx(statistics.pstdev(errors), abs=1e-3)
    for run_of_seed, seed in zip(of_seeds, (0, 1, 5)):
        assert results_of(run_of_seed.folder)["seed"] == seed
        assert json.loads((run_of_seed.folder / "config.json").read_text())["seed"] == seed
        assert "checkpoint-epoch2.pth (epoch 2); training begins" in first_line(run_of_seed)


def test_another_run_s_checkpoint_gives_the_backbone_alone(
        train, embedding_config, trained_embedding):
    config = embedding_config(name="other", bias_lr=None, finetune_from="nowhere.pth")
    trained = train(
        config, "--resume", trained_embedding.checkpoint(3), "--set", "trainer.epochs=1",
        "--set", "optimizer.args.lr=0",
    )
    assert first_line(trained) == (
        f"start: backbone weights of {trained_embedding.checkpoint(3)} (epoch 3); "
        "training begins at epoch 1"
    )
    assert trained.folder.parent.name == "tiny-other"
    before = read_checkpoint(trained_embedding.checkpoint(3))["state_dict"]
    after = read_checkpoint(trained.checkpoint(1))
    assert after["epoch"] == 1
    for name, value in before.items():
        if "running" not in name and "num_batches" not in name:
            assert torch.equal(after["state_dict"][name], value), name


def test_a_checkpoint_of_other_code_gives_the_backbone_alone(
        train, embedding_config, trained_embedding, tmp_path):
    weights = read_checkpoint(trained_embedding.checkpoint(3))["state_dict"]
    path = tmp_path / "published.pth"
    named = {f"module.{name}": value for name, value in weights.items()}
    torch.save({"state_dict": named, "epoch": 100, "arch": "SmallNet"}, path)
    config = embedding_config(finetune_from=str(path), bias_lr=0)
    trained = train(config, "--mini_train", "--set", "optimizer.args.lr=0")
    assert first_line(trained) == (
        f"start: backbone weights of {path} (epoch 100); training begins at epoch 1"
    )
    after = read_checkpoint(trained.checkpoint(1))["state_dict"]
    assert torch.equal(after["conv6.weight"], weights["conv6.weight"])


# ---- variants


def test_a_mini_training_takes_two_steps_of_four_images(train, embedding_config):
    trained = train(embedding_config(batch_size=8), "--mini_train")
    assert values_in(trained.log, "epoch") == [1]
    steps = {float(state["step"]) for state in
             read_checkpoint(trained.checkpoint(1))["optimizer"]["state"].values()}
    assert steps == {2}
    assert results_of(trained.folder)["num_images"] == 4


def test_a_folder_without_landmarks_trains_without_an_evaluation(
        train, embedding_config, landmark_folder, tmp_path):
    root = tmp_path / "unlabelled"
    shutil.copytree(landmark_folder, root)
    (root / "landmarks.csv").unlink()
    while not any(is_test(path.name) for path in (root / "images").iterdir()):
        number = len(names_in(root / "images"))
        write_image(root / "images" / f"{number:03d}.jpg", number)
    trained = train(embedding_config(root=root), "--mini_train")
    assert f"INFO - nothing will be measured: no landmarks yet ({root}/landmarks.csv" in trained.log
    assert names_in(trained.folder) == ["checkpoint-epoch1.pth", "config.json", "model_best.pth"]


def is_test(name):
    """Whether an unlisted image surely falls to the test split, whose hashes begin below 25.6."""
    return hashlib.sha1(name.encode()).digest()[0] < 25


def test_events_and_pictures_are_written_where_the_config_wants_them(train, embedding_config):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer = {"epochs": 2, "tensorboardX": True}
    config = embedding_config(trainer=trainer, visualizations=["sphere_colormap"])
    trained = train(config, "--set", "batch_size=8")
    events = EventAccumulator(str(trained.log_dir)).Reload()
    assert {"loss", "val_loss", "lr", "images_per_s"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("val_loss")] == [1, 2]
    assert [event.value for event in events.Scalars("val_loss")] == pytest.approx(
        values_in(trained.log, "val_loss"), rel=1e-4)
    pictures = events.Images("sphere_colormap")
    assert [picture.step for picture in pictures] == [1, 2]
    assert pictures[0].width > 100


def test_unread_keys_are_noted_at_the_beginning_of_the_log(train, embedding_config):
    trained = train(embedding_config(n_gpu=1), "--mini_train", "--set", "trainer.log_dir=x")
    second, third = (line.split(" - ", maxsplit=3)[3] for line in trained.log.splitlines()[1:3])
    assert second == "config: 'n_gpu' is accepted but changes nothing"
    assert third == "config: 'trainer.log_dir' is accepted but changes nothing"


def test_help_is_printed_by_all(capsys, call_program):
    for program in ("train.py", "test.py", "test_matching.py"):
        with pytest.raises(SystemExit) as end:
            call_program(program, "--help")
        assert end.value.code == 0
        assert "--config FILE" in capsys.readouterr().out


# ---- mistakes, in processes


def assert_one_clear_line(finished, *words):
    assert finished.code == 2, finished
    (line,) = finished.stderr.splitlines()
    assert line.startswith("error: ")
    assert all(word in line for word in words), line


def test_process_told_of_a_wrong_type(run_program, embedding_config, tmp_path):
    config = embedding_config()
    done = run_program("train.py", "--config", config, "--set", "arch.type=SmalNet")
    assert_one_clear_line(done, f"{config}: arch.type = 'SmalNet'", "did you mean 'SmallNet'?")
    assert not (tmp_path / "saved").exists()


def test_process_told_of_an_image_that_is_none(run_program, embedding_config, tmp_path):
    root = write_landmark_folder(tmp_path / "faces", 8, 2)
    (root / "images" / "003.jpg").write_text("not an image")
    done = run_program("train.py", "--config", embedding_config(root=root),
                       "--set", "num_workers=1")
    assert_one_clear_line(done, f"error: {root / 'images' / '003.jpg'}: cannot read this image (")


def test_process_told_of_another_architecture(run_program, trained_embedding, tmp_path):
    done = run_program(
        "test_matching.py", "--config", trained_embedding.config,
        "--resume", trained_embedding.checkpoint(3), "--set", "arch.args.num_output_channels=16",
        "--set", f"trainer.save_dir={tmp_path}",
    )
    assert_one_clear_line(done, f"{trained_embedding.checkpoint(3)}: its weights do not fit",
                          "conv6.bias is (8,), expected (16,)")


def test_process_told_of_a_missing_checkpoint(run_program, trained_embedding, tmp_path):
    done = run_program("test.py", "--config", trained_embedding.config,
                       "--resume", tmp_path / "absent.pth")
    assert_one_clear_line(done, f"{tmp_path / 'absent.pth'}: ", "No such file")


# ---- mistakes, in this process


@pytest.mark.parametrize("override, words", [
    ("dataset.type=LandmarksFolder",
     ["dataset.type = 'LandmarksFolder': did you mean 'LandmarkFolder'?", "SyntheticFaces"]),
    ("warper.type=Wrper", ["warper.type = 'Wrper': did you mean 'Warper'? expected one of: Warp"]),
    ("warper.type=WarperSingle", ["warper: learning an embedding takes pairs"]),
    ("warper=null", ["warper: learning an embedding takes pairs"]),
    ("optimizer.type=Adm", ["optimizer.type = 'Adm': did you mean 'Adam'?", "SGD"]),
    ("lr_scheduler.type=MultistepLR", ["did you mean 'MultiStepLR'?", "StepLR"]),
    ("loss=dense_correlation_loss_dv", ["did you mean 'dense_correlation_loss_dve'?"]),
    ("loss=regression_loss", ["loss = 'regression_loss'", "dense_correlation_loss"]),
    ('visualizations=["sphere_colourmap"]', ["did you mean 'sphere_colormap'?"]),
    ("dataset.args.imwith=32", ["dataset.args.imwith is not a key", "did you mean 'imwidth'?"]),
    ("dataset.args.split=test", ["dataset.args.split is set by the code: remove it"]),
    ("warper.args.rotation=5", ["warper.args.rotation is not a key here", "rotsd"]),
    ("warper.args.H=5", ["warper.args.H is set by the code"]),
    ("loss_args.powr=1", ["loss_args.powr is not a key here: did you mean 'pow'?"]),
    ("loss_args.desc1=1", ["loss_args.desc1 is set by the code"]),
    ("optimizer.args.rate=1", ["optimizer.args.rate is not a key here", "lr"]),
    ("arch.args.channels=1", ["arch.args.channels is not a key here", "num_output_channels"]),
    ("arch.args.num_output_channels=many", ["num_output_channels = 'many', expected int"]),
    ("arch.args.num_output_channels=0", ["num_output_channels = 0, expected at least 1"]),
    ("warper.args.rotsd=-5", ["warper.args: ", "rotsd = -5", "expected a number >= 0"]),
    ("optimizer.args.lr=-1", ["optimizer.args.lr = -1, expected what Adam takes (", "-1)"]),
    ("loss_args.implementation=fast", [
        "loss_args.implementation: 'fast', expected one of auto, chunked, fused"]),
    ("loss_args.implementation=fused", [
        "loss_args.implementation: 'fused' cannot be had here: it takes a GPU (--device 0)"]),
    ("loss_args.pow=0", ["loss_args.pow = 0, expected a positive number"]),
    ("dataset.args.crop=16", ["dataset.args: crop = 16, expected 0 <= crop < imwidth / 2 = 16"]),
    ("dataset.args.imwidth=33", ["(25, 25)", "choose imwidth and crop such that it is"]),
    ("batch_size=1", ["at least two pairs"]),
    ("batch_size=64", ["batch_size = 64, but the training set has 16 images"]),
    ("dataset.args.root=absent", ["dataset.args.root = 'absent': no such folder"]),
    ("trainer.monitor=min val_los", ["trainer.monitor: no value 'val_los', expected one of loss"]),
    ("finetune_from=absent.pth", ["absent.pth: ", "No such file"]),
])
def test_a_wrong_value_stops_the_training_before_it_begins(
        call_program, embedding_config, tmp_path, override, words):
    done = call_program("train.py", "--config", embedding_config(), "--set", override)
    assert_one_clear_line(done, *words)
    assert "absent" in override or done.stderr.startswith(f"error: {embedding_config()}: ")
    assert not list(tmp_path.rglob("*.pth"))


def test_a_config_file_that_is_empty(call_program, tmp_path):
    (tmp_path / "empty.json").write_text("")
    for program in ("train.py", "test.py", "test_matching.py"):
        resume = () if program == "train.py" else ("--resume", "a.pth")
        done = call_program(program, "--config", tmp_path / "empty.json", *resume)
        assert_one_clear_line(done, f"{tmp_path / 'empty.json'}: expected JSON, the file is empty")


def test_a_list_of_landmarks_with_a_wrong_column_count(call_program, embedding_config, tmp_path):
    root = write_landmark_folder(tmp_path / "faces", 8, 2)
    with open(root / "landmarks.csv", "a") as file:
        file.write("more.jpg,train,1,2,3\n")
    done = call_program("train.py", "--config", embedding_config(root=root))
    assert_one_clear_line(
        done, f"{root / 'landmarks.csv'}, line 12: 5 columns, expected 8 as in the header")


@pytest.mark.parametrize("name, words", [
    ("7", "--device 7: no such GPU, 0 found; leave --device out for the CPU"),
    ("cuda:7", "--device 7: no such GPU, 0 found; leave --device out for the CPU"),
    ("mps", "--device mps: torch finds no such device, only cpu"),
])
def test_a_gpu_that_is_not_there(call_program, embedding_config, monkeypatch, name, words):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    done = call_program("train.py", "--config", embedding_config(), f"--device={name}")
    assert_one_clear_line(done, words)


@pytest.mark.parametrize("seeds", ["-1", "0,x", "", "0,,1", "0,1,0", "0,9223372036854775808"])
def test_seeds_that_are_none(call_program, embedding_config, capsys, seeds, tmp_path):
    with pytest.raises(SystemExit) as end:
        call_program("train.py", "--config", embedding_config(), f"--seeds={seeds}")
    assert end.value.code == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith(f"train.py: error: argument --seeds: '{seeds}', expected ")
    assert not (tmp_path / "saved").exists()


def test_a_landmark_config_without_an_embedding(call_program, landmark_config):
    done = call_program("train.py", "--config", landmark_config())
    assert_one_clear_line(done, "a landmark config needs an embedding: give --resume")


@pytest.mark.parametrize("override, words", [
    ("keypoint_regressor.type=Predictor", ["keypoint_regressor.type = 'Predictor'"]),
    ("keypoint_regressor.args.num_intermediate_points=0", ["num_intermediate_points = 0"]),
    ("keypoint_regressor.args.num_annotated_points=5",
     ["num_annotated_points = 5, but network and data set give 3"]),
    ('metrics=["inter_occular_error"]', ["did you mean 'inter_ocular_error'?"]),
    ('metrics=[["inter_ocular_error"]]', ["metrics = [['inter_ocular_error']], expected list"]),
    ('visualizations=["sphere_colormap"]', ["expected one of: keypoints_intermediate"]),
    ("loss=dense_correlation_loss", ["loss = 'dense_correlation_loss'", "regression_loss"]),
    ("loss_args.alpha=-1", ["loss_args.alpha = -1, expected a positive number"]),
    ("restrict_annos=17", ["restrict_annos = 17, but training has 16 images"]),
    ("dataset.args.eye_indices=[0, 3]", ["eye_indices = [0, 3], expected two of the 3 landmarks"]),
    ("arch.args.num_output_channels=16", ["checkpoint-epoch3.pth: its weights do not fit SmallNet: "
                                          "conv6.bias is (8,), expected (16,)"]),
])
def test_a_wrong_value_of_a_landmark_config(
        call_program, landmark_config, trained_embedding, tmp_path, override, words):
    done = call_program("train.py", "--config", landmark_config(), "--set", override,
                        "--resume", trained_embedding.checkpoint(3))
    assert_one_clear_line(done, *words)
    assert not list(tmp_path.rglob("*.pth"))


def test_a_landmark_config_for_a_folder_without_landmarks(
        call_program, landmark_config, trained_embedding, tmp_path):
    write_image(tmp_path / "faces" / "a.jpg", 0)
    done = call_program("train.py", "--config", landmark_config(root=tmp_path / "faces"),
                        "--resume", trained_embedding.checkpoint(3))
    assert_one_clear_line(done, f"no landmarks yet ({tmp_path / 'faces' / 'landmarks.csv'}, or")


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


def test_an_evaluation_on_a_data_set_that_is_none(call_program, trained_embedding):
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


# ---- the demo and the ablation


@pytest.fixture
def tiny_demo(monkeypatch, embedding_config, landmark_config):
    """The demo, with tiny configs for its own."""
    monkeypatch.setattr(demo, "EMBEDDING", str(embedding_config()))
    monkeypatch.setattr(demo, "LANDMARKS", str(landmark_config()))

    def call(*args):
        monkeypatch.setattr("sys.argv", ["demo.py", "--set", "trainer.epochs=1", *args])
        return run_program(demo.main)

    return call


def test_the_demo_trains_draws_and_tells_and_uses_again_what_is_there(
        tiny_demo, capsys, tmp_path):
    assert tiny_demo() == 0
    told = capsys.readouterr().out
    folder = tmp_path / "saved" / "demo"
    kinds = [f"matches-{identity}-{kind}.png" for identity in ("different", "same")
             for kind in ("best", "first", "worst")]
    assert names_in(folder) == [*kinds, "overview.png"]
    for name in names_in(folder):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 100
        assert str(folder / name) in told
    checkpoints = sorted((tmp_path / "saved").rglob("checkpoint-epoch*.pth"))
    assert len(checkpoints) == 2
    table = told[told.index("error on faces"):]
    assert all(str(path) in table for path in checkpoints)
    results = {k: v for path in checkpoints for k, v in results_of(path.parent).items()}
    for name in (*FIGURES, *COSINE_FIGURES, "inter_ocular_error_pct"):
        assert f"{results[name]:.2f} " in table

    assert tiny_demo() == 0
    again = capsys.readouterr().out
    assert again.count("using ") == 2
    assert again[again.index("error on faces"):] == table
    assert sorted((tmp_path / "saved").rglob("checkpoint-epoch*.pth")) == checkpoints


def test_the_demo_matches_from_the_face_nearest_to_the_average():
    places = [[0.0, 0.0], [5.0, 4.0], [6.0, 6.0], [9.0, 9.0]]  # on average (5, 4.75)
    items = [{"keypts": torch.tensor([place, place])} for place in places]
    first, *others = demo_pictures.most_typical_first(items)
    assert first is items[1]
    assert [id(item) for item in others] == [id(items[index]) for index in (0, 2, 3)]


def test_an_interrupted_demo_goes_on_where_it_was(tiny_demo, capsys, tmp_path, monkeypatch):
    def interrupted(monitor, values, epoch):
        raise KeyboardInterrupt

    assert tiny_demo() == 0
    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "update", interrupted)
        assert tiny_demo("--set", "trainer.epochs=2") == 130
    capsys.readouterr()
    assert tiny_demo("--set", "trainer.epochs=2") == 0
    told = capsys.readouterr().out
    assert len(re.findall(r"^start: continuing .*checkpoint-epoch1.pth after epoch 1$", told,
                          re.MULTILINE)) == 2


def test_the_ablation_compares_with_and_without_the_exchange(
        monkeypatch, embedding_config, capsys, tmp_path):
    configs = {
        "without DVE": embedding_config(name="plain", loss="dense_correlation_loss"),
        "with DVE": embedding_config(name="exchange"),
    }
    monkeypatch.setattr(ablation, "CONFIGS", configs)
    output = tmp_path / "ablation.json"
    monkeypatch.setattr("sys.argv", ["ablation.py", "--seeds", "0,3", "--output", str(output),
                                     "--set", "trainer.epochs=1"])
    assert run_program(ablation.main) == 0
    kept = json.loads(output.read_text())
    assert kept["seeds"] == [0, 3]
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [line.count("|") for line in table] == [6] * 5
    for name, row in zip(configs, table[2:4]):
        figures = [seed[figure] for seed in kept["results"][name] for figure in FIGURES]
        assert row == f"| {name} | " + " | ".join(f"{value:.2f} px" for value in figures) + " |"
    without, with_dve = (kept["results"][name] for name in configs)
    ratio = with_dve[1]["different_identity_px"] / without[1]["different_identity_px"]
    assert table[4].endswith(f" {ratio:.2f} |")
    finals = [read_checkpoint(path)["state_dict"]["conv6.weight"]
              for path in (tmp_path / "saved").rglob("checkpoint-epoch1.pth")]
    assert len(finals) == 4
    assert len({str(weight.flatten()[:8].tolist()) for weight in finals}) == 4


def test_landmarks_that_stay_where_they_were(monkeypatch, embedding_config):
    still = {name: 0 for name in measures.EVALUATION_WARPS}
    monkeypatch.setattr(measures, "EVALUATION_WARPS", still)
    config = read_config(embedding_config())
    dataset = evaluation_dataset(config)
    points = np.stack([dataset[n]["keypts"].round() for n in range(len(dataset))])
    apart = np.linalg.norm(points[0::2] - points[1::2], axis=-1).mean() * 70 / (32 - 2 * 4)
    unmoved = ablation.unmoved_error(config, torch.device("cpu"))
    assert unmoved["same_identity_px"] == pytest.approx(0, abs=1e-3)
    assert unmoved["different_identity_px"] == pytest.approx(apart, rel=1e-4)
