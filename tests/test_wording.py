"""Words of messages: one thing, or several of it."""

import pytest

from tests.data_helpers.tiny_runs import write_landmark_folder
from utils.wording import counted


@pytest.mark.parametrize("number, text", [
    (0, "0 images"), (1, "1 image"), (2, "2 images"), (202599, "202,599 images")])
def test_a_number_and_its_noun_agree(number, text):
    assert counted(number, "image") == text


def test_a_plan_of_few_things_counts_them_in_the_singular(call_program, embedding_config, tmp_path):
    root = write_landmark_folder(tmp_path / "faces", 5, 2)
    done = call_program("train.py", "--config", embedding_config(root), "--dry_run",
                        "--set", "trainer.epochs=1")
    assert done.code == 0, done.stderr
    assert "  an epoch: 1 step of 4, 1 left over\n" in done.stdout
    assert ", 1 epoch\n" in done.stdout and "2 checkpoints, of about" in done.stdout
