"""Damaged files for every reader: each must give its data, or one clear line.

    python -m tests.soaking.fuzzing READER FILES SEED FOLDER
"""

import json

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.soaking.processes import Answers, arguments
from tests.soaking.readers import READERS
from utils.errors import UserError

MOST_EDITS = 4
INSERTED = [b"\0" * 8, b"\xff" * 8, b"\x7f\xff\xff\xff", b"nan", b"1e999", b"\r\n", b'"', b",,",
            b"{", b"}", b"[" * 3000, b"\xef\xbb\xbf", b"-1", b"9" * 30]


def edited(content, changes):
    """Return a file with changes: (place, bytes removed, bytes inserted there)."""
    for place, removed, inserted in changes:
        content = content[:place] + inserted + content[place + removed:]
    return content


def bits_flipped(content, places):
    damaged = bytearray(content)
    for place in places:
        damaged[place // 8] ^= 1 << place % 8
    return bytes(damaged)


def damaged(content):
    """Return a strategy of damaged versions of a file: edited, bits flipped, cut short."""
    size = len(content)
    removed = st.one_of(st.just(0), st.just(1), st.integers(0, size))
    inserted = st.one_of(st.binary(max_size=8), st.sampled_from(INSERTED))
    edits = st.tuples(st.integers(0, size), removed, inserted)
    flips = st.integers(0, size * 8 - 1)
    return st.one_of(
        st.lists(edits, min_size=1, max_size=MOST_EDITS).map(lambda some: edited(content, some)),
        st.lists(flips, min_size=1, max_size=MOST_EDITS).map(
            lambda some: bits_flipped(content, some)),
        st.integers(0, size - 1).map(lambda length: content[:length]),
    )


def fuzz(name, count, number, folder):
    """Give ``count`` files, drawn by the seed ``number``, to a reader; returns its answers."""
    reader = READERS[name]
    path, answers = folder / reader.file_name, Answers(folder, reader.read, UserError)
    content = reader.valid_file(folder)
    reader.read(path)  # or it would prove nothing

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(damaged(content))
    def ask(data):
        answers.ask(path, data)

    ask()
    return answers.found


if __name__ == "__main__":
    (name, count, number), folder = arguments()
    print(json.dumps(fuzz(name, int(count), int(number), folder)))
