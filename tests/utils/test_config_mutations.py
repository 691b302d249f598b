"""Every key of a config in turn removed, misspelt, of a wrong type and out of range: a clear error,
or a default that is documented; never a traceback, now or at a later epoch.
"""

import copy
import inspect
import json
import math
import re
from dataclasses import replace
from functools import cache

import pytest

from data_loader import DATASETS, synthetic_faces
from model.smallnet import SmallNet
from tests.data_helpers.tiny_runs import ROOT
from trainer import training
from trainer.evaluation.results import Results
from utils.checkpoint.save_and_load import save_checkpoint
from utils.config.mini_run import Limits
from utils.config.objects import check_arguments
from utils.config.read import UNREAD_KEYS, read_config
from utils.errors import ConfigError, UserError

ONE_STEP = Limits(images=2, evaluation_images=2, batch_size=2)
KINDS = {
    "embedding": "celeba/smallnet-64d-dve.json",
    "landmarks": "aflw-mtfl-limit-annos-ft-keypoints/10-annos-celeba-smallnet-3d.json",
}
MORE = {  # what published configs leave out
    "batch_size": 2, "seed": 0, "num_workers": 0, "cache": "off", "cache_dir": None,
    "bias_lr": 1e-5, "metrics": [], "warp_val": True, "deterministic": False,
    "descriptor_precision": "float16",
}
MORE_OF_TRAINER = {
    "verbosity": 0, "tensorboardX": False, "monitor": "min val_loss", "patience": 3,
    "keep_last": 1, "keep_best": 1, "accumulation": 1, "sync_batchnorm": True,
    "on_nonfinite": "halt", "precision": "float32",
}
WARPS = {"warpsd_all": 0.001, "warpsd_subset": 0.01, "transsd": 0.1, "scalesd": 0.1, "rotsd": 5}
WRONG_TYPES = {bool: ["x", 3, None], int: ["x", [], True], float: ["x", {}, True],
               str: [3, [], None], dict: ["x", [], 3], list: ["x", {}, [[]]], type(None): [3, []]}
ODD_VALUES = {int: [-1, 0, math.nan, 2 ** 70], float: [-1, 1e30, math.inf, 2 ** 70],
              str: ["", "\0", "nonsense", "x" * 300], list: [[], ["x"], [math.nan]],
              dict: [{}, {"x": 1}]}
FACES = cache(synthetic_faces.render_face)
UNREAD = {tuple(key.split(".")) for key in UNREAD_KEYS}


def full_config(kind):
    """Return a published config on generated faces, with every key that can be of use to it."""
    raw = json.loads((ROOT / "configs" / KINDS[kind]).read_text())
    faces = {"imwidth": 24, "crop": 4, "num_images": 4, "do_augmentations": False,
             "use_keypoints": kind == "landmarks", "images_per_identity": 1, "num_landmarks": 5,
             "seed": 0}
    raw["dataset"] = {"type": "SyntheticFaces", "args": faces}
    raw["arch"]["args"]["num_output_channels"] = 4
    raw["warper"]["args"] = WARPS
    raw["trainer"] = {**raw["trainer"], **MORE_OF_TRAINER, "save_dir": "saved"}
    raw["visualizations"] = []
    raw.setdefault("lr_scheduler", {"type": "StepLR", "args": {"step_size": 2, "gamma": 0.5}})
    if kind == "landmarks":
        raw.update(finetune_from="embedding.pth", restrict_annos=2,
                   keypoint_regressor_upsample=False)
    return {**MORE, **raw}


def keys_of(section, outer=()):
    for name, value in section.items():
        if (*outer, name) not in UNREAD:
            yield (*outer, name)
        if isinstance(value, dict):
            yield from keys_of(value, (*outer, name))


SHARED = set(keys_of(full_config("embedding"))) & set(keys_of(full_config("landmarks")))
CASES = [(kind, keys) for kind in KINDS for keys in keys_of(full_config(kind))
         if kind == "embedding" or keys not in SHARED]
each_key = pytest.mark.parametrize(
    "kind, keys", CASES, ids=[f"{kind} {'.'.join(keys)}" for kind, keys in CASES])


def changed(kind, keys, change):
    """Return a config in which ``change(section, key)`` was called."""
    raw = copy.deepcopy(full_config(kind))
    section = raw
    for name in keys[:-1]:
        section = section[name]
    change(section, keys[-1])
    return raw


def with_value(kind, keys, value):
    return changed(kind, keys, lambda section, key: section.update({key: value}))


def value_at(kind, keys):
    value = full_config(kind)
    for name in keys:
        value = value[name]
    return value


@pytest.fixture(scope="module")
def embedding(tmp_path_factory):
    path = tmp_path_factory.mktemp("start") / "embedding.pth"
    save_checkpoint(path, {"state_dict": SmallNet(4).state_dict()})
    return path


@pytest.fixture
def complaint(tmp_path, monkeypatch, one_thread, embedding):
    """Return a function that takes a training step; what it says of the config, "" for nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "embedding.pth").symlink_to(embedding)
    monkeypatch.setattr(training, "evaluate", lambda *_: Results({}, 0, {}))
    monkeypatch.setattr(synthetic_faces, "render_face", FACES)
    path = tmp_path / "one.json"

    def take_step(raw):
        path.write_text(json.dumps(raw))
        try:
            training.train_seeds(replace(read_config(path).mini(), limits=ONE_STEP))
        except UserError as error:
            assert "\n" not in str(error) and len(str(error)) < 700
            return str(error)
        return ""

    return take_step


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_config_trains(complaint, kind):
    assert complaint(full_config(kind)) == ""


def named(keys, message):
    """Whether a message names a key with the sections around it, as ``trainer.epochs``."""
    return re.search(r"\b" + re.escape(".".join(keys)) + r"\b", message) is not None


@each_key
def test_a_missing_key_has_a_default_or_is_asked_for(complaint, kind, keys):
    message = complaint(changed(kind, keys, lambda section, key: section.pop(key)))
    assert message == "" or named(keys, message)


@each_key
def test_a_misspelt_key_is_named(complaint, kind, keys):
    def misspell(section, key):
        section[f"{key}x"] = section.pop(key)

    assert named((*keys[:-1], f"{keys[-1]}x"), complaint(changed(kind, keys, misspell)))


@each_key
def test_a_value_of_another_type_is_named(complaint, kind, keys):
    value = value_at(kind, keys)
    for wrong in WRONG_TYPES[type(value)]:
        if wrong is not None or not is_optional(keys):
            message = complaint(with_value(kind, keys, wrong))
            assert named(keys, message), (wrong, message)


def is_optional(keys):
    return keys in {("finetune_from",), ("cache_dir",)} or len(keys) == 1 and keys[0] in {
        "warper", "lr_scheduler", "bias_lr", "num_workers", "restrict_annos"}


@each_key
def test_a_value_out_of_range_is_named_or_trains(complaint, kind, keys):
    value = value_at(kind, keys)
    for odd in ODD_VALUES.get(type(value), []):
        message = complaint(with_value(kind, keys, odd))
        assert message == "" or named(keys, message) or "the gradient is" in message, (odd, message)


@pytest.mark.parametrize("name", DATASETS)
def test_an_argument_of_a_data_set_of_another_type_is_named(name):
    cls = DATASETS[name]
    given = {"root": "somewhere", "imwidth": 32}
    valid = {key: value for key, value in given.items() if key in inspect.signature(cls).parameters}
    check_arguments(cls, valid, "dataset.args", runtime=("split",))
    for key in inspect.signature(cls).parameters.keys() - {"split"}:
        with pytest.raises(ConfigError, match=rf"dataset\.args\.{key} = \{{\}}, expected "):
            check_arguments(cls, {**valid, key: {}}, "dataset.args", runtime=("split",))
        with pytest.raises(ConfigError, match=rf"dataset\.args\.{key}x is not a key here"):
            check_arguments(cls, {**valid, f"{key}x": 3}, "dataset.args", runtime=("split",))


@pytest.mark.parametrize("section, words", [
    ({"type": "MultiStepLR", "args": {"milestones": ["x"]}},
     "lr_scheduler.args.milestones = ['x'], expected list of int"),
    ({"type": "MultiStepLR", "args": {"milestones": [1], "gamma": "x"}},
     "lr_scheduler.args.gamma = 'x', expected float"),
    ({"type": "MultiStepLR", "args": {"milestones": [5], "gamma": -1}},
     "lr_scheduler.args.gamma = -1, expected what MultiStepLR takes (after epoch 5 the learning "
     "rate is -"),
    ({"type": "StepLR", "args": {"gamma": 0.5, "step_size": 0}},
     "lr_scheduler.args.step_size = 0, expected what StepLR takes (integer modulo by zero)"),
    ({"type": "StepLR", "args": {"step_size": 2, "gamma": -0.5}},
     "lr_scheduler.args.gamma = -0.5, expected what StepLR takes (after epoch 2"),
    ({"type": "CosineAnnealingLR", "args": {"T_max": 0}}, "lr_scheduler.args.T_max = 0, "),
    ({"type": "OneCycleLR", "args": {"max_lr": 0.1, "total_steps": 7}},
     "lr_scheduler.args.total_steps = 7, expected what OneCycleLR takes (Tried to step 8 times"),
])
def test_a_schedule_that_would_fail_later_is_refused_at_once(complaint, section, words):
    assert words in complaint({**full_config("embedding"), "lr_scheduler": section})


@pytest.mark.parametrize("args, words", [
    ({"lr": "x"}, "optimizer.args.lr = 'x', expected float"),
    ({"betas": [0.9]}, "optimizer.args.betas = [0.9], expected list of float"),
    ({"lr": -1}, "optimizer.args.lr = -1, expected what Adam takes (Invalid learning rate: -1)"),
    ({"lr": 0.1, "eps": -1}, "optimizer.args.eps = -1, expected what Adam takes (Invalid epsilon"),
    ({"weight_decay": -2, "lr": 0.1}, "optimizer.args.weight_decay = -2, expected what Adam takes"),
    ({"betas": [0.9, 2]},
     "optimizer.args.betas = [0.9, 2], expected what Adam takes (Invalid beta parameter at index"),
])
def test_arguments_of_torch_s_own_are_checked_as_well(complaint, args, words):
    assert words in complaint(
        {**full_config("embedding"), "optimizer": {"type": "Adam", "args": args}})
