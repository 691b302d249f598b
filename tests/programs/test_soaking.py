"""A little of what ``make soak`` does at length: see docs/reliability.md."""

import argparse

import pytest

from tests.data_helpers.comparing_runs import assert_same_files
from tests.soaking import campaigns
from tests.soaking.disks import remount, small_disk
from tests.soaking.fuzzing import fuzz
from tests.soaking.hostile import attack
from tests.soaking.kills import KillCampaign
from tests.soaking.processes import in_process
from tests.soaking.readers import READERS
from tests.soaking.table import PAGE, Row, fill_page
from tests.soaking.trainings import Training, checkpoints_in, leftovers_in, readable
from utils.errors import UserError


def test_a_killed_training_loses_nothing(trained_embedding, tmp_path):
    found = KillCampaign(Training(tmp_path, trained_embedding, 3), 1, seed=3).run()
    assert (found.killed, found.losses, found.unclear) == (1, 0, [])


def test_a_disk_that_fills_up_costs_nothing_but_time(train, embedding_config, tmp_path):
    config = embedding_config()
    straight = train(config)
    with small_disk(tmp_path / "disk", 5500) as place:  # room for one checkpoint
        if place is None:
            pytest.skip("mounting is not allowed here")
        save_dir = ("--set", f"trainer.save_dir={place}")
        failed = train(config, *save_dir, code=2)
        (path,) = checkpoints_in(place)
        assert readable(path) and not leftovers_in(place)
        assert "epoch 2 is not saved: " in failed.finished.stdout
        assert "No space left on device" in failed.finished.stderr
        assert failed.finished.stderr.endswith(f"go on with the same command and --resume {path}\n")
        remount(place, "size=100m")
        resumed = train(config, *save_dir, "--resume", path)
        assert_same_files(resumed, straight, "checkpoint-epoch3.pth", "model_best.pth")


def test_hostile_checkpoints_run_nothing(tmp_path):
    found = attack(8, 0, tmp_path)
    assert found["ran"] == 0 and found["unclear"] == [] and found["named_refused"]
    assert found["tried"] == 88 + 2 * 3 * 8


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path, name):
    found = fuzz(name, 25, 0, tmp_path)
    assert found["unclear"] == []
    assert 0 < found["refused"] <= found["tried"]


def test_a_process_that_dies_is_noticed(tmp_path):
    died = in_process("os", "-c", folder=tmp_path)  # prints nothing that is JSON, or fails
    assert died == {"tried": 1, "refused": 0, "unclear": died["unclear"]} and died["unclear"]


def test_rows_fill_the_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- faults -->\nold\n<!-- /faults -->\nafter\n")
    row = Row("kill -9", "at random", "30 kills", 0, "equal", ["a traceback"])
    fill_page(page, [row], "1 May 2026, a machine")
    text = page.read_text()
    assert text.startswith("before\n<!-- faults -->\n\n| fault |") and text.endswith("after\n")
    assert "| kill -9 | at random | 30 kills | 0 | 1 | equal |" in text and "old" not in text
    fill_page(page, [row], "1 May 2026, a machine")
    assert page.read_text() == text
    page.write_text("no place")
    with pytest.raises(UserError, match="expected one line <!-- faults -->"):
        fill_page(page, [row], "")


def test_the_page_has_a_row_for_every_campaign():
    """What ``make soak`` wrote there last, for the readers there are today."""
    text = PAGE.read_text()
    assert all(f"| damaged file: {name} |" in text for name in READERS)
    assert all(f"| {fault} |" in text for fault in (
        "kill -9", "full disk", "disk full for a while", "read-only disk", "hostile checkpoints"))


def test_campaigns_count_what_is_unclear(tmp_path, monkeypatch):
    answers = {"tried": 9, "refused": 7, "unclear": ["TypeError: oh"], "ran": 0,
               "named_refused": False}
    monkeypatch.setattr(campaigns, "in_process", lambda *_, **more: answers)
    options = argparse.Namespace(files=9, seed=0)
    (row,) = campaigns.hostile(tmp_path, options)
    assert (row.losses, row.unclear) == (0, 2)
    rows = campaigns.readers(tmp_path, options)
    assert [row.unclear for row in rows] == [1] * len(READERS)
