"""Foreign checkpoints: they load as they are, nothing in them runs, hostile ones are refused."""

import os
import pickle
import sys
from collections import OrderedDict

import pytest
import torch

from tests.data_helpers.hostile_objects import hostile_objects
from tests.data_helpers.published import (
    published_shapes,
    published_state_dict,
    save_as_cuda,
    save_published,
)
from tests.data_helpers.raw_checkpoints import Call, assert_refused, assert_same_tensors
from utils.checkpoint.foreign import read_foreign_checkpoint
from utils.checkpoint.parts import backbone_state, regressor_state
from utils.errors import UserError

both_formats = pytest.mark.parametrize("zip_format", [False, True], ids=["legacy", "zip"])


# Published files

@both_formats
@pytest.mark.parametrize("plain_config", [False, True])
@pytest.mark.parametrize("model", ["smallnet64", "regressor"])
def test_published_file_gives_its_tensors_epoch_and_arch(tmp_path, model, plain_config, zip_format):
    path, state = tmp_path / "checkpoint-epoch100.pth", published_state_dict(model)
    save_published(path, state, zip_format, plain_config=plain_config)
    content = path.read_bytes()
    assert b"cuda:0" in content and (plain_config or b"PosixPath" in content)
    assert content.startswith(b"PK" if zip_format else b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")

    checkpoint = read_foreign_checkpoint(path)

    assert_same_tensors(checkpoint["state_dict"], state)
    assert checkpoint["epoch"] == 100 and checkpoint["arch"] == "SmallNet"
    assert "parse_config" not in sys.modules and "logger.logger" not in sys.modules


@both_formats
def test_every_kind_of_tensor_is_read_as_torch_reads_it(tmp_path, zip_format):
    base = torch.arange(24.0).reshape(4, 6)
    state = {
        "transposed": base.T, "part": base[1:3, ::2], "shared": base, "scalar": torch.tensor(5),
        "empty": torch.empty(0, 3), "parameter": torch.nn.Parameter(torch.ones(2)),
        **{str(dtype): torch.arange(5).to(dtype) for dtype in (
            torch.float64, torch.float16, torch.bfloat16, torch.int32, torch.int16, torch.int8,
            torch.uint8, torch.bool)},
    }
    path = tmp_path / "kinds.pth"
    torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=zip_format)
    checkpoint = read_foreign_checkpoint(path)
    assert_same_tensors(checkpoint["state_dict"], torch.load(path, weights_only=True)["state_dict"])
    assert checkpoint["epoch"] is None and checkpoint["arch"] is None


@both_formats
@pytest.mark.parametrize("pickle_protocol", [2, 3, 4, 5])
def test_every_pickle_protocol_of_python_3_is_read(tmp_path, pickle_protocol, zip_format):
    state = OrderedDict(weight=torch.arange(3.0))
    path = tmp_path / "protocol.pth"
    save_as_cuda({"epoch": 3, "state_dict": state}, path, zip_format, pickle_protocol)
    checkpoint = read_foreign_checkpoint(path)
    assert_same_tensors(checkpoint["state_dict"], state)
    assert checkpoint["epoch"] == 3


@both_formats
def test_a_module_that_happens_to_have_the_foreign_name_is_not_imported(
        tmp_path, zip_format, monkeypatch):
    path = tmp_path / "checkpoint.pth"
    save_published(path, published_state_dict("smallnet64"), zip_format)
    for name in ("parse_config", "logger"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    read_foreign_checkpoint(path)
    assert "parse_config" not in sys.modules


# Which keys belong to which network

@pytest.mark.parametrize("prefix", ["", "module."])
def test_embedding_state_is_the_backbones(prefix):
    state = published_state_dict("smallnet64")
    prefixed = {prefix + name: tensor for name, tensor in state.items()}
    assert_same_tensors(backbone_state(prefixed), state)
    assert regressor_state(prefixed) is None


@pytest.mark.parametrize("outer, inner, place", [
    ("", "", "1."), ("", "", "2."), ("module.", "", "1."), ("", "module.", "1.")])
def test_regressor_state_is_split_and_its_unused_keys_dropped(outer, inner, place):
    published = published_state_dict("regressor")
    state = {outer + _moved(name, inner, place): tensor for name, tensor in published.items()}
    backbone, regressor = backbone_state(state), regressor_state(state)
    shapes = published_shapes("smallnet64")
    shapes.update({"conv6.weight": (16, 256, 1, 1), "conv6.bias": (16,)})
    assert {name: tensor.shape for name, tensor in backbone.items()} == shapes
    assert_same_tensors(regressor, {name: published[f"1.{name}"]
                                    for name in ("inner_conv.weight", "reg_conv.weight")})
    assert torch.equal(backbone["conv3.0.weight"], published["0.wrapped_module.conv3.0.weight"])


def _moved(name, inner, place):
    if name.startswith("1."):
        return place + name[2:]
    return name.replace("0.wrapped_module.", f"0.wrapped_module.{inner}")


@pytest.mark.parametrize("name", ["1.extra", "3.inner_conv.weight", "descriptors"])
def test_unknown_regressor_key_is_an_error(name):
    state = {**published_state_dict("regressor"), name: torch.zeros(1)}
    with pytest.raises(UserError, match=name):
        regressor_state(state)


def test_regressor_without_its_weights_is_an_error():
    state = published_state_dict("regressor")
    del state["1.reg_conv.weight"]
    with pytest.raises(UserError, match="reg_conv"):
        backbone_state(state)


# Hostile files

@both_formats
@pytest.mark.parametrize("pickle_protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", hostile_objects(""))
def test_hostile_file_is_refused_and_has_not_run(tmp_path, name, pickle_protocol, zip_format):
    marker, path = tmp_path / "it-ran", tmp_path / "hostile.pth"
    hostile, named = hostile_objects(marker)[name]
    contents = {"state_dict": {"weight": torch.ones(3)}, "epoch": 1, "config": hostile}
    save_as_cuda(contents, path, zip_format, pickle_protocol)
    assert_refused(path, named)
    assert not marker.exists()


@both_formats
@pytest.mark.parametrize("name", ["os.system", "eval", "exec", "open", "subprocess", "getattr"])
def test_hostile_file_does_run_when_it_is_trusted(tmp_path, name, zip_format):
    """The test above would show nothing if its files were harmless."""
    marker, path = tmp_path / "it-ran", tmp_path / "hostile.pth"
    hostile, _ = hostile_objects(marker)[name]
    save_as_cuda({"state_dict": {}, "config": hostile}, path, zip_format)
    torch.load(path, map_location="cpu", weights_only=False)
    assert marker.exists()


@both_formats
def test_every_truncated_file_is_refused(tmp_path, zip_format):
    path = tmp_path / "whole.pth"
    save_published(path, {"w": torch.ones(50), "b": torch.zeros(2)}, zip_format)
    content = path.read_bytes()
    cut = tmp_path / "cut.pth"
    for length in range(0, len(content), max(1, len(content) // 80)):
        cut.write_bytes(content[:length])
        assert_refused(cut)


@both_formats
def test_damaged_bytes_never_lead_to_anything_but_an_error_line(tmp_path, zip_format):
    path = tmp_path / "whole.pth"
    save_published(path, {"w": torch.ones(50), "b": torch.zeros(2)}, zip_format)
    content = path.read_bytes()
    generator = torch.Generator().manual_seed(0)
    refused = 0
    for _ in range(120):
        place, value = (int(torch.randint(n, (), generator=generator)) for n in (len(content), 256))
        path.write_bytes(content[:place] + bytes([value]) + content[place + 1:])
        try:
            read_foreign_checkpoint(path)
        except UserError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize("content", [
    b"", b"PK\x03\x04", b"\xff\xd8\xff\xe0 a JPEG", b"some text\n" * 100,
    pickle.dumps({"state_dict": {}}), pickle.dumps(Call(os.system, "true"))],
    ids=lambda content: repr(content[:12]))
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.pth"
    path.write_bytes(content)
    assert_refused(path)


def test_missing_file_and_folder_are_refused(tmp_path):
    assert_refused(tmp_path / "missing.pth", "No such file")
    assert_refused(tmp_path, "directory")


# Other ways to save a model


@both_formats
@pytest.mark.parametrize("as_parameters", [False, True])
def test_a_bare_state_dict_is_one(tmp_path, zip_format, as_parameters):
    state = published_state_dict("smallnet64")
    if as_parameters:
        state = OrderedDict((name, torch.nn.Parameter(tensor, tensor.is_floating_point()))
                            for name, tensor in state.items())
    path = tmp_path / "weights.pt"
    torch.save(state, path, _use_new_zipfile_serialization=zip_format)
    found = read_foreign_checkpoint(path)
    assert_same_tensors(found.pop("state_dict"), published_state_dict("smallnet64"))
    assert found == {"epoch": None, "arch": None, "config": None}


def save_torchscript(network, path):
    torch.jit.save(torch.jit.trace(network, torch.ones(1, 2)), path)


def save_exported(network, path):
    torch.export.save(torch.export.export(network, (torch.ones(1, 2),)), path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("save, message", [
    (save_torchscript, "it is a TorchScript or an exported program, expected the checkpoint"),
    (save_exported, "it is a TorchScript or an exported program, expected the checkpoint"),
    (torch.save, "it names 'torch.nn.modules.linear.Linear', which weights do not need"),
    (lambda network, path: torch.save({"model": network.state_dict()}, path),
     "it holds no 'state_dict', expected the checkpoint of a training, or what torch.save"),
])
def test_what_holds_more_or_less_than_weights_is_reported(tmp_path, save, message):
    path = tmp_path / "model.pt2"
    save(torch.nn.Linear(2, 2), path)
    with pytest.raises(UserError) as told:
        read_foreign_checkpoint(path)
    assert str(told.value).startswith(f"{path}: refused as a checkpoint: {message}")
