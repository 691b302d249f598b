"""Configs: all of the project's own are valid, and whatever is wrong with one is told in a line."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from data_loader import DATASETS
from tests.data_helpers.tiny_runs import EMBEDDING, LANDMARKS, ROOT
from trainer import optimisation, parts
from trainer.datasets import build_dataset
from utils.config.keys import Experiment
from utils.config.objects import check_arguments, look_up
from utils.config.read import read_config
from utils.drawing.visualizations import EMBEDDING_PICTURES, LANDMARK_PICTURES
from utils.errors import ConfigError

CONFIGS = sorted(
    path for path in (ROOT / "configs").rglob("*.json") if path.parent.name != "templates"
)
NOTED_IN_OWN_CONFIGS = {"n_gpu", "trainer.log_dir", "trainer.early_stop"}
VALID = {
    **EMBEDDING,
    "dataset": {"type": "LandmarkFolder", "args": {"root": "data/x", "imwidth": 32}},
}


def write(tmp_path, raw, name="one.json"):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(raw if isinstance(raw, str) else json.dumps(raw))
    return path


def complaint(path, *overrides):
    """Return what a config is refused with, after its path; one line."""
    with pytest.raises(ConfigError) as error:
        read_config(path, overrides)
    message = str(error.value)
    assert message.startswith(f"{path}: ") or message.startswith("--set ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


# ---- the project's own configs


def available(experiment, landmark_folder):
    """Return the experiment with the tests' own files where it wants a folder of images."""
    section = experiment.dataset
    if section["type"] != "LandmarkFolder":
        return experiment
    args = {**section["args"], "root": str(landmark_folder)}
    return replace(experiment, dataset={**section, "args": args})


def built_datasets(experiment):
    """Return the data sets of a config whose images are here; check the arguments of others."""
    cls = look_up(experiment.dataset["type"], DATASETS, "dataset.type")
    check_arguments(cls, experiment.dataset["args"], "dataset.args", runtime=("split",))
    if experiment.dataset["type"] not in ("LandmarkFolder", "SyntheticFaces"):
        return []
    return [build_dataset(experiment, split) for split in ("train", "val", "test")]


@cache
def built_model(sections):
    """Return the network of a config's sections, as JSON; many configs share one."""
    experiment = Experiment(dataset={}, optimizer={}, loss="", trainer={}, **json.loads(sections))
    if not experiment.is_landmark:
        return parts.build_backbone(experiment)
    num_landmarks = experiment.keypoint_regressor["args"].get("num_annotated_points", 5)
    return parts.build_landmark_model(experiment, num_landmarks)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_config_builds(path, landmark_folder):
    config = read_config(path)
    experiment = available(config, landmark_folder)
    pictures = LANDMARK_PICTURES if experiment.is_landmark else EMBEDDING_PICTURES
    assert {note.split("'")[1] for note in config.notes} <= NOTED_IN_OWN_CONFIGS
    assert set(experiment.visualizations) <= pictures.keys()
    datasets = built_datasets(experiment)
    assert all(len(dataset) for dataset in datasets)
    sections = ("arch", "keypoint_regressor", "keypoint_regressor_upsample")
    model = built_model(json.dumps({name: getattr(experiment, name) for name in sections}))
    optimizer = optimisation.build_optimizer(experiment, model)
    optimisation.build_scheduler(experiment, optimizer, steps_per_epoch=2)
    assert callable(parts.build_loss(experiment, torch.device("cpu")))
    for dataset in datasets:
        parts.build_metrics(experiment, dataset)
        if experiment.is_landmark:
            parts.build_single_warper(experiment, dataset)
        else:
            parts.build_pair_warper(experiment, dataset)


# ---- overrides


def test_overrides_reach_into_sections_and_take_json(tmp_path):
    path = write(tmp_path, VALID)
    config = read_config(path, [
        "trainer.epochs=7", "dataset.args.root=some/place", "loss_args.normalize_vectors=true",
        "lr_scheduler.args.milestones=[2, 3]", "cache=memory", "batch_size=8", "batch_size=9",
    ])
    assert config.trainer.epochs == 7
    assert config.dataset["args"] == {"root": "some/place", "imwidth": 32}
    assert config.loss_args == {"normalize_vectors": True}
    assert config.lr_scheduler["args"]["milestones"] == [2, 3]
    assert config.cache == "memory"
    assert config.batch_size == 9
    assert config.raw["trainer"]["epochs"] == 7
    assert json.loads(path.read_text()) == VALID


def test_overrides_create_sections_and_remove_values(tmp_path):
    path = write(tmp_path, {k: v for k, v in VALID.items() if k not in ("loss_args", "warper")})
    config = read_config(
        path, ["loss_args.pow=0.25", "warper.type=Warper", "warper.args.rotsd=3", "bias_lr=null"]
    )
    assert config.loss_args == {"pow": 0.25}
    assert config.warper == {"type": "Warper", "args": {"rotsd": 3}}
    assert config.bias_lr is None


def test_an_override_may_contain_equals_signs(tmp_path):
    config = read_config(write(tmp_path, VALID), ["dataset.args.root=a=b=c"])
    assert config.dataset["args"]["root"] == "a=b=c"


@pytest.mark.parametrize("override, expected", [
    ("trainer.epochs", "expected key.path=value"),
    ("=3", "expected key.path=value"),
    ("trainer..epochs=3", "expected key.path=value"),
    ("batch_size.x=3", "batch_size is a value, not a section"),
    ("dataset.args.root.x.y=3", "dataset.args.root is a value, not a section"),
])
def test_an_override_that_makes_no_sense(tmp_path, override, expected):
    assert complaint(write(tmp_path, VALID), override) == f"--set {override}: {expected}"


# ---- what is refused


@pytest.mark.parametrize("override, words", [
    ("batchsize=3", ["config.batchsize is not a key here: did you mean 'batch_size'?", "arch"]),
    ("epochs=3", ["config.epochs is not a key here: ", "expected one of: ", "trainer"]),
    ("trainer.epoch=3", ["trainer.epoch is not a key here: did you mean 'epochs'?", "save_dir"]),
    ("trainer.epochs=many", ["trainer.epochs = 'many', expected int"]),
    ("trainer.epochs=0", ["trainer.epochs = 0, expected at least 1"]),
    ("trainer.save_period=0", ["trainer.save_period = 0, expected at least 1"]),
    ("trainer.verbosity=3", ["trainer.verbosity = 3, expected 0, 1 or 2"]),
    ("trainer.precision=float8", ["precision = 'float8', expected one of float32, "]),
    ("trainer.monitor=val_loss", ["monitor = 'val_loss', expected 'off', 'min NAME' or"]),
    ("trainer.monitor=min", ["monitor = 'min', expected 'off', 'min NAME' or"]),
    ("trainer.monitor=null", ["trainer.monitor = None, expected str"]),
    ("trainer.patience=3", ["patience = 3, expected 0, or a trainer.monitor to watch"]),
    ("trainer.patience=-1", ["patience = -1, expected at least 0"]),
    ("trainer.tensorboardX=1", ["trainer.tensorboardX = 1, expected bool"]),
    ("trainer=3", ["config.trainer = 3, expected dict"]),
    ("batch_size=0", ["config.batch_size = 0, expected at least 1"]),
    ("batch_size=true", ["config.batch_size = True, expected int"]),
    ("bias_lr=-1", ["config.bias_lr = -1, expected at least 0"]),
    ("seed=-1", ["config.seed = -1, expected 0 to 2^63 - 1"]),
    ("seed=9223372036854775808", ["seed = 9223372036854775808, expected 0 to 2^63 - 1"]),
    ("num_workers=-1", ["num_workers = -1, expected 0 to 1024"]),
    ("cache=tape", ["cache = 'tape', expected one of off, memory, disk, device"]),
    ("restrict_annos=0", ["restrict_annos = 0, expected at least 1"]),
    ("metrics=inter_ocular_error", ["config.metrics = 'inter_ocular_error', expected list"]),
    ("loss=3", ["config.loss = 3, expected str"]),
    ("arch=SmallNet", ['arch: expected {"type": ..., "args": {...}}, found "SmallNet"']),
    ("dataset.type=3", ["dataset.type = 3, expected str"]),
    ("arch.arg={}", ["arch.arg is not a key here: did you mean 'args'? expected one of: args, ty"]),
    ("optimizer.args=[1]", ["optimizer.args = [1], expected an object of arguments"]),
])
def test_a_wrong_value_is_refused(tmp_path, override, words):
    message = complaint(write(tmp_path, VALID), override)
    assert all(word in message for word in words), message


@pytest.mark.parametrize("missing", ["arch", "dataset", "optimizer", "loss", "trainer"])
def test_a_missing_section_is_named(tmp_path, missing):
    raw = {key: value for key, value in VALID.items() if key != missing}
    assert complaint(write(tmp_path, raw)) == f"config.{missing} is missing"


@pytest.mark.parametrize("text, words", [
    ("", "expected JSON, the file is empty"),
    (" \n", "expected JSON, the file is empty"),
    ("{'a': 1}", "expected JSON, Expecting property name"),
    ('{"a": 1,}', "line 1 column"),
    ("[1, 2]", "expected a JSON object, found list"),
    ("3", "expected a JSON object, found int"),
])
def test_a_file_that_is_no_config(tmp_path, text, words):
    assert words in complaint(write(tmp_path, text))


def test_a_file_that_cannot_be_read(tmp_path):
    assert "cannot read this config (No such file" in complaint(tmp_path / "absent.json")
    assert "cannot read this config (Is a directory)" in complaint(tmp_path)
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "expected JSON in UTF-8" in complaint(binary)


# ---- published configs


def published(**changes):
    """Return a config with every key of the published ones."""
    return {
        **VALID,
        "n_gpu": 1,
        "dataset": {
            "type": "CelebAPrunedAligned_MAFLVal",
            "args": {"root": "data/celeba", "imwidth": 100, "crop": 15, "use_hq_ims": False},
        },
        "trainer": {
            "epochs": 100, "save_dir": "saved/", "log_dir": "saved/", "save_period": 1,
            "verbosity": 2, "monitor": "min val_loss", "early_stop": 10, "tensorboardX": True,
        },
        **changes,
    }


UNREAD = ["n_gpu", "fold_corr", "profile", "vis", "disable_workers", "name", "collate_fn",
          "eval_config", "warp_dir", "weights"]


@pytest.mark.parametrize("key", UNREAD)
def test_a_published_key_that_nothing_ever_read_is_noted(tmp_path, key):
    config = read_config(write(tmp_path, {**VALID, key: True}))
    assert config.notes == [f"config: '{key}' is accepted but changes nothing"]
    assert config.raw[key] is True


def test_a_published_config_is_taken_as_it_is(tmp_path):
    raw = published()
    config = read_config(write(tmp_path, raw))
    assert [note.split("'")[1] for note in config.notes] == [
        "n_gpu", "trainer.log_dir", "trainer.early_stop"
    ]
    assert config.trainer.patience == 0  # early_stop never stopped anything
    assert config.dataset == raw["dataset"]  # use_hq_ims is read for this data set
    assert config.raw == raw


@pytest.mark.parametrize("inside_args", [False, True])
def test_a_misspelt_published_argument_is_noted(tmp_path, inside_args):
    section = {
        "type": "IntermediateKeypointPredictor",
        "args": {"num_intermediate_points": 50, "softargmax_mul": 100.0},
    }
    (section["args"] if inside_args else section)["softmaxarg_mul"] = 100.0
    config = read_config(write(tmp_path, {**LANDMARKS, "dataset": VALID["dataset"],
                                          "keypoint_regressor": section}))
    key = "keypoint_regressor.args.softmaxarg_mul" if inside_args else (
        "keypoint_regressor.softmaxarg_mul")
    assert config.notes == [f"config: '{key}' is accepted but changes nothing"]
    assert config.keypoint_regressor["args"] == {
        "num_intermediate_points": 50, "softargmax_mul": 100.0
    }


def test_the_choice_of_celeba_images_is_noted_where_there_is_none(tmp_path):
    raw = published(n_gpu=1)
    raw["dataset"]["type"] = "AFLW"
    config = read_config(write(tmp_path, raw))
    assert "config: 'dataset.args.use_hq_ims' is accepted but changes nothing" in config.notes
    assert "use_hq_ims" not in config.dataset["args"]


# ---- names of runs


@pytest.mark.parametrize("place, name", [
    ("configs/celeba/smallnet-16d-dve.json", "celeba-smallnet-16d-dve"),
    ("celeba/config.json", "celeba-config"),
    ("saved/models/celeba-smallnet/2019-08-08_17-56-24/config.json", "celeba-smallnet"),
    ("saved/models/aflw-few/2019-08-08_17-56-24/seed-2/config.json", "aflw-few"),
    ("saved/models/celeba-smallnet/2019-08-08_17-56-24/other.json", "2019-08-08_17-56-24-other"),
])
def test_the_name_of_a_run(tmp_path, place, name):
    assert read_config(write(tmp_path, VALID, place)).name == name


def test_a_relative_path_names_a_run_by_its_real_folder(tmp_path, monkeypatch):
    write(tmp_path, VALID, "celeba/small.json")
    monkeypatch.chdir(tmp_path / "celeba")
    assert read_config("small.json").name == "celeba-small"


def test_a_config_is_sought_in_the_working_folder_then_in_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "configs/synthetic/smallnet-64d.json"
    config = read_config(name)
    assert config.path == ROOT / name and config.name == "synthetic-smallnet-64d"
    own = json.loads((ROOT / name).read_text()) | {"batch_size": 3}
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(json.dumps(own))
    assert (read_config(name).path, read_config(name).batch_size) == (Path(name), 3)
    with pytest.raises(ConfigError, match="^configs/absent.json: cannot read"):
        read_config("configs/absent.json")
