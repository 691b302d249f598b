"""Counter-based random numbers: functions of a key, computed for a whole batch at once.

The augmentation of sample i in epoch e depends on (seed, e, i) only, so that workers, caches and
restarts do not change a run. A generator for each sample would need a Python loop; here every
number is a hash of (key, stream, position), and a batch takes a few tensor operations, whatever the
number of streams.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch


def _signed(constant):
    """Return the int64 with the bits of an unsigned 64-bit constant."""
    return constant - (1 << 64) if constant >> 63 else constant


GOLDEN_GAMMA = _signed(0x9E3779B97F4A7C15)
MIX_1 = _signed(0xBF58476D1CE4E5B9)
MIX_2 = _signed(0x94D049BB133111EB)


def _shift_right(bits, count):
    """Return int64 shifted right logically (torch's own shift keeps the sign)."""
    return (bits >> count).bitwise_and_((1 << (64 - count)) - 1)


def mix(bits):
    """Return int64 hashed by the finaliser of SplitMix64 (Steele, Lea, Flood, 2014), same shape."""
    bits = _shift_right(bits, 30).bitwise_xor_(bits).mul_(MIX_1)
    bits = _shift_right(bits, 27).bitwise_xor_(bits).mul_(MIX_2)
    return _shift_right(bits, 31).bitwise_xor_(bits)


def sample_keys(seed, epoch, indices):
    """Return an int64 key for each sample, (B,), of a seed, an epoch and indices (B,), int64."""
    key = mix(torch.tensor(seed) + GOLDEN_GAMMA)
    key = mix(key + torch.tensor(epoch) * GOLDEN_GAMMA)
    return mix(key + (indices.cpu() + 1) * GOLDEN_GAMMA)


@dataclass(frozen=True)
class Stream:
    """Random numbers of each sample: uniform, in (0, 1), or standard normal.

    number: different ones are independent.
    """

    number: int
    shape: tuple = ()
    is_normal: bool = False


def draw(keys, streams):
    """Return the float32 numbers of streams for keys (B,), a list of tensors (B, *shape)."""
    salts, which, offsets, counts = _layout(tuple(streams))
    bits = mix(mix(keys[:, None] ^ salts)[:, which].add_(offsets))
    # 23 bits and a half are exact in float32; of 24 the largest would round up to 1.
    numbers = _shift_right(bits, 41).float().add_(0.5).div_(1 << 23)
    return [
        (to_normal(part) if stream.is_normal else part).reshape(-1, *stream.shape)
        for part, stream in zip(numbers.split(counts, dim=1), streams)
    ]


@cache
def _layout(streams):
    """Return what distinguishes the numbers of one key, in a row stream by stream: salts of the
    streams; of each number its stream and its offset within that; and the numbers of each stream.
    """
    counts = torch.tensor([math.prod(stream.shape) for stream in streams])
    salts = mix((torch.tensor([stream.number for stream in streams]) + 1) * GOLDEN_GAMMA)
    which = torch.arange(len(streams)).repeat_interleave(counts)
    position = torch.arange(len(which)) - (counts.cumsum(0) - counts)[which] + 1
    return salts, which, position * GOLDEN_GAMMA, counts.tolist()


def to_normal(numbers):
    """Return uniform numbers in (0, 1) made standard normal, by inverse transform sampling."""
    return torch.special.ndtri(numbers)


def uniform(keys, stream, shape=()):
    """Return float32 numbers in (0, 1), (B, *shape), of the stream with this number."""
    return draw(keys, [Stream(stream, shape)])[0]


def normal(keys, stream, shape=()):
    """Return standard normal float32 numbers, (B, *shape), of the stream with this number."""
    return draw(keys, [Stream(stream, shape, is_normal=True)])[0]
