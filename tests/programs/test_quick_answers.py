"""What needs no network is answered before anything slow is imported."""

import json
import subprocess
import sys

import pytest

from tests.data_helpers.command_lines import PROGRAMS
from tests.data_helpers.tiny_runs import EMBEDDING, ENVIRONMENT, ROOT

SLOW = ["torch", "numpy", "PIL", "matplotlib", "scipy", "tensorboard"]
# Runs a program as its file is run, then prints which slow modules it has imported.
PROBE = f"""
import runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    code = end.code
print("imported:", code, [name for name in {SLOW} if name in sys.modules], file=sys.stderr)
"""
RUN_CONFIGS = {
    "train.py": [],
    "test.py": ["--resume", "a.pth"],
    "test_matching.py": ["--resume", "a.pth"],
    "misc/check_data.py": [],
}


def answer(program, *words):
    """Return a program's lines on stderr; the last tells what it imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(ROOT / program), *map(str, words)],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    return done.stderr.splitlines()


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_and_mistakes_in_arguments_import_nothing_slow(program):
    assert answer(program, "--help")[-1] == "imported: 0 []"
    assert answer(program, "--absent")[-1] == "imported: 2 []"


@pytest.mark.parametrize("program", RUN_CONFIGS)
@pytest.mark.parametrize("text, changes, expected", [
    (None, [], "a.json: cannot read this config"),
    ('{"arch": }', [], "a.json: expected JSON"),
    ("{}", ["batch_sise=2"], "batch_sise is not a key here: did you mean 'batch_size'?"),
    ("{}", ["batch_size=many"], "batch_size = 'many', expected int"),
    ("{}", ["batch_size=0"], "batch_size = 0, expected at least 1"),
    ("{}", ["trainer.monitor=best"], "trainer.monitor = 'best', expected 'off'"),
    ("{}", ["arch.types=SmallNet"], "arch.types is not a key here"),
    ("{}", ["optimizer.args.lr=NaN"], "optimizer.args.lr = nan, expected a number of 64 bits"),
], ids=lambda value: None if isinstance(value, str) else "".join(value or ["file"]))
def test_mistakes_in_a_config_import_nothing_slow(program, text, changes, expected, tmp_path):
    path = tmp_path / "a.json"
    if text is not None:
        path.write_text(text if text != "{}" else json.dumps(
            {**EMBEDDING, "dataset": {"type": "LandmarkFolder", "args": {"root": "absent"}}}))
    options = [word for change in changes for word in ("--set", change)]
    told, imported = answer(program, "--config", path, *RUN_CONFIGS[program], *options)
    assert told.startswith("error: ") and expected in told
    assert imported == "imported: 2 []"
