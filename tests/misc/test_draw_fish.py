"""The drawn fish: landmarks where they are seen, a folder that the project reads."""

import numpy as np
from PIL import Image

from data_loader.folder_listing import FolderListing
from misc.dev import draw_fish, fish
from utils.cli import run_program


def draw(folder, *options):
    return run_program(lambda: draw_fish.main([str(folder), *options]))


def test_fish_are_read_with_their_landmarks(tmp_path):
    assert draw(tmp_path / "fish", "--images", "9") == 0
    listing = FolderListing(tmp_path / "fish")
    names = sorted(listing.annotated)
    assert [listing.splits[name] for name in names] == ["train"] * 6 + ["test"] * 3
    for name in names:
        image = np.asarray(Image.open(listing.folder / name).convert("L"), float)
        landmarks = listing.annotations.table[name].landmarks
        assert landmarks.shape == (7, 2) and (landmarks > 0).all() and (landmarks < 127).all()
        x, y = landmarks[fish.POINTS.index("eye")].round().astype(int)
        # The pupil is the darkest place near the eye.
        around = image[y - 4 : y + 5, x - 4 : x + 5]
        assert image[y - 1 : y + 2, x - 1 : x + 2].min() <= around.min() + 5


def test_a_seed_draws_the_same_fish_and_nothing_is_overwritten(tmp_path, capsys):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert draw(tmp_path / name, "--images", "2", "--seed", str(seed)) == 0
    a, b, c = ((tmp_path / name / "landmarks.csv").read_text() for name in "abc")
    assert a == b != c
    pictures = [(tmp_path / name / "images" / "0001.jpg").read_bytes() for name in "abc"]
    assert pictures[0] == pictures[1] != pictures[2]
    for name, options in (("d", []), ("e", ["--seed", "0"])):
        assert draw(tmp_path / name, "--images", "2", *options) == 0
    assert (tmp_path / "d" / "landmarks.csv").read_text() == (
        tmp_path / "e" / "landmarks.csv").read_text()
    assert draw(tmp_path / "a") == 2
    assert "exists, expected a new folder" in capsys.readouterr().err


def test_what_cannot_be_written_is_told_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    assert draw(tmp_path / "file" / "fish") == 2
    assert capsys.readouterr().err.count("\n") == 1

    def fail(image):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fish.Fish, "draw", fail)
    assert draw(tmp_path / "new" / "fish") != 0
    assert "the disk is full" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
