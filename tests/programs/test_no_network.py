"""Nothing outside misc/fetch_* opens a network connection, neither when imported nor in use."""

import subprocess
import sys

from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT

FORBIDDING = """
import importlib, pathlib, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
                 "urllib.Request"):
        raise PermissionError(f"{event} {arguments}")

sys.addaudithook(refuse)
"""
IMPORT_ALL = FORBIDDING + """
for package in ("base", "data_loader", "inference", "misc", "model", "trainer", "utils"):
    for path in sorted(pathlib.Path(package).rglob("*.py")):
        importlib.import_module(".".join(path.with_suffix("").parts))
import train
sys.exit(train.main())
"""
FETCH = FORBIDDING + """
from misc import fetch_models
sys.exit(fetch_models.main())
"""


def run_code(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT,
                          env=ENVIRONMENT, capture_output=True, text=True)


def test_all_modules_and_a_training_need_no_network(embedding_config):
    config = embedding_config(trainer={"epochs": 1, "tensorboardX": True},
                              visualizations=["sphere_colormap"])
    done = run_code(IMPORT_ALL, "--config", config, "--mini_train")
    assert done.returncode == 0, done.stderr
    assert "Mean Pixel Error (same-identity)" in done.stdout


def test_a_connection_would_have_been_refused(tmp_path):
    """The test above would show nothing if it were not."""
    done = run_code(FETCH, "celeba-smallnet-64d-dve", "--dest", tmp_path, "--retries", "0")
    assert done.returncode != 0
    assert "socket." in done.stderr or "urllib.Request" in done.stderr
