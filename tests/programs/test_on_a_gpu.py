"""All that runs on a GPU, on a pretend one: nothing mixes devices, and the numbers are the CPU's.

With tiny images, both compute the losses in one chunk, in the same order of sums.
"""

import csv
import json
from dataclasses import dataclass
from functools import partial

import pytest
import torch

import inference
from misc import predict, report
from misc.benchmarking import evaluation, loss, pairs, roofline, step
from model import SmallNet, compute_descriptors
from tests.data_helpers.comparing_runs import assert_same, everything_but_config, figures_of
from tests.data_helpers.finished_runs import finished_embedding, finished_regressor
from tests.data_helpers.pretend_gpu import PretendGpu
from tests.data_helpers.run_contents import values_in
from trainer.descriptors import EXTRACTION_BATCH
from trainer.embedding_trainer import EmbeddingTrainer
from utils.cli import run_program

CHUNKED = {"normalize_vectors": False, "implementation": "chunked"}
TRAINER = {"epochs": 1, "tensorboardX": False}
PLAIN = {"imwidth": 32, "crop": 4, "do_augmentations": False}
HOURGLASS = {"num_output_channels": 8, "num_blocks": 1, "planes_conv1": 8, "planes_block": 8,
             "planes_hg": 8}
VARIANTS = {
    "with DVE": {},
    "without DVE": {"loss": "dense_correlation_loss"},
    "Hourglass": {"arch": {"type": "HourglassNet", "args": HOURGLASS},
                  "dataset": {"type": "LandmarkFolder", "args": {**PLAIN, "imwidth": 40}}},
    "bfloat16": {"trainer": {**TRAINER, "precision": "bfloat16"}},
    "accumulation": {"trainer": {**TRAINER, "accumulation": 2}},
    "cache in memory": {"cache": "memory"},
    "cache on disk": {"cache": "disk"},
    "cache on the device": {"cache": "device"},
    "workers": {"num_workers": 1},
    "pictures": {"visualizations": ["sphere_colormap"]},
    "deterministic": {"deterministic": True},
}


@dataclass
class OnBoth:
    """Trains on the CPU and on a pretend GPU, and compares what they leave behind."""

    train: callable
    gpu: PretendGpu

    def __call__(self, config, *args, code=0):
        """Return both ``Trained``, the GPU's last."""
        on_cpu = self.train(config, *args, code=code)
        with self.gpu:
            on_gpu = self.train(config, *args, "--device", "0", code=code)
        assert "device: cuda:0, seed: 0" in on_gpu.log
        if code == 0:
            names = sorted(path.name for path in on_cpu.folder.glob("checkpoint-*.pth"))
            for name in names:
                assert_same(*(everything_but_config(trained.folder / name)
                              for trained in (on_gpu, on_cpu)))
            assert names and figures_of(on_gpu) == pytest.approx(figures_of(on_cpu), rel=1e-6)
        return on_cpu, on_gpu


@pytest.fixture
def gpu():
    return PretendGpu()


@pytest.fixture
def train_on_both(train, gpu):
    return OnBoth(train, gpu)


@pytest.fixture
def tiny_config(embedding_config):
    """Return a function of changes that writes the config of an embedding, one short epoch."""
    return partial(embedding_config, **{
        "loss_args": CHUNKED, "trainer": TRAINER, "num_workers": 0, "batch_size": 8,
        "dataset": {"type": "LandmarkFolder", "args": PLAIN}})


@pytest.fixture
def regressor_config(landmark_config):
    """Return a function of changes that writes the config of a regressor, two epochs."""
    trainer = {**TRAINER, "epochs": 2}
    return partial(landmark_config, **{"trainer": trainer, "num_workers": 0, "batch_size": 8})


@pytest.fixture(scope="module")
def embedding(tmp_path_factory, landmark_folder):
    """A finished run of an untrained embedding."""
    return finished_embedding(tmp_path_factory.mktemp("embedding"), landmark_folder)


@pytest.fixture(scope="module")
def regressor(tmp_path_factory, landmark_folder):
    """A finished run of an untrained regressor."""
    return finished_regressor(tmp_path_factory.mktemp("regressor"), landmark_folder)


# Training


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_an_embedding_is_trained_as_on_the_cpu(train_on_both, tiny_config, changes):
    train_on_both(tiny_config(**changes), "--mini_train")


@pytest.mark.parametrize("name", ["mps", "xpu"])
def test_other_kinds_of_gpu_train_nearly_as_the_cpu(train, tiny_config, name):
    """MPS has no float64, in which losses are summed up elsewhere."""
    config, losses = tiny_config(optimizer={"type": "SGD", "args": {"lr": 0.01}}), []
    for device in ("cpu", name):
        with PretendGpu(name):
            trained = train(config, "--device", device, "--mini_train")
        losses += values_in(trained.log, "loss")
    assert f"device: {name}, seed: 0" in trained.log
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_augmented_images_are_learned_from_nearly_as_on_the_cpu(train, gpu, tiny_config):
    """A GPU augments both views of a batch together, on one canvas: another order of sums."""
    config = tiny_config(dataset={"type": "LandmarkFolder", "args": {"imwidth": 32, "crop": 4}},
                         optimizer={"type": "SGD", "args": {"lr": 0.01}})
    losses = []
    for device in ("cpu", "0"):
        with gpu:
            losses += values_in(train(config, "--device", device).log, "loss")
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


@pytest.mark.parametrize("changes", [
    {}, {"descriptor_precision": "float32", "visualizations": ["keypoints_intermediate"]},
    {"cache_descriptors": False, "warper": {"type": "WarperSingle", "args": {}},
     "keypoint_regressor_upsample": True, "restrict_annos": 4, "deterministic": True},
], ids=["cached", "cached in float32", "live"])
def test_a_regressor_is_fitted_as_on_the_cpu(
        train_on_both, regressor_config, embedding, changes, monkeypatch):
    # The number of images in a forward pass may change the order of sums.
    monkeypatch.setattr(compute_descriptors, "CPU_IMAGES", EXTRACTION_BATCH)
    train_on_both(regressor_config(**changes), "--resume", embedding.checkpoint)


def test_a_training_is_continued_to_the_bit(train, gpu, tiny_config):
    config = tiny_config(trainer={**TRAINER, "epochs": 2}, lr_scheduler=None)
    with gpu:
        whole = train(config, "--device", "0")
        expected = everything_but_config(whole.checkpoint(2))
        whole.checkpoint(2).unlink()
        again = train(config, "--device", "0", "--resume", whole.checkpoint(1))
    assert "after epoch 1" in again.log
    assert_same(everything_but_config(again.checkpoint(2)), expected)


@pytest.mark.parametrize("policy", ["halt", "skip", "rollback"])
def test_gradients_that_are_not_finite(train_on_both, tiny_config, monkeypatch, policy):
    train_step, broken = EmbeddingTrainer.train_step, []

    def step(trainer, batch, epoch):
        loss = train_step(trainer, batch, epoch)
        if (epoch, trainer.step) == (2, 0) and trainer.device not in broken:
            broken.append(trainer.device)
            return loss * torch.nan
        return loss

    monkeypatch.setattr(EmbeddingTrainer, "train_step", step)
    config = tiny_config(trainer={**TRAINER, "epochs": 2, "on_nonfinite": policy})
    outcomes = train_on_both(config, code=2 if policy == "halt" else 0)
    for trained in outcomes:
        said = trained.finished.stderr if policy == "halt" else trained.log
        assert "epoch 2, step 1: the gradient is nan, the loss nan; images " in said
        assert (trained.folder / "nonfinite-epoch2-step1.pt").exists()


def test_a_dry_run_measures(call_program, gpu, tiny_config):
    with gpu:
        done = call_program("train.py", "--config", tiny_config(), "--device", "0", "--dry_run")
    assert done.code == 0 and "time, on cuda:0, from 3 steps" in done.stdout


# Evaluation


@pytest.mark.parametrize("program, model, options", [
    ("test_matching.py", "embedding", ["--vis", "--dense_match"]), ("test.py", "regressor", [])])
def test_checkpoints_are_evaluated_as_on_the_cpu(
        call_program, gpu, request, tmp_path, program, model, options):
    run, figures = request.getfixturevalue(model), []
    for device in ("cpu", "0"):
        path = tmp_path / f"{device}.json"
        with gpu:
            done = call_program(
                program, "--config", run.config, "--resume", run.checkpoint, "--output", path,
                "--device", device, "--set", f"trainer.save_dir={tmp_path}", *options)
        assert done.code == 0, done.stderr
        results = json.loads(path.read_text())
        figures.append({n: v for n, v in results.items() if n.endswith(("_px", "_pct"))})
    assert figures[0] and figures[1] == pytest.approx(figures[0], rel=1e-5)


def test_a_report_is_written(gpu, embedding, regressor, tmp_path):
    page = tmp_path / "report.html"
    with gpu:
        report.main([str(embedding.models), str(regressor.models), "--device", "0",
                     "--output", str(page)])
    assert page.stat().st_size > 10_000


# Use


def test_images_are_embedded_matched_and_annotated_as_on_the_cpu(gpu, regressor):
    images = [torch.rand(3, 50, 40) for _ in range(2)]
    answers = []
    for device in ("cpu", "cuda"):
        with gpu:
            model = inference.load(regressor.models, device=device)
            answers.append([
                model.embed(images[0]).descriptors.cpu(),
                *model.match(images[0], images, [[12, 20], [30, 31.5]]),
                *model.match(images[0], images, [[12, 20]], protocol="published"),
                model.landmarks(images)])
    for on_cpu, on_gpu in zip(*answers, strict=True):
        torch.testing.assert_close(on_gpu, on_cpu)


def test_landmarks_of_files_are_predicted_as_on_the_cpu(gpu, regressor, tmp_path, landmark_folder):
    rows = []
    for device in ("cpu", "0"):
        folder = tmp_path / device
        arguments = [regressor.models, landmark_folder / "images", "--output", folder]
        with gpu:
            assert run_program(lambda: predict.main(
                [*map(str, arguments), "--device", device, "--no_pictures"])) == 0
        with open(folder / "landmarks.csv") as file:
            rows.append(list(csv.reader(file)))
    assert len(rows[0]) > 20 and rows[0] == rows[1]


TIMED = {
    "a step with the literal loss": partial(step.make_step, step.LITERAL, torch.channels_last),
    "a step": step.SUBJECT.variants["ours"],
    "a step with the likelihood": step.SUBJECT.variants["likelihood"],
    "the literal loss": partial(loss.make_loss, loss.LOSSES["literal"], (2, 24, 2)),
    "the loss": partial(loss.make_loss, loss.LOSSES["ours"], (2, 24, 2)),
    "pairs": partial(pairs.make_training, 2, "bfloat16", True),
    "steps": partial(pairs.make_training, 2, "float32", False),
    "the evaluation": partial(evaluation.make_evaluation, SmallNet),
    "a product": partial(roofline.make_product, "float32"),
    "the regressor": step.make_regressor_epoch,
}


@pytest.mark.parametrize("make", TIMED.values(), ids=TIMED)
def test_the_benchmark_computes_what_it_does_on_the_cpu(gpu, monkeypatch, make):
    monkeypatch.setattr(step, "FRAMES", {SmallNet: (2, 24, 2)})
    monkeypatch.setattr(pairs, "NUM_PAIRS", 2)
    monkeypatch.setattr(pairs, "WIDTH", 40)
    monkeypatch.setattr(evaluation, "NUM_IMAGES", 4)
    monkeypatch.setattr(evaluation, "FRAMES", {SmallNet: (24, 2)})
    monkeypatch.setattr(roofline, "SIDE_OF_MATRICES", 8)
    monkeypatch.setattr(step, "NUM_STEPS", 1)
    values = []
    for device in (torch.device("cpu"), gpu.device):
        torch.manual_seed(0)
        with gpu:
            run = make(device)
            values.append([run(), run()])
    assert values[1] == pytest.approx(values[0], rel=1e-5)
