"""Objects in boxes of an image: landmarks, matches and descriptors in pixels of the whole image."""

import numpy as np
import pytest
import torch

import inference
from data_loader.boxes import box_window
from inference import Model
from inference.view import Viewer
from tests.data_helpers.boxed_dots import BOXES, DOTS, SIZE, scene, write_csv, write_scenes
from tests.data_helpers.stand_ins import LightFinder, RampReader, ramp, save_both
from utils.errors import UserError

S, CROP, MARGIN = 96, 8, 0.25


@pytest.fixture
def finder():
    """A model that finds the dot in what it is shown."""
    viewer = Viewer(S, CROP, box_margin=MARGIN)
    return Model(torch.nn.Identity(), viewer, head=LightFinder())


@pytest.fixture
def matcher():
    return Model(RampReader(), Viewer(S))


def two_ramps():
    """Return a picture with the same object twice, and the boxes of both."""
    picture = np.zeros((300, 500, 3), np.uint8)
    boxes = [(20, 40, 120, 140), (260, 60, 460, 260)]
    for left, top, right, bottom in boxes:
        picture[top:bottom, left:right] = ramp(right - left, bottom - top)
    return picture, boxes


def test_dots_come_back_to_the_pixel(finder):
    for box, at in zip(BOXES, DOTS):
        np.testing.assert_allclose(finder.landmarks(scene(), box=box), [at], atol=0.05)


def test_several_boxes_and_several_images(finder):
    several = finder.landmarks(scene(), box=BOXES)
    np.testing.assert_allclose(several, np.array(DOTS)[:, None], atol=0.05)
    images = [scene(), scene()]
    each = finder.landmarks(images, box=torch.tensor(BOXES), batch_size=1)
    torch.testing.assert_close(each, several)
    torch.testing.assert_close(finder.landmarks(finder.see(scene(), BOXES[1])), several[1])


def test_a_box_around_everything_is_the_image(finder):
    square = scene()[:, :400]
    finder.viewer.box_margin = 0
    boxed, whole = finder.see(square, (0, 0, 400, 400)), finder.see(square)
    assert torch.equal(boxed.pixels, whole.pixels)


@pytest.mark.parametrize("protocol", ["cosine", "published"])
def test_a_point_of_one_object_is_matched_in_another(matcher, protocol):
    picture, boxes = two_ramps()
    first, second = matcher.embed(picture, box=boxes)
    points = torch.tensor([[45.0, 65.0], [99.5, 119.5]])  # a quarter along the first, and on
    found, scores = matcher.match(first, [second, first], points, protocol)
    expected = 2 * (points + 0.5 - torch.tensor([20, 40])) + torch.tensor([260, 60]) - 0.5
    cell = 1 if protocol == "cosine" else 2  # pixels of the input, in which a match is a whole one
    assert (found[0] - expected).abs().max() <= 1.01 * cell * 200 / S
    assert (found[1] - points).abs().max() <= 1.01 * cell * 100 / S
    places = second.places()
    np.testing.assert_allclose(places[0, 0], [260 + 100 / S - 0.5, 60 + 100 / S - 0.5], atol=1e-3)


def test_the_training_says_what_is_shown_around_a_box(train, landmark_config, embedding_config,
                                                      tmp_path):
    write_scenes(tmp_path / "data")
    write_csv(tmp_path / "data")
    args = {"imwidth": 32, "crop": 4, "box_margin": MARGIN, "box_outside": "zero"}
    changes = {"dataset": {"type": "LandmarkFolder", "args": args}, "min_epoch_images": 8}
    root = tmp_path / "data"
    embedding = train(embedding_config(root, **changes), "--set", "trainer.epochs=1")
    fitted = train(landmark_config(root, **changes, metrics=["inter_ocular_error"]),
                   "--set", "trainer.epochs=1", "--resume", embedding.folder)
    assert "data: 4 objects, cut out by boxes as squares of 195 to 255 pixels" in embedding.log
    model = inference.load(fitted.folder)
    assert model.landmark_names == ["dot_x"]
    view = model.see(scene(), BOXES[0]).view
    assert view.window == box_window(BOXES[0], MARGIN) and view.by_content
    assert model.viewer.box_outside == "zero" and model.see(scene()).view.by_content
    assert inference.load(fitted.folder, box_margin=0).see(scene(), BOXES[0]).view.window == (
        95, 60, 225, 190)
    assert model.landmarks(scene(), box=BOXES).shape == (2, 1, 2)


def test_what_was_trained_on_whole_images_shows_boxes_without_a_margin(tmp_path):
    model = inference.load(save_both(tmp_path)[1])
    assert model.see(scene(), BOXES[0]).view.window == (95, 60, 225, 190)
    assert not model.see(scene()).view.by_content


@pytest.mark.parametrize("box, told", [
    ((700, 0, 800, 100), "the image: box from 700, 0 to 800, 100 lies outside of the image, which "
                         f"is {SIZE[0]} x {SIZE[1]} pixels"),
    ((-300, 0, 100, 100), "more than half outside"),
    ((30, 0, 10, 100), "expected finite numbers, left < right and top < bottom"),
    ((10, 0, 10, 100), "expected finite numbers"), ((float("nan"), 0, 10, 100), "finite"),
    ("text", "box: expected numbers"), ((1, 2, 3), "box of shape (3,), expected (4,) or (B, 4)"),
    ([[[1, 2, 3, 4]]], "expected (4,) or (B, 4)"), ((None, 1, 2, 3), "expected finite numbers")])
def test_a_bad_box_is_one_line(finder, box, told):
    with pytest.raises(UserError) as caught:
        finder.landmarks(scene(), box=box)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_is_named_and_as_many_boxes_as_images_are_expected(finder, tmp_path):
    write_scenes(tmp_path)
    path = tmp_path / "a.png"
    with pytest.raises(UserError, match=f"^{path}: box from 9, 9 to 9, 9"):
        finder.landmarks(path, box=(9, 9, 9, 9))
    with pytest.raises(UserError, match=r"box of shape \(4,\), expected \(2, 4\)"):
        finder.landmarks([path, path], box=BOXES[0])
    with pytest.raises(UserError, match="shows a part already"):
        finder.landmarks(finder.see(path), box=BOXES[0])
