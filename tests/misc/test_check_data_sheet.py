"""The sheet that misc/check_data.py draws shows what a training's network is given."""

import numpy as np
import pytest
from PIL import Image

from data_loader.augmentation import denormalise
from misc import check_data
from misc.parts import check_data_sheet
from misc.parts.check_data_sheet import draw_sheet
from misc.published import CONFIGS
from tests.data_helpers.pictures import dot, save
from tests.data_helpers.published_trees import write_published_data
from tests.data_helpers.stand_ins import ramp
from tests.data_helpers.tiny_runs import EMBEDDING, LANDMARKS
from trainer.resume import StartingPoint
from trainer.training import build_trainer
from utils.cli import run_program
from utils.config.read import read_config
from utils.run import Run
from utils.run_folder import RunFolder


def cells(figure, across):
    """Return {title: [(picture, points)]} of the images of a sheet, ``across`` in each cell."""
    drawn = {}
    for first in range(0, len(figure.axes), across):
        axes = figure.axes[first : first + across]
        drawn[axes[0].get_title(loc="left")] = [
            (a.images[0].get_array(), np.array(a.collections[0].get_offsets())) for a in axes]
    return drawn


def test_pairs_are_those_of_the_first_epoch(embedding_config, landmark_folder):
    config = read_config(embedding_config(batch_size=8, seed=3))
    run = Run(RunFolder.new(config.trainer.save_dir, config.name), config)
    trainer, given = build_trainer(config, StartingPoint(), run), {}
    trainer.loader.batch_sampler.set_epoch(1)
    for batch in trainer.loader:

        def note(module, inputs, numbers=batch["index"].tolist()):
            first, second = denormalise(inputs[0]).permute(0, 2, 3, 1).numpy().reshape(
                2, len(numbers), 24, 24, 3)
            given.update(zip(numbers, zip(first, second)))

        with trainer.model.register_forward_pre_hook(note):
            trainer.train_step(batch, epoch=1)
    drawn = cells(draw_sheet(config, "train"), across=3)
    assert list(drawn) == [f"{number:03d}.jpg" for number in range(12)]
    for number, (_, *views) in enumerate(drawn.values()):
        for (picture, _), expected in zip(views, given[number], strict=True):
            np.testing.assert_array_equal(picture, expected)


@pytest.fixture
def dots(tmp_path):
    """A folder of images with one dot each, which is their landmark."""
    lines = ["file,split,x,y"]
    for number in range(12):
        x, y = 30 + 3 * number, 65 - 2 * number
        save(dot(96, 96, x, y, radius=3), tmp_path / "images" / f"{number}.png")
        lines.append(f"{number}.png,{('train', 'test')[number % 2]},{x},{y}")
    (tmp_path / "landmarks.csv").write_text("\n".join(lines))
    return tmp_path


@pytest.mark.parametrize("kind", ["embedding", "landmarks"])
def test_landmarks_are_on_what_they_mark(dots, kind, embedding_config, landmark_config):
    write = {"embedding": embedding_config, "landmarks": landmark_config}[kind]
    kept = {"embedding": EMBEDDING, "landmarks": LANDMARKS}[kind]["dataset"]
    args = {"imwidth": 96, "crop": 8, "do_augmentations": False}
    warper = {"type": {"embedding": "Warper", "landmarks": "WarperSingle"}[kind]}
    config = read_config(write(dots, dataset={**kept, "args": args}, warper=warper))
    drawn = cells(draw_sheet(config, "train"), across=3 if kind == "embedding" else 2)
    assert list(drawn) == [f"{number}.png" for number in range(0, 12, 2)]
    found = 0
    for picture, ((x, y),) in (view for views in drawn.values() for view in views):
        light = picture.sum(axis=-1).astype(float)
        if 8 <= min(x, y) and max(x, y) < len(light) - 8:  # the whole dot is to be seen
            rows, columns = np.indices(light.shape)
            middle = [(axis * light).sum() / light.sum() for axis in (columns, rows)]
            np.testing.assert_allclose((x, y), middle, atol=1)
            found += 1
    assert found >= 10


def test_without_landmarks_dots_are_at_the_same_place_in_both_views(tmp_path, embedding_config):
    for number in range(4):
        save(ramp(80, 80), tmp_path / f"{number}.png")
    dataset = {"type": "LandmarkFolder",
               "args": {"imwidth": 80, "crop": 20, "do_augmentations": False}}
    config = read_config(embedding_config(tmp_path, dataset=dataset, min_epoch_images=50))
    figure = draw_sheet(config, "train")
    assert len(figure.axes) == 3 * 12  # few images are repeated, each time with other warps
    compared = 0
    for first in range(0, len(figure.axes), 3):
        (one, at), (other, there) = (
            (axes.images[0].get_array().astype(float), axes.collections[0].get_offsets())
            for axes in figure.axes[first + 1 : first + 3])
        assert at.shape == there.shape == (16, 2)
        for (x, y), (u, v) in zip(at.round().astype(int), there.round().astype(int)):
            if min(u, v) >= 0 and max(u, v) < 40 and one[y, x].any() and other[v, u].any():
                assert np.abs(one[y, x] - other[v, u]).max() < 8
                compared += 1
    assert compared > 50


def test_copies_of_few_annotated_images_keep_their_names(landmark_config):
    config = read_config(landmark_config(restrict_annos=3, min_epoch_images=40))
    figure = draw_sheet(config, "train")
    titles = [axes.get_title(loc="left") for axes in figure.axes[::2]]
    assert len(titles) == 12 and len(set(titles)) == 3 and titles[:3] * 4 == titles


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    place = tmp_path_factory.mktemp("published")
    write_published_data(place)
    return place


FIRST = sorted(min(folder.glob("*.json")) for folder in CONFIGS.iterdir()
               if folder.name not in ("templates", "own", "own-keypoints", "real_faces",
                                      "real_faces-keypoints"))


@pytest.mark.parametrize("path", FIRST, ids=lambda path: path.parent.name)
def test_every_data_set_is_drawn(path, published, monkeypatch):
    monkeypatch.chdir(published)
    monkeypatch.setattr(check_data_sheet, "NUM_SHOWN", 2)
    partial = [] if path.parent.name.startswith("synth") else ["dataset.args.allow_partial=true"]
    config = read_config(path, partial)
    figure = draw_sheet(config, "train")
    assert len(figure.axes) == 2 * (2 if config.is_landmark else 3)
    shown = [axes.images[0].get_array() for axes in figure.axes]
    S, crop = config.dataset["args"]["imwidth"], config.dataset["args"]["crop"]
    assert [picture.shape[0] for picture in shown[:2]] == [S, S - 2 * crop]
    assert min(picture.std() for picture in shown) > 1


def test_a_run_as_users_type_it(run_program, embedding_config, landmark_folder, tmp_path):
    config = embedding_config()
    finished = run_program("misc/check_data.py", "--config", config, "--draw")
    path = tmp_path / "saved" / "tiny-embedding-train.png"
    assert (finished.code, finished.stdout) == (0, f"{path}\n"), finished.stderr
    with Image.open(path) as picture:
        assert picture.format == "PNG" and picture.width > 1500 and picture.height > 600


def test_mistakes_are_one_line(embedding_config, landmark_folder, tmp_path, capsys):
    def told(*args, **changes):
        config = embedding_config(**changes)
        code = run_program(lambda: check_data.main(["--config", str(config), *args]))
        printed = capsys.readouterr()
        assert code == 2 and printed.out == "" and printed.err.count("\n") == 1
        return printed.err

    assert "a.jpg: expected a file that ends in .png" in told("--draw", "a.jpg")
    assert "warper" in told("--draw", str(tmp_path / "a.png"), warper={"type": "WarperSingle"})
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert str(blocked) in told("--draw", str(blocked / "a.png"))
