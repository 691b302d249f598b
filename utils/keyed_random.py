"""Random numbers that depend on a key alone, drawn for a whole batch at once.

What happens to sample i in epoch e must be a function of (seed, e, i): then neither the number of
workers, nor a cache, nor a restart changes a run. A generator per sample would be a Python loop;
here every number is a hash of (key, stream, position), so a batch is a few tensor operations.
"""

import math

import torch


def _signed(constant):
    """The int64 with the bits of an unsigned 64-bit constant."""
    return constant - (1 << 64) if constant >> 63 else constant


GOLDEN_GAMMA = _signed(0x9E3779B97F4A7C15)
MIX_1 = _signed(0xBF58476D1CE4E5B9)
MIX_2 = _signed(0x94D049BB133111EB)


def _shift_right(bits, count):
    """Logical right shift of int64 (torch's own keeps the sign)."""
    return (bits >> count) & ((1 << (64 - count)) - 1)


def mix(bits):
    """The finaliser of SplitMix64 (Steele, Lea, Flood, 2014).

    Int64 in, well-mixed int64 out, same shape.
    """
    bits = (bits ^ _shift_right(bits, 30)) * MIX_1
    bits = (bits ^ _shift_right(bits, 27)) * MIX_2
    return bits ^ _shift_right(bits, 31)


def sample_keys(seed, epoch, indices):
    """Return one int64 key per sample, (B,), from the run's seed, the epoch and the indices, (B,)
    int64.
    """
    key = mix(torch.tensor(seed) + GOLDEN_GAMMA)
    key = mix(key + torch.tensor(epoch) * GOLDEN_GAMMA)
    return mix(key + (indices.cpu() + 1) * GOLDEN_GAMMA)


def uniform(keys, stream, shape=()):
    """Return float32 numbers in (0, 1), (B, *shape).

    ``stream`` names the purpose, so that draws are independent.
    """
    count = math.prod(shape)
    base = mix(keys ^ mix(torch.tensor(stream + 1) * GOLDEN_GAMMA))
    bits = mix(base[:, None] + torch.arange(1, count + 1) * GOLDEN_GAMMA)
    # 23 bits and a half are exact in float32; of 24 the largest would round up to 1.
    return ((_shift_right(bits, 41).float() + 0.5) / (1 << 23)).reshape(-1, *shape)


def normal(keys, stream, shape=()):
    """Return float32 standard normal numbers, (B, *shape), by the inverse of the distribution
    function.
    """
    return torch.special.ndtri(uniform(keys, stream, shape))
