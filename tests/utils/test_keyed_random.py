"""Keyed random numbers against SplitMix64 in plain integers, and against their distributions."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from utils import keyed_random

BITS = (1 << 64) - 1
GAMMA, FACTOR_1, FACTOR_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
EDGES = [0, 1, 2, -1, 1 << 62, -(1 << 63), (1 << 63) - 1, 123456789, -987654321012345678]


def mix(bits):
    """SplitMix64's finaliser on Python integers, unsigned."""
    bits = (bits ^ bits >> 30) * FACTOR_1 & BITS
    bits = (bits ^ bits >> 27) * FACTOR_2 & BITS
    return bits ^ bits >> 31


def unmix(bits):
    """The inverse of ``mix``."""
    bits = undo_shift(bits, 31) * pow(FACTOR_2, -1, 1 << 64) & BITS
    bits = undo_shift(bits, 27) * pow(FACTOR_1, -1, 1 << 64) & BITS
    return undo_shift(bits, 30)


def undo_shift(bits, count):
    original = bits
    for _ in range(64 // count):
        original = bits ^ original >> count
    return original


def signed(bits):
    return bits - (1 << 64) if bits >> 63 else bits


def keys(count, seed=0, epoch=1):
    return keyed_random.sample_keys(seed, epoch, torch.arange(count))


def key_whose_first_number_has_the_bits(bits, stream):
    """Return the key (1,) for which the first draw of a stream hashes to 64 given bits."""
    base = (unmix(bits) - GAMMA) & BITS
    return torch.tensor([signed(unmix(base) ^ mix((stream + 1) * GAMMA & BITS))])


def test_mix_is_splitmix64():
    mixed = keyed_random.mix(torch.tensor(EDGES))
    assert mixed.tolist() == [signed(mix(bits & BITS)) for bits in EDGES]


def test_keys_are_a_chain_of_hashes_of_seed_epoch_and_index():
    for seed, epoch in product((0, 7, (1 << 63) - 1), (0, 1, 300)):
        chain = mix(seed + GAMMA & BITS)
        chain = mix(chain + epoch * GAMMA & BITS)
        expected = [signed(mix(chain + (index + 1) * GAMMA & BITS)) for index in (0, 5, 99_999)]
        found = keyed_random.sample_keys(seed, epoch, torch.tensor([0, 5, 99_999]))
        assert found.tolist() == expected


def test_seeds_epochs_and_indices_give_different_keys():
    found = [keys(200, seed, epoch) for seed, epoch in product(range(5), range(20))]
    assert len(torch.cat(found).unique()) == 5 * 20 * 200


def test_uniform_numbers_are_the_leading_bits_of_the_hash():
    key = keys(1)
    base = mix((int(key) & BITS) ^ mix(4 * GAMMA & BITS))  # of stream 3
    hashes = [mix(base + position * GAMMA & BITS) for position in range(1, 51)]
    found = keyed_random.uniform(key, 3, (50,))[0]
    np.testing.assert_allclose(found, np.array(hashes, dtype=np.float64) / 2**64, atol=2**-22)


def test_uniform_numbers_are_uniform():
    numbers = keyed_random.uniform(keys(400), 0, (100,)).flatten().numpy()
    assert numbers.dtype == np.float32
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3
    assert numbers.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * numbers.size))
    assert numbers.var() == pytest.approx(1 / 12, rel=0.02)


def test_normal_numbers_are_normal():
    numbers = keyed_random.normal(keys(400), 1, (50, 2)).flatten().numpy()
    assert numbers.dtype == np.float32
    assert stats.kstest(numbers, "norm").pvalue > 1e-3
    assert numbers.mean() == pytest.approx(0, abs=4 / np.sqrt(numbers.size))
    assert numbers.std() == pytest.approx(1, abs=4 / np.sqrt(2 * numbers.size))
    assert stats.kurtosis(numbers) == pytest.approx(0, abs=4 * np.sqrt(24 / numbers.size))


@pytest.mark.parametrize("bits", [0, BITS], ids=["all bits 0", "all bits 1"])
def test_the_extreme_hashes_are_inside_the_open_interval(bits):
    key = key_whose_first_number_has_the_bits(bits, stream=2)
    number = keyed_random.uniform(key, 2, (3,))[0, 0]
    assert 0 < number < 1
    assert keyed_random.normal(key, 2, (3,)).isfinite().all()


def test_shapes():
    for shape in ((), (1,), (4,), (2, 3)):
        assert keyed_random.uniform(keys(5), 0, shape).shape == (5, *shape)
        assert keyed_random.normal(keys(5), 0, shape).shape == (5, *shape)


def test_a_sample_gets_the_same_numbers_in_any_batch():
    whole = keyed_random.normal(keys(10), 3, (20,))
    some = torch.tensor([7, 0, 3])
    assert torch.equal(keyed_random.normal(keys(10)[some], 3, (20,)), whole[some])
    alone = keyed_random.normal(keyed_random.sample_keys(0, 1, torch.tensor([7])), 3, (20,))
    assert torch.equal(alone, whole[7:8])


def test_torch_generator_is_neither_read_nor_advanced():
    torch.manual_seed(0)
    first, state = keyed_random.normal(keys(3), 0, (4,)), torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(keyed_random.normal(keys(3), 0, (4,)), first)
    torch.manual_seed(0)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["streams", "samples", "positions", "epochs", "seeds"])
def test_draws_are_uncorrelated(name):
    numbers = keyed_random.normal(keys(2000), 0, (10,))
    others = {
        "streams": (numbers, keyed_random.normal(keys(2000), 1, (10,))),
        "samples": (numbers[:-1], numbers[1:]),
        "positions": (numbers[:, :-1], numbers[:, 1:]),
        "epochs": (numbers, keyed_random.normal(keys(2000, epoch=2), 0, (10,))),
        "seeds": (numbers, keyed_random.normal(keys(2000, seed=1), 0, (10,))),
    }
    a, b = (x.flatten().numpy() for x in others[name])
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(a.size)
