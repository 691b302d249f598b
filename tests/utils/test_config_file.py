"""Config files, JSON and YAML: the same values from both, and what neither lets through."""

import json
from pathlib import Path

import pytest
import yaml

from tests.data_helpers.tiny_runs import EMBEDDING
from utils.config.read import read_config
from utils.errors import ConfigError

IMAGES = {"type": "LandmarkFolder", "args": {"root": "data/x", "imwidth": 32}}
VALID = {**EMBEDDING, "dataset": IMAGES}
BY_HAND = """\
# a comment
arch: {type: SmallNet, args: {num_output_channels: 4}}
dataset:
  type: LandmarkFolder
  args: &images
    root: data/2019-08-08
    imwidth: 32
optimizer:
  type: Adam
  args: {lr: 1e-3, betas: [.9, 0.999], eps: 1E-8}
loss: dense_correlation_loss_dve
warper: ~
trainer:
  epochs: 3
  monitor: off
  tensorboardX: False
cache: off
bias_lr: 2.5e-4
"""


def write(tmp_path, content, name="one.yaml"):
    path = tmp_path / "configs" / "celeba" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def complaint(path, *overrides):
    """Return what a config is refused with, after its path; one line."""
    with pytest.raises(ConfigError) as error:
        read_config(path, overrides)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("suffix", ["yaml", "yml", "YAML"])
@pytest.mark.parametrize("flow", [True, False, None])
def test_yaml_gives_what_json_gives(tmp_path, suffix, flow):
    path = write(tmp_path, yaml.safe_dump(VALID, default_flow_style=flow), f"small.{suffix}")
    config = read_config(path, ["trainer.epochs=7"])
    expected = read_config(write(tmp_path, json.dumps(VALID), "small.json"), ["trainer.epochs=7"])
    assert config.raw == expected.raw
    assert config.name == expected.name == "celeba-small"


def test_yaml_as_people_write_it(tmp_path):
    raw = read_config(write(tmp_path, BY_HAND)).raw
    assert raw["optimizer"]["args"] == {"lr": 0.001, "betas": [0.9, 0.999], "eps": 1e-8}
    assert raw["trainer"] == {"epochs": 3, "monitor": "off", "tensorboardX": False}
    assert (raw["cache"], raw["warper"], raw["bias_lr"]) == ("off", None, 0.00025)
    assert raw["dataset"]["args"]["root"] == "data/2019-08-08"


@pytest.mark.parametrize("text, value", [
    ("1e-3", 1e-3), ("-2E+4", -2e4), ("1.", 1.0), (".5", 0.5), ("+3", 3), ("0", 0),
    ("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None),
    ("yes", "yes"), ("No", "No"), ("on", "on"), ("off", "off"), ("2019-08-08", "2019-08-08"),
    ("12:30", "12:30"), ("010", "010"), ("0x1F", "0x1F"), ("1_000", "1_000"), ("'3'", "3"),
    ("1e-3x", "1e-3x"), ("1.2.3", "1.2.3"), ("=", "="),
])
def test_a_plain_word_of_yaml_is_a_number_only_where_it_looks_like_one(tmp_path, text, value):
    raw = read_config(write(tmp_path, f"{BY_HAND}name: {text}\n")).raw
    assert raw["name"] == value and type(raw["name"]) is type(value)


def test_an_alias_is_a_copy(tmp_path):
    text = BY_HAND + "loss_args: &one {pow: 0.5}\nname: *one\n"
    raw = read_config(write(tmp_path, text), ["loss_args.pow=0.25"]).raw
    assert (raw["loss_args"], raw["name"]) == ({"pow": 0.25}, {"pow": 0.5})


def test_a_merge_adds_what_is_not_given(tmp_path):
    text = BY_HAND + "weights: {<<: *images, imwidth: 64}\n"
    assert read_config(write(tmp_path, text)).raw["weights"] == {
        "root": "data/2019-08-08", "imwidth": 64}


@pytest.mark.parametrize("name, text, expected", [
    ("a.json", '{"loss": "a",\n "trainer": {"epochs": 1,\n\t"epochs": 2}}',
     "key 'epochs' is given twice, in lines 2 and 3"),
    ("a.json", '{"loss": "a", "loss": "b"}', "key 'loss' is given twice, in line 1"),
    ("a.json", '{"trainer": {"a\x7f": 1, "b": 1, "b": 2}}', "key 'b' is given twice"),
    ("a.yaml", "loss: a\ntrainer:\n  epochs: 1\n  epochs: 2\n",
     "key 'epochs' is given twice, in lines 3 and 4"),
    ("a.yml", "- loss: a\n  loss: b\n", "key 'loss' is given twice, in lines 1 and 2"),
    ("a.yaml", "trainer: {epochs: 1\nloss: a", "expected YAML, while parsing a flow mapping"),
    ("a.yaml", "loss: a\n\ttrainer: b", "line 2"),
    ("a.yaml", "loss: a\n---\nloss: b", "expected YAML, expected a single document"),
    ("a.yaml", "loss: !!python/object:os.system x", "could not determine a constructor"),
    ("a.yaml", "loss: !!binary aGk=", "found a value that JSON lacks"),
    ("a.yaml", "loss: &a [*a]", "expected YAML, maximum recursion depth"),
    ("a.yaml", "loss: a\n1: b", "the key in line 2 is no text"),
    ("a.yaml", "loss: \x01", "unacceptable character"),
    ("a.yaml", "# nothing", "expected a YAML object, found NoneType"),
    ("a.yaml", " ", "expected YAML, the file is empty"),
    ("a.yaml", "- a", "expected a YAML object, found list"),
])
def test_what_is_no_config_is_reported_with_its_line(tmp_path, name, text, expected):
    assert expected in complaint(write(tmp_path, text, name))


def test_aliases_of_aliases_do_not_fill_the_memory(tmp_path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi")]
    assert "more than 100000 values" in complaint(write(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
def test_the_marks_of_editors(tmp_path, name):
    text = json.dumps(VALID)
    assert read_config(write(tmp_path, text.encode("utf-8-sig"), name)).raw == VALID
    assert "in UTF-8 (this is UTF-16)" in complaint(write(tmp_path, text.encode("utf-16"), name))
    assert "(invalid start byte at byte 1)" in complaint(write(tmp_path, b"{\xff}", name))


@pytest.mark.parametrize("text, value", [("True", True), ("False", False), ("None", None),
                                         ('"True"', "True"), ("TRUE", "TRUE")])
def test_pythons_words_are_values_of_keys_that_are_no_text(tmp_path, text, value):
    path = write(tmp_path, json.dumps(VALID), "a.json")
    raw = read_config(path, [f"dataset.args.use_keypoints={text}", f"loss={text}"]).raw
    assert raw["dataset"]["args"]["use_keypoints"] == value
    assert raw["loss"] == text.strip('"')


def test_the_home_folder_in_every_key_that_holds_a_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = write(tmp_path, json.dumps(VALID), "a.json")
    config = read_config(path, [
        "trainer.save_dir=~/runs", "cache_dir=~", "finetune_from=~/a.pth",
        "dataset.args.root=~/faces", 'dataset.args.annotation=["~/a.csv", "b.csv"]'])
    home = str(tmp_path)
    assert config.trainer.save_dir == f"{home}/runs"
    assert config.cache_dir == home
    assert config.finetune_from == f"{home}/a.pth"
    assert config.dataset["args"]["root"] == f"{home}/faces"
    assert config.dataset["args"]["annotation"] == [f"{home}/a.csv", "b.csv"]
    assert config.raw["trainer"]["save_dir"] == "~/runs"  # as it was given
    assert Path(read_config(path).trainer.save_dir) == Path("saved")


@pytest.mark.parametrize("key, where", [
    ("trainer.save_dir", "trainer.save_dir"), ("cache_dir", "config.cache_dir"),
    ("finetune_from", "config.finetune_from"), ("dataset.args.root", "dataset.args.root"),
])
def test_an_empty_path_is_refused(tmp_path, key, where):
    path = write(tmp_path, json.dumps(VALID), "a.json")
    assert complaint(path, f"{key}=") == f"{where} = '', expected a path, not empty"
