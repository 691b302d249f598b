"""The model fetcher, and the facts about the published experiments that it goes by."""

import json
import os
import pickle
import subprocess
import sys

import pytest
import torch

from misc.fetch_models import fetch_model
from misc.fetching.download import Network
from misc.published import BASE_URL, load_experiments
from tests.download_server import Page, serving
from utils.errors import UserError
from utils.project import PROJECT

IMPATIENT = Network(retries=1, pause=0.01, timeout=2.0)
NAME = "celeba-smallnet-32d-dve"
FACTS = {"timestamp": "2019-01-02_03-04-05", "checkpoint_epoch": 7}
FOLDER = f"models/{NAME}/2019-01-02_03-04-05"
CHECKPOINT, CONFIG = f"{FOLDER}/checkpoint-epoch7.pth", f"{FOLDER}/config.json"
CONFIG_BODY = json.dumps({"arch": {"type": "SmallNet"}}).encode()


class Harmful:
    """Something that acts when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def checkpoint_bytes(folder, zipped, **more):
    state = {"weight": torch.arange(5000.0), "steps": torch.tensor(3)}
    torch.save(
        {"arch": "SmallNet", "epoch": 7, "state_dict": state, **more}, folder / "made.pth",
        _use_new_zipfile_serialization=zipped,
    )
    content = (folder / "made.pth").read_bytes()
    (folder / "made.pth").unlink()
    return content


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    with serving() as server:
        server.pages[f"/{CONFIG}"] = Page(CONFIG_BODY)
        yield server


def get(root_url, dest, **options):
    fetch_model(NAME, FACTS, str(root_url), dest, network=IMPATIENT, **options)


def saved(dest, relative):
    return dest / "data" / "saved" / relative


@pytest.mark.parametrize("zipped", [True, False])
def test_a_model_comes_to_where_configs_look_for_it(server, tmp_path, capsys, zipped):
    content = checkpoint_bytes(tmp_path, zipped)
    server.pages[f"/{CHECKPOINT}"] = Page(content, cuts=[1000])
    get(server.url, tmp_path)
    assert saved(tmp_path, CHECKPOINT).read_bytes() == content
    assert saved(tmp_path, CONFIG).read_bytes() == CONFIG_BODY
    assert len(list(saved(tmp_path, FOLDER).iterdir())) == 2
    assert str(saved(tmp_path, CHECKPOINT)) in capsys.readouterr().out


def test_a_local_mirror_serves_as_well(tmp_path):
    content = checkpoint_bytes(tmp_path, zipped=True)
    (tmp_path / "mirror" / FOLDER).mkdir(parents=True)
    (tmp_path / "mirror" / CHECKPOINT).write_bytes(content)
    (tmp_path / "mirror" / CONFIG).write_bytes(CONFIG_BODY)
    get(tmp_path / "mirror", tmp_path / "dest")
    assert saved(tmp_path / "dest", CHECKPOINT).read_bytes() == content


def test_only_what_is_missing_damaged_or_asked_for_is_fetched(server, tmp_path):
    content = checkpoint_bytes(tmp_path, zipped=True)
    server.pages[f"/{CHECKPOINT}"] = Page(content)
    get(server.url, tmp_path)
    server.requests.clear()
    get(server.url, tmp_path)
    assert server.requests == []
    saved(tmp_path, CHECKPOINT).write_bytes(content[:-100])
    get(server.url, tmp_path)
    assert server.requests == [(f"/{CHECKPOINT}", None)]
    assert saved(tmp_path, CHECKPOINT).read_bytes() == content
    get(server.url, tmp_path, refresh=True)
    assert len(server.requests) == 3


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("spoil", [
    lambda content: content[:-5000], lambda content: content[:100], lambda content: b"",
    lambda content: b"<html>not here</html>", lambda content: pickle.dumps({"a": 1}),
])
def test_what_is_no_whole_checkpoint_is_reported_and_removed(server, tmp_path, zipped, spoil):
    server.pages[f"/{CHECKPOINT}"] = Page(spoil(checkpoint_bytes(tmp_path, zipped)))
    with pytest.raises(UserError) as caught:
        get(server.url, tmp_path)
    told = str(caught.value)
    assert f"{server.url}/{CHECKPOINT}" in told and "\n" not in told
    assert f"by hand: save {BASE_URL}/{CHECKPOINT} as {saved(tmp_path, CHECKPOINT)}" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_is_unpickled_to_look_at_a_file(server, tmp_path, monkeypatch, zipped):
    content = checkpoint_bytes(tmp_path, zipped, config=Harmful())
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    server.pages[f"/{CHECKPOINT}"] = Page(content)
    with pytest.raises(UserError):
        get(server.url, tmp_path)
    assert list((tmp_path / "here").iterdir()) == []


def test_a_config_that_is_none_is_reported(server, tmp_path):
    server.pages[f"/{CHECKPOINT}"] = Page(checkpoint_bytes(tmp_path, zipped=True))
    for body in (b"<html>", b"[1]"):
        server.pages[f"/{CONFIG}"] = Page(body)
        with pytest.raises(UserError, match="config.json: .*JSON"):
            get(server.url, tmp_path)
    assert saved(tmp_path, CHECKPOINT).exists() and not saved(tmp_path, CONFIG).exists()


def test_the_command_knows_the_published_names(server, tmp_path):
    def command(*args):
        return subprocess.run(
            [sys.executable, "misc/fetch_models.py", *args],
            cwd=PROJECT, capture_output=True, text=True,
        )

    listed = command("--list").stdout.splitlines()
    assert listed == sorted(load_experiments()) and len(listed) == 111
    wrong = command("celeba-smallnet-32-dve")
    assert wrong.returncode == 2 and f"did you mean {NAME}" in wrong.stderr
    absent = command(NAME, "--root_url", server.url, "--dest", str(tmp_path))
    assert absent.returncode == 2 and "404" in absent.stderr.splitlines()[-1]
    asked = f"/models/{NAME}/{load_experiments()[NAME]['timestamp']}/checkpoint-epoch100.pth"
    assert server.requests == [(asked, None)]
    assert list(tmp_path.iterdir()) == []


def test_the_facts_of_the_published_experiments_are_whole():
    experiments = load_experiments()
    epochs = {"embedding": 100, "finetune": 50, "keypoints": 300}
    figures = {
        "embedding": {"same_identity_px", "different_identity_px"},
        "finetune": {"same_identity_px", "different_identity_px"},
        "keypoints": {"inter_ocular_error_pct"},
        "few": {"inter_ocular_error_pct_mean", "inter_ocular_error_pct_std"},
    }
    for name, facts in experiments.items():
        few = "annotations" in facts
        assert facts["checkpoint_epoch"] == (50 if few else epochs[facts["task"]]), name
        assert facts["published"].keys() == figures["few" if few else facts["task"]], name
        assert name.endswith(
            f"{facts['backbone']}-{facts['dim']}d" + ("-dve" if facts["dve"] else "")
        )
