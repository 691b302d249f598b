"""train.py, from images to checkpoints, log and figures."""

import hashlib
import json
import re
import shutil
import statistics

import pytest
import torch

from tests.data_helpers.comparing_runs import names_in
from tests.data_helpers.run_contents import (
    NUMBER,
    STAMP,
    first_line,
    one_in,
    results_of,
    values_in,
)
from tests.data_helpers.tiny_runs import Trained, write_image
from utils.checkpoint.save_and_load import read_checkpoint


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


def test_its_checkpoints_hold_their_epoch_and_plain_data(trained_embedding):
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


@pytest.mark.parametrize("milestones, epochs, unreached", [
    ([1, 2], 3, None), ([2, 3], 3, "3"), ([7, 9], 1, "7, 9"),
])
def test_milestones_that_are_never_reached_are_a_warning(
        train, embedding_config, milestones, epochs, unreached):
    trained = train(embedding_config(), "--set", f"trainer.epochs={epochs}",
                    "--set", f"lr_scheduler.args.milestones={milestones}")
    warned = [line for line in trained.log.splitlines() if " - WARNING - lr_scheduler" in line]
    expected = f"nothing happens at {unreached}, since the training ends after epoch {epochs} "
    assert [line.partition("milestones: ")[2] for line in warned] == (
        [] if unreached is None else [expected + "(trainer.epochs)"])
    assert all(line.partition(" - WARNING - ")[2] in trained.finished.stdout for line in warned)


def test_the_results_say_what_they_are_results_of(trained_embedding):
    results = results_of(trained_embedding.folder)
    assert results["same_identity_px"] > 0 and results["different_identity_px"] > 0
    facts = {"dataset": "LandmarkFolder", "split": "test", "num_images": 8, "num_pairs": 4,
             "seed": 0}
    assert {name: results[name] for name in facts} == facts
    assert results["checkpoint"] == str(trained_embedding.checkpoint(3))
    assert results["config"] == str(trained_embedding.config)


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


# A backbone to begin with


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


# Landmark regressors


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
