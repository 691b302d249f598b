"""The cores that a process may use."""

import os

import pytest

from utils.cores import num_readers, usable_cores


@pytest.mark.parametrize("cores, readers", [({3, 5}, 2), (set(range(64)), 8)])
def test_only_the_cores_that_this_process_may_use_count(monkeypatch, cores, readers):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: cores, raising=False)
    assert (usable_cores(), num_readers()) == (len(cores), readers)
