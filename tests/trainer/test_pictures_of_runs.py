"""Pictures that runs leave on disk: while training, and on request after an evaluation."""

import re
from pathlib import Path

import pytest
from PIL import Image

GALLERY = {f"matches-{identity}-{kind}.png"
           for identity in ("same", "different") for kind in ("first", "best", "worst")}


def pictures_in(folder):
    """Return {file name: size} of pictures, once each was decoded."""
    sizes = {}
    for path in folder.glob("pictures/*"):
        with Image.open(path) as image:
            image.load()
            sizes[path.name] = image.size
    return sizes


def told_pictures(done):
    """Return the paths of the pictures that a program says it wrote."""
    return [Path(path) for path in re.findall(r"^picture: (.+)$", done.stdout, re.MULTILINE)]


@pytest.mark.parametrize("names", [
    ["sphere_colormap", "sphere_rand_proj_colormap"],
    ["sphere_scatter3d", "sphere_norm_scatter3d"],
    [],
])
def test_a_training_leaves_the_pictures_its_config_names(train, embedding_config, names):
    """Without TensorBoard too, which the tiny configs leave out."""
    trained = train(embedding_config(visualizations=names), "--mini_train")
    assert pictures_in(trained.log_dir).keys() == {f"{name}.png" for name in names}


def test_a_regressor_leaves_the_picture_of_its_keypoints(
        train, landmark_config, trained_embedding):
    trained = train(landmark_config(visualizations=["keypoints_intermediate"]), "--mini_train",
                    "--resume", trained_embedding.checkpoint(3))
    assert pictures_in(trained.log_dir).keys() == {"keypoints_intermediate.png"}


def test_matches_are_drawn_on_request(call_program, trained_embedding, tmp_path):
    done = call_program(
        "test_matching.py", "--config", trained_embedding.config, "--vis", "--dense_match",
        "--resume", trained_embedding.checkpoint(3), "--set", f"trainer.save_dir={tmp_path}",
    )
    assert (done.code, done.stderr) == (0, "")
    paths = told_pictures(done)
    (log_dir,) = (tmp_path / "log" / "tiny-embedding").iterdir()
    drawn = pictures_in(log_dir)
    assert {path.name for path in paths} == drawn.keys() == (
        GALLERY | {"dense-same.png", "dense-different.png"})
    assert all(path.parent == log_dir / "pictures" for path in paths)


def test_landmarks_are_drawn_on_request(call_program, train, landmark_config, trained_embedding,
                                        tmp_path):
    trained = train(landmark_config(), "--mini_train", "--resume", trained_embedding.checkpoint(3))
    done = call_program(
        "test.py", "--config", trained.config, "--resume", trained.checkpoint(1), "--vis",
        "--set", f"trainer.save_dir={tmp_path / 'evaluated'}",
    )
    assert (done.code, done.stderr) == (0, "")
    names = [path.name for path in told_pictures(done)]
    assert names == ["landmarks-first.png", "landmarks-best.png", "landmarks-worst.png"]


def test_dense_matches_take_an_embedding(call_program, landmark_config, trained_embedding):
    config = landmark_config()
    done = call_program("test.py", "--config", config, "--dense_match",
                        "--resume", trained_embedding.checkpoint(3))
    assert done.code == 2
    assert done.stderr == (
        f"error: --dense_match: takes an embedding, {config} fits landmarks\n")


def test_no_picture_is_drawn_unasked(call_program, trained_embedding, tmp_path):
    done = call_program(
        "test_matching.py", "--config", trained_embedding.config, "--mini_train",
        "--resume", trained_embedding.checkpoint(3), "--set", f"trainer.save_dir={tmp_path}",
    )
    assert told_pictures(done) == [] and not list(tmp_path.rglob("*.png"))
