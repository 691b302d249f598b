"""Damaged files for every reader: each must give its data, or one clear line.

A reader runs in a process of its own, so that one which takes the whole process down is noticed:

    python -m tests.soaking.fuzzing READER FILES SEED FOLDER
"""

import json
import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT
from tests.soaking.readers import READERS
from utils.errors import UserError

MOST_EDITS = 4
LAST_INPUT = "last-input"


def edits(size):
    """Return a strategy of a few edits of a file of ``size`` bytes: (place, bytes removed, bytes
    inserted there).
    """
    place = st.integers(0, size)
    removed = st.one_of(st.just(0), st.just(1), st.integers(0, size))
    inserted = st.one_of(
        st.binary(max_size=8),
        st.sampled_from([b"\0" * 8, b"\xff" * 8, b"\x7f\xff\xff\xff", b"nan", b"1e999", b"\r\n",
                         b'"', b",,", b"{", b"}", b"\xef\xbb\xbf", b"-1", b"9" * 30]))
    return st.lists(st.tuples(place, removed, inserted), min_size=1, max_size=MOST_EDITS)


def edited(content, changes):
    for place, removed, inserted in changes:
        content = content[:place] + inserted + content[place + removed:]
    return content


def bits_flipped(content, places):
    damaged = bytearray(content)
    for place in places:
        damaged[place // 8] ^= 1 << place % 8
    return bytes(damaged)


def damaged(content):
    """Return a strategy of damaged versions of a file."""
    flips = st.lists(st.integers(0, len(content) * 8 - 1), min_size=1, max_size=MOST_EDITS)
    return st.one_of(
        edits(len(content)).map(lambda changes: edited(content, changes)),
        flips.map(lambda places: bits_flipped(content, places)),
        st.integers(0, len(content) - 1).map(lambda length: content[:length]),
    )


def fuzz(name, count, number, folder):
    """Give ``count`` files to a reader; returns {"tried", "refused", "unclear": [messages]}."""
    reader = READERS[name]
    path, found = folder / reader.file_name, {"tried": 0, "refused": 0, "unclear": []}
    content = reader.valid_file(folder)
    reader.read(path)  # or it would prove nothing

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(damaged(content))
    def survives(data):
        path.write_bytes(data)
        (folder / LAST_INPUT).write_bytes(data)
        found["tried"] += 1
        try:
            reader.read(path)
        except UserError as error:
            found["refused"] += 1
            if "\n" in str(error) or path.name not in str(error):
                found["unclear"].append(str(error))
        except Exception as error:
            found["unclear"].append(f"{type(error).__name__}: {error}")

    survives()
    return found


def fuzz_in_process(name, count, number, folder):
    """Return what ``fuzz`` finds, in a process of its own; one that dies of it is unclear too."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.soaking.fuzzing", name, str(count), str(number), str(folder)],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout)
    last = folder / LAST_INPUT
    message = f"the process ended with {done.returncode}, its last file is {last}"
    return {"tried": 1, "refused": 0, "unclear": [message]}


if __name__ == "__main__":
    print(json.dumps(fuzz(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
