"""Checkpoints that want to run something, in both file formats: nothing of them must run.

    python -m tests.soaking.hostile FILES SEED FOLDER
"""

import json
import random
from itertools import product

import torch

from tests.data_helpers.hostile_objects import hostile_objects
from tests.data_helpers.published import save_as_cuda
from tests.data_helpers.raw_checkpoints import Reference, pickled, raw_tensor, write_raw
from tests.soaking.processes import Answers, arguments
from utils.checkpoint.save_and_load import read_checkpoint
from utils.errors import UserError

PROTOCOLS = (2, 3, 4, 5)
MOST_INSTRUCTIONS = 40


def instructions(command):
    """Return instructions of pickle's machine that import, call, build, remember and refer."""
    return [
        b"cos\nsystem\n", b"cposix\nsystem\n", b"cbuiltins\neval\n", b"c__builtin__\nexec\n",
        b"\x8c\x02os\x8c\x06system\x93", b"ccollections\nOrderedDict\n",
        b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n",
        b"X" + len(command).to_bytes(4, "little") + command, b"\x8c\x07storage", b"\x8c\x010",
        b"\x8c\x03cpu", b"K\x03", b"K\x00", b"N", b"\x88", b")", b"]", b"}", b"(", b"t", b"\x85",
        b"\x86", b"\x87", b"R", b"\x81", b"b", b"s", b"u", b"a", b"e", b"q\x00", b"h\x00",
        b"r\xff\xff\xff\x7f", b"j\x00\x00\x00\x00", b"\x94", b"Q", b"P0\n", b"0", b"2", b"1",
        b"ios\nsystem\n", b"o", b"\x92", b"\x82\x01", b"\x97", b"\x98", b"d", b"l", b"S'x'\n",
        b"I1\n", b"F1\n", b"\x8a\x01\x05", b"G" + b"\x7f" * 8, b"\x95" + b"\xff" * 8, b".",
    ]


def random_pickle(draw, command):
    """Return a random program for pickle's machine, or one spliced into a whole checkpoint."""
    known = instructions(command)
    program = b"".join(draw.choices(known, k=draw.randint(1, MOST_INSTRUCTIONS)))
    whole = pickled({"state_dict": {"w": raw_tensor(Reference())}, "epoch": 1})
    if draw.random() < 0.5:
        place = draw.randrange(2, len(whole))
        return whole[:place] + program + whole[place:]
    return b"\x80" + bytes([draw.choice(PROTOCOLS)]) + program + b"."


def bits_flipped(draw, content):
    place = draw.randrange(len(content) * 8)
    damaged = bytearray(content)
    damaged[place // 8] ^= 1 << place % 8
    return bytes(damaged)


def attack(count, number, folder):
    """Read every named attack in each protocol and format, then ``count`` files each: random
    programs, cut ones, ones with a bit flipped; returns the answers, and how many files ran.
    """
    marker, draw = folder / "it-ran", random.Random(number)
    answers = Answers(folder, read_checkpoint, UserError)
    for (hostile, _), protocol, zip_format in product(
            hostile_objects(marker).values(), PROTOCOLS, (False, True)):
        path = folder / "hostile.pth"
        save_as_cuda({"state_dict": {"w": torch.ones(3)}, "config": hostile}, path, zip_format,
                     protocol)
        answers.ask(path, path.read_bytes())
    named = answers.found["refused"] == answers.found["tried"]
    command = f"touch {marker}".encode()
    for zip_format in (False, True):
        path, whole = folder / "raw.pth", folder / "whole.pth"
        save_as_cuda({"state_dict": {"w": torch.ones(50)}, "epoch": 1}, whole, zip_format)
        content = whole.read_bytes()
        for _ in range(count):
            write_raw(path, random_pickle(draw, command), zip_format)
            answers.ask(path, path.read_bytes())
            answers.ask(path, content[:draw.randrange(len(content))])
            answers.ask(path, bits_flipped(draw, content))
    return {**answers.found, "ran": int(marker.exists()), "named_refused": named}


if __name__ == "__main__":
    (count, number), folder = arguments()
    print(json.dumps(attack(int(count), int(number), folder)))
