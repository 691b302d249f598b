"""The two file formats of torch.save, from raw pickles that are damaged or lie."""

import tracemalloc
import zipfile
from collections import OrderedDict

import pytest
import torch

from tests.data_helpers.raw_checkpoints import (
    Call,
    Reference,
    assert_refused,
    assert_same_tensors,
    pickled,
    raw_tensor,
    write_raw,
)
from utils.checkpoint.foreign import read_foreign_checkpoint


@pytest.fixture(params=[False, True], ids=["legacy", "zip"])
def write(request, tmp_path):
    """Return a function that writes a raw file in one of the formats and returns its path."""
    def write_file(content, **options):
        path = tmp_path / "raw.pth"
        content = content if isinstance(content, bytes) else pickled(content)
        write_raw(path, content, request.param, **options)
        return path
    return write_file


def test_raw_file_without_a_lie_is_read(write):
    path = write({"state_dict": {"w": raw_tensor(Reference())}})
    checkpoint = read_foreign_checkpoint(path)
    assert_same_tensors(checkpoint["state_dict"], {"w": torch.tensor([1., 2, 3])})


LIES = {
    "huge storage": raw_tensor(Reference(numel=2 ** 40)),
    "huge storage and tensor": raw_tensor(Reference(numel=2 ** 40), shape=(2 ** 40,)),
    "huge tensor": raw_tensor(Reference(), shape=(2 ** 40,)),
    "huge expanded tensor": raw_tensor(Reference(), shape=(2 ** 40,), stride=(0,)),
    "tensor too large by one": raw_tensor(Reference(), shape=(2, 2), stride=(2, 1)),
    "offset too large by one": raw_tensor(Reference(), offset=1),
    "negative offset": raw_tensor(Reference(), offset=-1),
    "negative stride": raw_tensor(Reference(), offset=2, stride=(-1,)),
    "shape without stride": raw_tensor(Reference(), shape=(3, 1)),
    "fractional shape": raw_tensor(Reference(), shape=(3.0,)),
    "too many dimensions": raw_tensor(Reference(), shape=(1,) * 999, stride=(1,) * 999),
    "negative storage": raw_tensor(Reference(numel=-3)),
    "length in words": raw_tensor(Reference(numel="3")),
    "key not a name": raw_tensor(Reference(key=("0",))),
    "key elsewhere": raw_tensor(Reference(key="../0")),
    "a module": raw_tensor(Reference(kind="module")),
    "storage of dictionaries": raw_tensor(Reference(storage_type=OrderedDict)),
    "storage type in words": raw_tensor(Reference(storage_type="torch.FloatStorage")),
    "storage of longer numbers": raw_tensor(Reference(storage_type=torch.DoubleStorage)),
    "view of a storage": raw_tensor(Reference(view=(("1", 0, 3),))),
    "conjugate": raw_tensor(Reference(), metadata=({"conj": True},)),
    "no storage": raw_tensor("no storage"),
    "size as storage": raw_tensor(torch.Size([3])),
    "no tensor": "no tensor",
    "nested": {"nested": raw_tensor(Reference())},
    "missing arguments": Call(torch._utils._rebuild_tensor_v2, 1),
    "filled dictionary": Call(OrderedDict, [("key", 1)]),
    "a size": Call(torch.Size, (10 ** 12,)),
}


@pytest.mark.parametrize("lie", LIES)
def test_lying_tensor_is_refused_without_taking_memory(write, lie):
    path = write({"state_dict": {"w": LIES[lie]}})
    tracemalloc.start()
    assert_refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_one_storage_described_in_two_ways_is_refused(write):
    two = {"a": raw_tensor(Reference()), "b": raw_tensor(Reference(numel=2), shape=(2,))}
    assert_refused(write({"state_dict": two}), "two ways")


@pytest.mark.parametrize("contents", [[], 7, {}, {"state_dict": []}, {"state_dict": {"w": 7}}])
def test_what_is_no_checkpoint_is_refused(write, contents):
    assert_refused(write(contents, keys=pickled([])), "state_dict")


def test_tensors_without_names_are_refused(write):
    assert_refused(write({"state_dict": {3: raw_tensor(Reference())}}), "state_dict")


CYCLE = []
CYCLE.append(CYCLE)


def test_a_list_that_holds_itself_does_no_harm(write):
    path = write({"state_dict": {"w": raw_tensor(Reference())}, "config": CYCLE})
    assert list(read_foreign_checkpoint(path)["state_dict"]) == ["w"]
    assert_refused(write({"state_dict": {"w": CYCLE}}))


DEEP_TUPLE = b")" + b"\x85" * 150_000


def test_deeply_nested_tuples_are_refused_as_keys(write):
    """A tuple is hashed recursively, which would crash Python here."""
    assert_refused(write(b"\x80\x02}" + DEEP_TUPLE + b"K\x01s."), "key")


def test_deeply_nested_key_of_a_storage_is_refused(tmp_path):
    path = tmp_path / "deep.pth"
    write_raw(path, pickled({"state_dict": {}}), False, keys=b"\x80\x02]" + DEEP_TUPLE + b"a.")
    assert_refused(path, "keys")


@pytest.mark.parametrize("content", [
    b"cos\nsystem\n(S'true'\ntR.", b"(S'true'\nios\nsystem\n.", b"\x80\x02\x82\x01.",
    b"\x80\x02]K\x01}b.", b"\x80\x02K\x01K\x01a.", b"\x80\x02K\x01K\x01K\x01s.",
    b"\x80\x02K\x01)R.", b"\x80\x02}K\x01s.", b"\x80\x02}(K\x01u.", b"\x80\x02h\x07.",
    b"\x80\x02t.", b"\x80\x02.",
    b"\x80\x04K\x01K\x02\x93.", b"\x80\x02K\x01Q.", b"\x80\x02]\x94\x8c", b"\x80\x02\xff.",
    b"\x80\x04\x8e" + b"\xff" * 8 + b".", b"\x80\x02X\xff\xff\xff\x7fabc.",
    b"\x80\x02r\xff\xff\xff\xff.",
], ids=repr)
def test_broken_or_exotic_pickle_is_refused(write, content):
    assert_refused(write(content))


def test_compressed_archive_is_refused(tmp_path):
    path = tmp_path / "bomb.pth"
    content = pickled({"state_dict": {"w": raw_tensor(Reference())}, "text": "x" * 10 ** 6})
    write_raw(path, content, zip_format=True, compression=zipfile.ZIP_DEFLATED)
    assert_refused(path, "larger than the file")


def test_legacy_storage_of_another_length_is_refused(tmp_path):
    path = tmp_path / "length.pth"
    content = pickled({"state_dict": {"w": raw_tensor(Reference())}})
    write_raw(path, content, zip_format=False, numel=2)
    assert_refused(path, "not as long as it claims")
