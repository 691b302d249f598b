"""The 111 published experiments as configs, against every value that was published of them."""

import json
import re
from functools import cache

import pytest
import torch

from misc.generate_configs import TEMPLATES, generate, layout
from misc.generate_configs import main as generate_configs
from misc.published import CONFIGS, load_experiments
from model import BACKBONES, METRICS, REGRESSORS
from tests.data_helpers import published_recipes as recipes
from tests.data_helpers.published_recipes import Named, in_effect, published
from trainer.optimisation import build_optimizer, build_scheduler
from trainer.parts import build_loss
from utils.cli import EXIT_USER_ERROR, run_program
from utils.config.objects import build
from utils.config.read import flatten, read_config
from utils.errors import ConfigError

PUBLISHED = load_experiments()
EXAMPLES = {  # names that the README and the paper's tables use
    "celeba-smallnet-16d-dve": "celeba/smallnet-16d-dve",
    "aflw-mtfl-ft-celeba-hourglass-64d-dve": "aflw-mtfl-ft/celeba-hourglass-64d-dve",
    "mafl-keypoints-celeba-smallnet-64d-dve": "mafl-keypoints/celeba-smallnet-64d-dve",
    "300w-ft-keypoints-celeba-smallnet-3d": "300w-ft-keypoints/celeba-smallnet-3d",
    "aflw-mtfl-limit-annos-ft-keypoints-10-annos-celeba-smallnet-64d-dve":
        "aflw-mtfl-limit-annos-ft-keypoints/10-annos-celeba-smallnet-64d-dve",
}

FOUND = {f"{path.parent.name}-{path.stem}": f"{path.parent.name}/{path.stem}"
         for path in CONFIGS.glob("*/*.json")}
CONFIG_PATHS = sorted(path for name, path in FOUND.items() if name in PUBLISHED)

LIKELIHOODS = sorted(FOUND[f"{name}-likelihood"] for name in PUBLISHED
                     if f"{name}-likelihood" in FOUND)

each_config = pytest.mark.parametrize("named", list(map(Named, CONFIG_PATHS)), ids=CONFIG_PATHS)


# The set as a whole

def test_the_configs_are_the_published_experiments():
    assert len(PUBLISHED) == 111 and recipes.VALUES.keys() == PUBLISHED.keys()
    assert PUBLISHED.keys() <= FOUND.keys()
    ours = {f"{path}.json" for path in [*CONFIG_PATHS, *LIKELIHOODS]}
    assert {path.as_posix() for path in generate()} == ours
    for name, path in EXAMPLES.items():
        assert name in PUBLISHED and FOUND[name] == path


def test_the_committed_configs_are_as_generated(capsys):
    assert run_program(lambda: generate_configs(["--check"])) == 0
    assert capsys.readouterr().out == "121 configs, 0 written\n"


def test_check_names_a_config_that_was_edited_and_leaves_it(tmp_path, capsys):
    generate_configs(["--into", str(tmp_path)])
    edited = tmp_path / "celeba" / "smallnet-16d-dve.json"
    edited.write_text(edited.read_text().replace("0.001", "0.002"))
    capsys.readouterr()
    command = ["--into", str(tmp_path)]
    assert run_program(lambda: generate_configs([*command, "--check"])) == EXIT_USER_ERROR
    message = capsys.readouterr().err
    assert str(edited) in message and message.startswith("error: 1 of 121")
    assert "0.002" in edited.read_text()
    generate_configs(command)
    assert capsys.readouterr().out == "121 configs, 1 written\n"
    assert edited.read_bytes() == (CONFIGS / "celeba" / "smallnet-16d-dve.json").read_bytes()


def test_check_misses_a_config_that_is_not_there(tmp_path):
    code = run_program(lambda: generate_configs(["--into", str(tmp_path), "--check"]))
    assert code == EXIT_USER_ERROR
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", LIKELIHOODS)
def test_the_recipe_of_this_project_changes_what_it_says_and_nothing_else(path):
    ours, theirs = (flatten(read_config(CONFIGS / f"{name}.json").raw)
                    for name in (path, path.removesuffix("-likelihood")))
    changed = {key.split(".")[0] for key in ours.keys() | theirs.keys()
               if ours.get(key) != theirs.get(key)}
    recipe = {"arch", "optimizer", "lr_scheduler"}
    if "keypoints" in path:
        assert changed == recipe | {"finetune_from", "keypoint_regressor", "trainer"}
        assert "finetune_from" not in ours
    else:
        assert changed == recipe | {"loss", "loss_args"}
        assert ours["loss"] == "dense_likelihood_loss_dve"
    assert ours["arch.args.unit_length"] is True


def test_the_recipe_has_configs_of_both_backbones_on_every_data_set():
    assert len(LIKELIHOODS) == 10


def test_no_slot_is_left_open():
    for text in generate().values():
        assert not re.search(r"\{\w+\}", text)


@pytest.mark.parametrize("template", sorted(path.name for path in TEMPLATES.iterdir()))
def test_a_template_is_refused_as_an_experiment(template):
    with pytest.raises(ConfigError, match=template):
        read_config(TEMPLATES / template)


@pytest.mark.parametrize("value", [
    {}, {"a": {}}, {"a": [1, {"b": None}], "c": {"d": "x" * 90, "e": 1e-05}},
    {"long": {f"member {n}": n / 3 for n in range(20)}, "one": {"over": {"another": "y" * 99}}},
])
def test_layout_is_json_of_the_same_value(value):
    assert json.loads(layout(value)) == value


def test_lines_are_short_where_they_can_be():
    for text in generate().values():
        long = [line.strip() for line in text.splitlines() if len(line) > 100]
        assert all(line.startswith('"finetune_from": "') for line in long)


# Each config

@each_config
def test_config_is_valid_and_its_run_has_the_published_name(named):
    config = read_config(CONFIGS / named.folder / f"{named.stem}.json")
    assert config.name == f"{named.folder}-{named.stem}"
    assert {note.split("'")[1] for note in config.notes} == {
        "n_gpu", "trainer.log_dir", "trainer.early_stop"}


@each_config
def test_sections_that_need_no_files_build(named):
    experiment = named.experiment
    backbone = _network(named.arch, named.dim)
    optimizer = build_optimizer(experiment, backbone)
    build_loss(experiment, torch.device("cpu"))
    build_scheduler(experiment, optimizer, steps_per_epoch=2)
    rates = {group["lr"] for group in optimizer.param_groups}
    lr = named.published["optimizer"][1]["lr"]
    assert rates == {lr, named.published.get("bias_lr", lr)}
    assert set(experiment.metrics) <= METRICS.keys()
    if named.is_landmark:
        section = experiment.keypoint_regressor
        regressor = build(section, REGRESSORS, "", descriptor_dimension=named.dim)
        num_landmarks = recipes.NUM_LANDMARKS.get(named.published["dataset"], 5)
        assert regressor.num_annotated_points == num_landmarks


@each_config
def test_network_has_the_published_number_of_parameters(named):
    """Of a landmark experiment the backbone's were published; its regressor is not counted."""
    arch = named.raw["arch"]
    assert arch == {"type": named.arch, "args": {"num_output_channels": named.dim}}
    count = sum(parameter.numel() for parameter in _network(named.arch, named.dim).parameters())
    assert count == PUBLISHED[f"{named.folder}-{named.stem}"]["params"]


@cache
def _network(arch, dim):
    return BACKBONES[arch](num_output_channels=dim)


@each_config
def test_every_value_is_the_published_one(named):
    """Defaults applied, ours to our config and the published code's to the published one."""
    assert in_effect(named) == published(named)
    assert not recipes.keys_of_our_own(named)


@each_config
def test_what_was_not_published_of_single_experiments_is_the_same_in_all(named):
    trainer = named.raw["trainer"]
    assert named.raw["n_gpu"] == 1
    assert named.raw.get("warper", {}).get("args", {}) == {}
    assert {name: trainer[name] for name in ("save_dir", "log_dir", "verbosity", "tensorboardX")} \
        == {"save_dir": "saved/", "log_dir": "saved/", "verbosity": 2, "tensorboardX": True}
    embedding = named.published["epochs"] == 100
    assert trainer["early_stop"] == (10 if embedding else named.published["epochs"])
    assert trainer.keys() == {"epochs", "save_period", "monitor", "early_stop", "save_dir",
                              "log_dir", "verbosity", "tensorboardX"}


def test_a_value_apart_from_the_published_one_shows():
    """The comparison sees a default that stands in for a published value: AFLW's is false."""
    named = Named("aflw-ft/celeba-smallnet-3d")
    assert published(named)["dataset_args"]["do_augmentations"]
    del named.raw["dataset"]["args"]["do_augmentations"]
    assert not in_effect(named)["dataset_args"]["do_augmentations"]
    celeba = Named("celeba/smallnet-3d")
    celeba.raw["dataset"]["args"]["val_split"] = "mafl"
    assert in_effect(celeba) != published(celeba)


@each_config
def test_start_is_a_published_checkpoint_of_the_same_network(named):
    """And of one whose own config is here, so that it can be learned as well as fetched."""
    if "finetune_from" not in named.published:
        return
    start, _, file = named.raw["finetune_from"].removeprefix("data/saved/models/").split("/")
    folder = "celeba" if start.startswith("celeba-") else f"{named.data}-ft"
    parent = Named(f"{folder}/{start.removeprefix(f'{folder}-')}")
    assert parent.raw["arch"] == named.raw["arch"]
    assert parent.dve == named.dve
    assert file == f"checkpoint-epoch{parent.raw['trainer']['epochs']}.pth"
    assert parent.raw["dataset"]["args"]["crop"] == named.raw["dataset"]["args"]["crop"]
