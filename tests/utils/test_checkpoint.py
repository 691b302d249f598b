"""Checkpoints: whole or not there at all, plain data, refused in one line where they do not fit."""

import errno
import os
import resource
import stat

import pytest
import torch
from torch import nn

from model.smallnet import SmallNet
from utils.checkpoint.save_and_load import (
    continues_run,
    load_weights,
    read_checkpoint,
    save_checkpoint,
)
from utils.disk import write_atomically
from utils.errors import UserError


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def complaint(function, *args):
    """Return the one line with which a call is refused."""
    with pytest.raises(UserError) as error:
        function(*args)
    assert "\n" not in str(error.value)
    return str(error.value)


def state(**more):
    return {"run_name": "tiny", "epoch": 3, "state_dict": SmallNet(4).state_dict(), **more}


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    path = tmp_path / "checkpoint-epoch3.pth"
    optimizer = torch.optim.Adam(SmallNet(4).parameters(), amsgrad=True)
    saved = state(optimizer=optimizer.state_dict(), scheduler=None, config={"a": [1, 0.1, None]})
    save_checkpoint(path, saved)
    found = read_checkpoint(path)
    assert files_in(tmp_path) == [path.name]
    assert found.keys() == saved.keys() | {"format"}
    for name, value in saved["state_dict"].items():
        assert torch.equal(found["state_dict"][name], value)
    for name in ("run_name", "epoch", "optimizer", "scheduler", "config"):
        assert found[name] == saved[name]


def test_a_checkpoint_holds_plain_data_only(tmp_path):
    save_checkpoint(tmp_path / "a.pth", state(config={"lr": 0.1}))
    found = torch.load(tmp_path / "a.pth", weights_only=True)
    assert found["config"] == {"lr": 0.1}


# ---- writing


def fill_then_fail(file):
    file.write(b"half of it")
    file.flush()
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("before", [None, b"the old content"])
def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path, before):
    path = tmp_path / "a.pth"
    if before is not None:
        path.write_bytes(before)
    message = complaint(write_atomically, path, fill_then_fail)
    assert message == f"{path}: cannot write this file (No space left on device)"
    assert files_in(tmp_path) == ([] if before is None else ["a.pth"])
    assert before is None or path.read_bytes() == before


def test_any_other_failure_leaves_the_old_file_and_no_other_too(tmp_path):
    path = tmp_path / "a.pth"
    save_checkpoint(path, state())
    before = path.read_bytes()
    with pytest.raises(Exception, match="local"):  # what has no place in a checkpoint
        save_checkpoint(path, state(config=lambda: None))
    assert files_in(tmp_path) == ["a.pth"]
    assert path.read_bytes() == before


@pytest.fixture
def small_files_only():
    """The kernel refuses to let any file of this process grow past 100 kB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_checkpoint_that_the_disk_refuses_leaves_the_old_one(tmp_path, small_files_only):
    path = tmp_path / "a.pth"
    save_checkpoint(path, {"state_dict": {}, "epoch": 1})
    message = complaint(save_checkpoint, path, state())  # 1.3 MB
    assert message.startswith(f"{path}: cannot write this file (")
    assert files_in(tmp_path) == ["a.pth"]
    assert read_checkpoint(path)["epoch"] == 1


def test_the_file_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    path, calls = tmp_path / "a.pth", []
    path.write_bytes(b"old")

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            calls.append("fsync of the folder")
            return
        calls.append("fsync")
        assert path.read_bytes() == b"old"
        assert os.fstat(descriptor).st_size == 3

    replace = os.replace
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", lambda *args: calls.append("replace") or replace(*args))
    write_atomically(path, lambda file: file.write(b"new"))
    assert calls == ["fsync", "replace", "fsync of the folder"]
    assert path.read_bytes() == b"new"


def test_a_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "absent" / "a.json", tmp_path / "file" / "a.json", tmp_path):
        message = complaint(write_atomically, path, lambda file: file.write(b"x"))
        assert message.startswith(f"{path}: cannot write this file (")
    assert files_in(tmp_path) == ["file"]


# ---- reading


def test_a_missing_checkpoint(tmp_path):
    message = complaint(read_checkpoint, tmp_path / "a.pth")
    assert message == f"{tmp_path / 'a.pth'}: cannot read this file (No such file or directory)"
    assert complaint(read_checkpoint, tmp_path).startswith(f"{tmp_path}: cannot read this file (")


@pytest.mark.parametrize("share", [0.999, 0.5, 0.01])
def test_a_truncated_checkpoint(tmp_path, share):
    path = tmp_path / "a.pth"
    save_checkpoint(path, state())
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert complaint(read_checkpoint, path).startswith(f"{path}: not a checkpoint, or a damaged")


@pytest.mark.parametrize("content", [
    b"", b"hello", b"{}", b"\x80\x02", b"\x80\x02}q\x00.", b"\x80\x02]q\x00", b"PK\x03\x04",
    b"\0" * 99, b"I", b"c", b"\n",
])
def test_a_file_that_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    assert complaint(read_checkpoint, path).startswith(f"{path}: ")


class Rebuilt:
    """An object that a pickle builds by calling a function."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_nothing_in_a_file_is_run(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"state_dict": {}, "more": Rebuilt(tmp_path / "made")}, path)
    assert complaint(read_checkpoint, path).startswith(f"{path}: ")
    assert files_in(tmp_path) == ["a.pth"]


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 1}, {"state_dict": [1]}, torch.zeros(2)])
def test_a_file_without_weights(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    assert "'state_dict'" in complaint(read_checkpoint, tmp_path / "a.pth")


# ---- whose weights they are


def test_only_a_checkpoint_of_this_project_and_run_can_be_continued(tmp_path):
    save_checkpoint(tmp_path / "a.pth", state())
    checkpoint = read_checkpoint(tmp_path / "a.pth")
    assert continues_run(checkpoint, "tiny")
    assert not continues_run(checkpoint, "other")
    assert not continues_run(state(), "tiny")  # not written by ``save_checkpoint``


def test_weights_that_fit_are_loaded():
    source, target = SmallNet(4), SmallNet(4)
    load_weights(target, source.state_dict(), "a.pth")
    for name, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], value)


def test_weights_of_another_architecture_name_file_key_and_both_shapes():
    wide = SmallNet(16).state_dict()
    assert complaint(load_weights, SmallNet(4), wide, "a.pth") == (
        "a.pth: its weights do not fit SmallNet: conv6.bias is (16,), expected (4,)"
    )
    fewer = {name: value for name, value in SmallNet(4).state_dict().items() if "conv2" not in name}
    assert "conv2.0.bias is missing, expected (48,)" in complaint(
        load_weights, SmallNet(4), fewer, "a.pth")
    more = {**SmallNet(4).state_dict(), "fc.weight": torch.zeros(2, 3)}
    assert "fc.weight is (2, 3), expected no such key" in complaint(
        load_weights, SmallNet(4), more, "a.pth")


def test_a_module_whose_weights_do_not_fit_is_left_as_it_was():
    module = nn.Linear(2, 3)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    other = {"weight": torch.ones(3, 2), "bias": torch.ones(4)}
    complaint(load_weights, module, other, "a.pth")
    assert all(torch.equal(module.state_dict()[name], value) for name, value in before.items())
