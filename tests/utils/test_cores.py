"""The cores that a process may use, and what reads on them."""

import os

import pytest

from utils.cores import num_readers, read_ahead, usable_cores


@pytest.mark.parametrize("cores, readers", [({3, 5}, 2), (set(range(64)), 8)])
def test_only_the_cores_that_this_process_may_use_count(monkeypatch, cores, readers):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: cores, raising=False)
    assert (usable_cores(), num_readers()) == (len(cores), readers)


@pytest.mark.parametrize("count", [0, 1, 4, 5, 9])
def test_batches_are_read_in_order_and_one_ahead(count):
    begun = []

    def read(item):
        begun.append(item)
        return 10 * item

    found = []
    for batch in read_ahead(read, list(range(count)), 4):
        found += batch
        assert len(batch) <= 4 and len(begun) <= len(found) + 4
    assert found == [10 * item for item in range(count)]


def test_an_error_of_a_reader_is_raised_with_its_batch():
    batches = read_ahead(lambda item: 1 / item, [1, 2, 0], 2)
    assert next(batches) == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(batches)
