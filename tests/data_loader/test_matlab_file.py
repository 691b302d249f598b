"""MATLAB files: whole ones are read as scipy reads them, damaged ones never reach it."""

import struct

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from data_loader.annotation_files import read_matlab
from data_loader.matlab_file import check_matlab
from utils.errors import UserError


def cells():
    boxes = np.empty((2, 3), object)
    for place in np.ndindex(boxes.shape):
        boxes[place] = {"name": "image_1.png", "box": np.arange(4.0)[None],
                        "none": np.empty((0, 0))}
    boxes[0, 0] = np.array([[1, 2]], np.uint8)
    return boxes


CONTENTS = {
    **{name: np.arange(24).reshape(2, 3, 4).astype(name) for name in (
        "float64", "float32", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64",
        "uint64", "bool", "complex128")},
    "scalar": 3, "empty": np.empty((0, 4)), "text": "eyes and mouth", "accents": "Müller",
    "lines": np.array(["one", "three"]), "cells": cells(), "struct": {"a": 1, "b": {"c": "x"}},
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", CONTENTS)
def test_a_whole_file_is_read_as_scipy_reads_it(tmp_path, name, compressed):
    path = tmp_path / "a.mat"
    savemat(path, {"other": 1, "it": CONTENTS[name]}, do_compression=compressed)
    (found,) = read_matlab(path, "it")
    expected = loadmat(path)["it"]
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert str(found) == str(expected)


def damage(content, place, text):
    return content[:place] + text + content[place + len(text):]


@pytest.fixture
def content(tmp_path):
    """A variable of 2 x 3 doubles: flags at 136, sizes at 152, name at 168, numbers at 176."""
    path = tmp_path / "a.mat"
    savemat(path, {"a": np.arange(6.0).reshape(2, 3)})
    return path.read_bytes()


@pytest.mark.parametrize("place, text, words", [
    (124, struct.pack("<H", 0x0200), "version 5"),
    (126, b"XX", "version 5"),
    (128, struct.pack("<I", 77), "unknown kind"),
    (128, struct.pack("<I", 9), "something else than arrays"),
    (132, struct.pack("<I", 9999), "longer than what holds it"),
    (136, struct.pack("<I", 5), "begin with kind, size and name"),
    (144, struct.pack("<I", 5), "something else than numbers"),  # a sparse array
    (144, struct.pack("<I", 17), "something else than numbers"),  # an opaque one
    (144, struct.pack("<I", 1), "number of its cells"),
    (144, struct.pack("<I", 0x0806), "lacks numbers"),
    (160, struct.pack("<i", 1 << 30), "another number of bytes"),
    (160, struct.pack("<i", -2), "negative size"),
    (176, struct.pack("<I", 16400), "longer|unknown kind"),
    (176, struct.pack("<I", 7), "another number of bytes"),
])
def test_a_damaged_file_is_refused_before_scipy_sees_it(content, place, text, words):
    with pytest.raises(ValueError, match=words):
        check_matlab(damage(content, place, text))


def test_a_text_of_an_unknown_kind_is_refused(tmp_path):
    """scipy would look its kind up behind the end of a table."""
    savemat(tmp_path / "a.mat", {"a": "image_0.png"})
    content = (tmp_path / "a.mat").read_bytes()
    place = content.index(b"image_0.png") - 8
    with pytest.raises(ValueError, match="unknown kind"):
        check_matlab(damage(content, place, struct.pack("<I", 8)))


@pytest.mark.parametrize("length", range(0, 232, 9))
def test_a_truncated_file_is_refused_or_lacks_its_variable(tmp_path, content, length):
    path = tmp_path / "cut.mat"
    path.write_bytes(content[:length])
    with pytest.raises(UserError, match="cut.mat: (cannot read this|holds no variable)"):
        read_matlab(path, "a")


@pytest.mark.parametrize("tail", [b"", b"\0" * 6])
def test_a_compressed_variable_without_an_end_is_refused(tmp_path, tail):
    savemat(tmp_path / "a.mat", {"a": np.zeros(1000)}, do_compression=True)
    content = (tmp_path / "a.mat").read_bytes()
    size = len(content) - 136 - 6
    shorter = damage(content, 132, struct.pack("<I", size + len(tail)))[:136 + size] + tail
    with pytest.raises(ValueError, match="damaged: "):
        check_matlab(shorter)


def test_cells_within_cells_have_an_end(tmp_path):
    nested = np.zeros((1, 1))
    for _ in range(20):
        outer = np.empty((1, 1), object)
        outer[0, 0] = nested
        nested = outer
    savemat(tmp_path / "a.mat", {"a": nested})
    with pytest.raises(ValueError, match="something else than arrays"):
        check_matlab((tmp_path / "a.mat").read_bytes())


@pytest.mark.parametrize("header", [
    b"MATLAB 7.3 MAT-file, Platform: GLNXA64 HDF5 schema 1.00 .".ljust(124) + b"\0\2IM",
    b"MATLAB 7.3 MAT-file, Platform: SOL64 HDF5 schema 1.00 .".ljust(124) + b"\2\0MI",
    b"\x89HDF\r\n\x1a\n".ljust(128, b"\0"),  # HDF5 without MATLAB's header
    bytes(512) + b"\x89HDF\r\n\x1a\n",
])
def test_version_7_3_is_named_with_its_cure(tmp_path, header):
    path = tmp_path / "a.mat"
    path.write_bytes(header + bytes(600))
    with pytest.raises(UserError) as caught:
        read_matlab(path, "gt")
    assert str(path) in str(caught.value) and "version 7.3" in str(caught.value)
    assert "save(FILE, '-v7')" in str(caught.value)
