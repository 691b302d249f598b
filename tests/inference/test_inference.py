"""The Python API: answers in the pixels of the image as given, whatever its size, mode and kind."""

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

import inference
from data_loader import DATASETS
from data_loader.augmentation import normalise
from inference import Model
from inference.arguments import as_points
from inference.view import View, Viewer
from model.matching import match_landmarks
from tests.data_helpers.pictures import noise
from tests.data_helpers.published import published_state_dict, save_published
from tests.data_helpers.stand_ins import (
    LightFinder,
    RampReader,
    ramp,
    save_both,
    save_tiny_checkpoint,
    tiny_networks,
)
from tests.data_helpers.tiny_runs import EMBEDDING, ENVIRONMENT, LANDMARKS, ROOT, write_image
from utils.checkpoint.save_and_load import read_checkpoint
from utils.errors import UserError

S, CROP = 100, 15
INVERSE_OF_EXIF = {  # the orientation flag -> what makes the stored picture of the upright one
    1: None, 2: Image.FLIP_LEFT_RIGHT, 3: Image.ROTATE_180, 4: Image.FLIP_TOP_BOTTOM,
    5: Image.TRANSPOSE, 6: Image.ROTATE_90, 7: Image.TRANSVERSE, 8: Image.ROTATE_270,
}


@pytest.fixture(scope="module")
def matcher():
    return Model(RampReader(), Viewer(S, CROP))


@pytest.fixture(scope="module")
def light_finder():
    return Model(torch.nn.Identity(), Viewer(S, CROP), head=LightFinder())


@pytest.fixture
def checkpoints(tmp_path, landmark_folder):
    """Paths of an untrained embedding and landmark model for the tiny data set."""
    return save_both(tmp_path, landmark_folder)


def spot(width, height, x, y):
    """Return a black picture (height, width) with a white spot, some pixels of S x S in size."""
    radius = np.maximum(0.5, 2.5 * np.array([width, height]) / S)
    rows, columns = np.ogrid[:height, :width]
    inside = ((columns - x) / radius[0]) ** 2 + ((rows - y) / radius[1]) ** 2 <= 1
    return np.where(inside, 255, 0).astype(np.uint8)


def in_mode(grey, mode):
    """Return a grey picture as a PIL image of a mode."""
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    image = Image.fromarray(grey)
    if mode in ("RGBA", "LA"):
        image = image.convert(mode)
        image.putalpha(255)
        return image
    return image.convert("RGB").convert(mode) if mode in ("CMYK", "P") else image.convert(mode)


def answer_at(x, size):
    """Where a landmark at ``x`` is answered by a head that points at what it sees: the regressor
    of a real model would have learned the difference (``inference.view``).
    """
    step = np.array(size) / S
    return np.array(x) + 0.5 - step / 2


# Matching: places, whatever sizes and kinds the images have

@pytest.mark.parametrize("a, b", [
    ((100, 100), (100, 100)), ((20, 30), (900, 400)), ((900, 400), (20, 30)),
    ((1500, 70), (300, 301)), ((178, 218), (70, 70))])
@pytest.mark.parametrize("protocol, half_cell", [("cosine", 0.5), ("published", 1.0)])
def test_points_come_back_within_half_a_cell(matcher, a, b, protocol, half_cell):
    shares = torch.rand(60, 2, generator=torch.Generator().manual_seed(0)) * 0.68 + 0.16
    points, truth = (shares * torch.tensor(size) - 0.5 for size in (a, b))
    matched, scores = matcher.match(ramp(*a), ramp(*b), points, protocol)
    error = (matched - truth).abs() / torch.tensor(b) * S
    assert matched.shape == (60, 2) and error.max() < half_cell + 0.02
    assert scores.shape == (60,) and (scores > (0.999 if protocol == "cosine" else 1.99)).all()


class Stream(io.RawIOBase):
    """What comes over a network: it is read once, and never goes back."""

    def __init__(self, content):
        self.read = io.BytesIO(content).read


def kinds_of(array, folder):
    """Yield one picture in all kinds that are taken."""
    path = folder / "picture.png"
    Image.fromarray(array).save(path)
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    return [path, str(path), Image.open(path), array, np.asfortranarray(array), tensor,
            tensor.float() / 255, tensor.double() / 255, array.astype(np.uint16) * 257,
            path.read_bytes(), bytearray(path.read_bytes()), memoryview(path.read_bytes()),
            path.open("rb"), io.BytesIO(path.read_bytes()), Stream(path.read_bytes())]


def assert_same_descriptors(found, expected):
    """Batches of other sizes sum in another order: 6 layers * sqrt(10^3 products) * 6e-8 = 1e-5."""
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 5e-5 * expected.abs().max()


def test_all_kinds_of_a_picture_are_the_same(matcher, tmp_path):
    kinds = kinds_of(ramp(61, 47), tmp_path)
    embeddings = matcher.embed(kinds)
    for embedding in embeddings:
        assert_same_descriptors(embedding.descriptors, embeddings[0].descriptors)
        assert embedding.view == embeddings[0].view
    batch = np.stack([ramp(61, 47)] * 3)
    for several in (batch, torch.from_numpy(batch).permute(0, 3, 1, 2)):
        found = torch.stack([embedding.descriptors for embedding in matcher.embed(several)])
        assert_same_descriptors(found, torch.stack([embeddings[0].descriptors] * 3))


def test_grey_arrays_and_alpha(matcher):
    grey = ramp(40, 40)[..., 0]
    clear = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    reference = matcher.embed(np.dstack([grey] * 3)).descriptors
    for kind in (grey, grey[..., None], clear, torch.from_numpy(grey)[None]):
        assert torch.equal(matcher.embed(kind).descriptors, reference)
    clear[..., 3] = 0
    white = matcher.embed(np.full((40, 40, 3), 255, np.uint8)).descriptors
    assert torch.equal(matcher.embed(clear).descriptors, white)


def test_places_of_cells(matcher):
    places = matcher.embed(ramp(200, 50)).places()
    assert places.shape == (35, 35, 2)
    # Pixel 15 + 2 * 34 of 100 x 100 covers 83 / 100 to 84 / 100 of the image.
    torch.testing.assert_close(places[0, 0], torch.tensor([0.155, 0.155]) * torch.tensor([200, 50])
                               - 0.5)
    torch.testing.assert_close(places[34, 10], torch.tensor([0.355, 0.835])
                               * torch.tensor([200, 50]) - 0.5)


def test_points_in_the_border_are_answered_as_the_nearest_inside(matcher):
    picture = ramp(S, S)
    border = [[0, 0], [50, 3], [99, 50], [-0.5, 99.5]]
    inside = [[15, 15], [50, 15], [84, 50], [15, 84]]
    for protocol in ("cosine", "published"):
        answers = [matcher.match(picture, picture, p, protocol)[0] for p in (border, inside)]
        assert torch.equal(*answers)


@pytest.mark.parametrize("point, told", [
    ((300, 25), "300,25"), ((25, 59.75), "25,59.75"), ((-0.6, 0), "-0.6,0"), ((0, -1), "0,-1"),
    ((79.6, 0), "79.6,0")])
def test_a_point_outside_the_image_is_refused(matcher, point, told):
    picture = ramp(80, 60)
    for a in (picture, matcher.embed(picture)):
        with pytest.raises(UserError) as caught:
            matcher.match(a, ramp(400, 400), [[25, 25], point])
        assert str(caught.value) == f"point {told}: outside the image, which is 80x60 pixels"


def test_a_view_knows_what_it_shows():
    view = View((178, 218), (0, 30, 178, 208), S, CROP)
    points = torch.tensor([[89.0, 119], [89, 35], [10, 119], [27, 57], [26, 57], [27, 56]])
    assert view.shows(points).tolist() == [True, False, False, True, False, False]
    whole = View((178, 218), (0, 30, 178, 208), S, 0)
    assert whole.shows(points).all() and not whole.shows(torch.tensor([89.0, 29]))
    assert whole.holds(torch.tensor([89.0, 29]))


def test_whole_images_can_be_shown(tmp_path):
    model = Model(RampReader(), Viewer(S, crop=0))
    points = [[3.0, 5], [196, 2], [100, 97]]
    matched, _ = model.match(ramp(200, 100), ramp(200, 100), points)
    assert (matched - torch.tensor(points)).abs().max() <= 2


def test_published_protocol_is_that_of_the_evaluation(checkpoints, tmp_path):
    for name, seed in (("a", 1), ("b", 2)):
        write_image(tmp_path / f"{name}.png", seed, (32, 32))
    model = inference.load(checkpoints[0])
    points = torch.tensor([[8.0, 9], [11, 20], [25.4, 13]])
    maps = [model.embed(tmp_path / f"{name}.png").descriptors[None] for name in "ab"]
    expected = match_landmarks(maps[0], points[None] - 4, maps[1], 2)[0] + 4
    matched, scores = model.match(tmp_path / "a.png", tmp_path / "b.png", points, "published")
    assert torch.equal(matched, expected.float())
    cells = [((p - 4) / 2).long() for p in (points.round(), matched)]
    for k in range(3):
        product = sum(m[0, :, c[k, 1], c[k, 0]] for m, c in zip(maps[:1], cells[:1]))
        other = maps[1][0, :, cells[1][k, 1], cells[1][k, 0]]
        assert scores[k] >= (product * other).sum() - 1e-5


# Landmarks: a dot comes back, in every mode and size

@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "I;16", "CMYK", "YCbCr"])
@pytest.mark.parametrize("as_file", [False, True])
def test_a_spot_is_found_in_every_mode(light_finder, tmp_path, mode, as_file):
    size, place = (230, 170), (96, 75)
    image = in_mode(spot(*size, *place), mode)
    if as_file:
        path = tmp_path / ("spot.jpg" if mode in ("CMYK", "YCbCr") else "spot.png")
        image.save(path)
        image = path
    found = light_finder.landmarks(image)
    assert found.shape == (1, 2)
    np.testing.assert_allclose(found[0], answer_at(place, size), atol=0.3)


@pytest.mark.parametrize("orientation", INVERSE_OF_EXIF)
@pytest.mark.parametrize("as_file", [False, True])
def test_the_exif_orientation_is_applied(light_finder, tmp_path, orientation, as_file):
    size, place = (240, 160), (80, 105)
    image = Image.fromarray(spot(*size, *place))
    turn = INVERSE_OF_EXIF[orientation]
    stored = image if turn is None else image.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.jpg"
    stored.save(path, exif=exif, quality=95)
    found = light_finder.landmarks(path if as_file else Image.open(path))
    np.testing.assert_allclose(found[0], answer_at(place, size), atol=0.3)


@pytest.mark.parametrize("size, place", [
    ((1, 1), (0, 0)), ((3, 2), (1, 1)), ((10, 10), (4, 6)), ((100, 100), (40, 70)),
    ((1, 700), (0, 300)), ((900, 2), (400, 0)), ((4000, 3000), (2500, 1200))])
def test_a_spot_comes_back_at_every_size(light_finder, size, place):
    found = light_finder.landmarks(spot(*size, *place))[0].numpy()
    step = np.array(size) / S  # pixels of the image in one of S x S
    seen = np.array(place) + 0.5 - step / 2
    if min(size) >= 10:
        np.testing.assert_allclose(found, seen, atol=0.1 * max(1, *step))
    assert (np.abs(found - place) <= 0.5 * np.maximum(1, step) + 0.5).all()


def test_a_fitted_regressor_is_exact_for_images_of_the_size_it_was_fitted_on():
    size, place = (300, 200), np.array([150, 90])
    learned = (1 - S / 300) / 2  # how much further than what is seen x * S / 300 lies
    model = Model(torch.nn.Identity(), Viewer(S, CROP), head=LightFinder(-learned))
    np.testing.assert_allclose(
        model.landmarks(spot(*size, *place))[0, 0], place[0] + 0.5 - 1.5 - learned * 3, atol=0.1)
    model = Model(torch.nn.Identity(), Viewer(S, CROP), head=LightFinder(learned))
    np.testing.assert_allclose(model.landmarks(spot(*size, *place))[0, 0], place[0], atol=0.1)


def test_landmarks_are_scaled_back_as_training_scales_them(checkpoints, landmark_folder):
    """What the data set gives for an image, and the network answers, is what comes back."""
    args = LANDMARKS["dataset"]["args"]
    dataset = DATASETS["LandmarkFolder"](landmark_folder, "test", use_keypoints=True, **args)
    _, network = tiny_networks()
    model = inference.load(checkpoints[1])
    found = model.landmarks(dataset.paths[:3])
    crop, size = args["crop"], torch.tensor([40, 48])
    for index in range(3):
        inner = dataset[index]["image"][None, :, crop:-crop, crop:-crop]
        with torch.no_grad():
            predicted = (network(normalise(inner))[0] + 1) / 2 * 23 + crop
        # Descriptors are off by 1e-5, times 100 before the softmax, which gives shares of 32 px.
        torch.testing.assert_close(found[index], predicted * size / 32, rtol=0, atol=0.03)


def test_the_network_sees_what_training_showed_it(checkpoints, landmark_folder):
    args = EMBEDDING["dataset"]["args"]
    dataset = DATASETS["LandmarkFolder"](landmark_folder, "train", **args)
    network, _ = tiny_networks()
    crop = args["crop"]
    images = torch.stack([dataset[i]["image"] for i in range(5)])[..., crop:-crop, crop:-crop]
    with torch.no_grad():
        expected = network(normalise(images))
    for path in checkpoints:
        embeddings = inference.load(path).embed(dataset.paths[:5], batch_size=2)
        assert_same_descriptors(torch.stack([e.descriptors for e in embeddings]), expected)


@pytest.mark.parametrize("square", ["auto", "resize", "crop"])
def test_long_images_are_made_square_as_in_training(tmp_path, square):
    Image.fromarray(noise(40, 90)).save(tmp_path / "long.png")
    Image.fromarray(noise(90, 80)).save(tmp_path / "nearly.png")
    kind = DATASETS["LandmarkFolder"]
    viewer = Viewer(S, window=partial(kind.window, square=square))
    for split in ("train", "test"):  # an image each
        dataset = kind(tmp_path, split, S, square=square)
        seen = viewer(Image.open(dataset.paths[0])).pixels
        torch.testing.assert_close(seen, dataset[0]["image"])


def test_aligned_celeba_is_cut_to_its_square():
    viewer = Viewer(S, CROP, DATASETS["MAFLAligned"].window)
    assert viewer(Image.new("RGB", (178, 218))).view.window == (0, 30, 178, 208)
    assert viewer(Image.new("RGB", (178, 178))).view.window == (0, 0, 178, 178)
    view = View((178, 218), (0, 30, 178, 208), S, CROP)
    assert view.landmarks_to_image(torch.zeros(2)).tolist() == pytest.approx([26.7, 56.7])
    points = torch.rand(5, 2) * 100
    torch.testing.assert_close(view.to_image(view.to_input(points)), points)


# One and several images

def test_one_image_gives_one_result_and_several_a_list(matcher, light_finder):
    picture, other = ramp(30, 20), ramp(20, 30)
    points = [[12, 9], [15, 11], [17, 13]]
    one = matcher.match(picture, other, points)
    assert [x.shape for x in one] == [(3, 2), (3,)]
    several = matcher.match(picture, [other, picture, other], points, batch_size=2)
    assert [x.shape for x in several] == [(3, 3, 2), (3, 3)]
    for n in (0, 2):
        assert (several[0][n] - one[0]).abs().max() <= 1  # of two cells as good, either
        torch.testing.assert_close(several[1][n], one[1], rtol=1e-4, atol=1e-4)  # other batches
    assert [x.shape for x in matcher.match(picture, [], points)] == [(0, 3, 2), (0, 3)]
    assert [x.shape for x in matcher.match(picture, other, np.empty((0, 2)))] == [(0, 2), (0,)]
    assert light_finder.landmarks([picture, other]).shape == (2, 1, 2)
    assert matcher.embed([]) == [] and isinstance(matcher.embed((picture,)), list)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, None])
def test_a_batch_size_that_is_none(matcher, light_finder, batch_size):
    picture, told = ramp(30, 20), r"batch_size = .*, expected a whole number of at least 1"
    for call in (matcher.embed, light_finder.landmarks,
                 lambda images, batch_size: matcher.match(picture, images, [[1, 1]],
                                                          batch_size=batch_size)):
        with pytest.raises(UserError, match=told):
            call([picture], batch_size=batch_size)


def test_maps_of_other_sizes_are_not_matched(matcher):
    picture = ramp(30, 20)
    found = matcher.embed(picture)
    other = replace(found, descriptors=found.descriptors[:, 1:])
    with pytest.raises(UserError, match="descriptors of b are .*, those of a .* expected the same"):
        matcher.match(found, [found, other], [[12, 9]])


def test_what_was_seen_takes_no_box(matcher):
    seen = matcher.see(ramp(30, 20))
    assert matcher.see(seen) is seen
    with pytest.raises(UserError, match="box: what see.. returned shows a part already"):
        matcher.see(seen, (1, 1, 9, 9))


def test_embeddings_can_be_matched_again(matcher):
    picture, other = ramp(30, 20), ramp(40, 30)
    points = [[12, 9], [15, 11]]
    expected = matcher.match(picture, other, points)
    seen = matcher.see(other)
    for a, b in ((matcher.embed(picture), matcher.embed(other)), (picture, matcher.embed(other)),
                 (matcher.see(picture), seen), (matcher.embed(picture), seen)):
        assert all(map(torch.equal, matcher.match(a, b, points), expected))
    mixed = matcher.match(picture, [matcher.embed(other), other, picture], points)
    assert torch.equal(mixed[0][0], mixed[0][1]) and torch.equal(mixed[0][0], expected[0])


def test_more_points_than_are_compared_at_once(matcher, monkeypatch):
    points = torch.rand(50, 2) * 60 + 20
    places, scores = matcher.match(ramp(S, S), ramp(S, S), points)
    monkeypatch.setattr("inference.matching.POINTS_AT_ONCE", 7)
    places_in_parts, scores_in_parts = matcher.match(ramp(S, S), ramp(S, S), points)
    assert (places_in_parts - places).abs().max() <= 1  # of two cells as good, either
    torch.testing.assert_close(scores_in_parts, scores, rtol=1e-5, atol=1e-5)


# What is wrong is told

@pytest.mark.parametrize("image, part", [
    (5, "type int"), (np.zeros((4, 4, 2), np.uint8), "(4, 4, 2)"),
    (np.zeros((4, 4, 3)), "float64"), (np.zeros((0, 4, 3), np.uint8), "at least one pixel"),
    (torch.zeros(4, 4), "(4, 4)"), (torch.full((3, 4, 4), 200.0), "[0, 1]"),
    (torch.full((3, 4, 4), torch.nan), "[0, 1]"), (torch.zeros(9, 9, 3), "come first in a tensor"),
    ("missing.png", "missing.png: cannot read"), (Image.new("F", (4, 4), 2), "floating-point"),
    (np.full((4, 4), 1 << 20, np.int32), "int32")])
def test_what_is_no_image(matcher, image, part):
    with pytest.raises(UserError) as caught:
        matcher.embed(image)
    assert part in str(caught.value)


def test_a_broken_file_is_named(matcher, tmp_path):
    Image.fromarray(ramp(60, 60)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:120])
    with pytest.raises(UserError, match="b.png: cannot read this image"):
        matcher.embed([tmp_path / "a.png", tmp_path / "b.png"])
    with pytest.raises(UserError, match="an image of mode RGB: "):
        matcher.embed(Image.open(tmp_path / "b.png"))


@pytest.mark.parametrize("points, part", [
    ([1, 2], r"shape \(2,\)"), ([[1, 2, 3]], r"\(1, 3\)"), ([["a", "b"]], "numbers"),
    ([[0, np.nan]], "finite"), ([[1], [2, 3]], "numbers")])
def test_what_are_no_points(points, part):
    with pytest.raises(UserError, match=part):
        as_points(points)


def test_an_unknown_protocol_and_an_embedding_asked_for_landmarks(matcher):
    with pytest.raises(UserError, match="did you mean 'cosine'"):
        matcher.match(ramp(9, 9), ramp(9, 9), [[1, 1]], "cosin")
    with pytest.raises(UserError, match="expected a landmark model"):
        matcher.landmarks(ramp(9, 9))


def test_a_model_says_what_it_is(checkpoints, matcher, light_finder):
    shown = [repr(inference.load(path)) for path in checkpoints]
    network = "Model(SmallNet, 8-d descriptors, input 24x24, of 32x32 with crop 4, "
    assert shown == [f"{network}on cpu)", f"{network}3 landmarks, on cpu)"]
    whole = inference.load(checkpoints[0], whole=True)
    assert "input 32x32, of 32x32 with crop 0" in str(whole)
    assert repr(matcher) == "Model(RampReader, input 70x70, of 100x100 with crop 15, on cpu)"
    assert "Identity" in repr(light_finder)


# Loading

def test_a_run_folder_offers_its_best_then_its_last(tmp_path):
    backbone, _ = tiny_networks()
    for number, name in enumerate(
            ["checkpoint-epoch2.pth", "checkpoint-epoch10.pth", "checkpoint-epoch10-step3.pth"]):
        with torch.no_grad():
            backbone.conv6.bias.fill_(number)
        save_tiny_checkpoint(tmp_path / name, backbone, EMBEDDING)
    assert inference.load(tmp_path).backbone.conv6.bias[0] == 2
    with torch.no_grad():
        backbone.conv6.bias.fill_(7)
    save_tiny_checkpoint(tmp_path / "model_best.pth", backbone, EMBEDDING)
    assert inference.load(str(tmp_path)).backbone.conv6.bias[0] == 7


def test_a_trained_run(trained_embedding):
    model = inference.load(trained_embedding.folder)
    assert not model.has_landmarks and (model.viewer.imwidth, model.viewer.crop) == (32, 4)
    whole = inference.load(trained_embedding.checkpoint(2), whole=True)
    assert whole.embed(ramp(9, 9)).descriptors.shape == (8, 16, 16)
    named = inference.load(trained_embedding.folder, config=trained_embedding.config)
    assert named.viewer.crop == 4


def published(folder, **options):
    """Write a published checkpoint; returns its path."""
    save_published(folder / "checkpoint-epoch100.pth", published_state_dict("smallnet64"),
                   **options)
    return folder / "checkpoint-epoch100.pth"


def celeba_config(dim):
    """Return a committed config with embeddings of so many dimensions."""
    return json.loads((ROOT / f"configs/celeba/smallnet-{dim}d-dve.json").read_text())


@pytest.mark.parametrize("zip_format", [False, True])
@pytest.mark.parametrize("plain_config", [False, True])
def test_a_published_checkpoint_with_its_config(tmp_path, zip_format, plain_config):
    path = published(tmp_path, zip_format=zip_format, plain_config=plain_config,
                     config=celeba_config(64))
    model = inference.load(path)
    assert model.embed(ramp(178, 218)).view.window == (0, 30, 178, 208)
    assert model.embed(ramp(178, 218)).descriptors.shape == (64, 35, 35)


def test_a_published_checkpoint_without_a_usable_config(tmp_path):
    path = published(tmp_path)
    with pytest.raises(UserError, match=r"pth: its config: config\.dataset, .* are missing"):
        inference.load(path)
    config = tmp_path / "named.json"
    config.write_text(json.dumps(celeba_config(64)))
    assert inference.load(path, config=config).viewer.imwidth == 100
    torch.save({"state_dict": published_state_dict("smallnet64")}, path)
    with pytest.raises(UserError, match="no config.json beside it"):
        inference.load(path)
    config.rename(tmp_path / "config.json")
    assert inference.load(path).viewer.imwidth == 100
    with pytest.raises(UserError, match="weights do not fit SmallNet"):
        other = tmp_path / "other.json"
        other.write_text(json.dumps(celeba_config(16)))
        inference.load(path, config=other)


def test_the_landmarks_that_a_regressor_has_need_no_data(tmp_path):
    _, landmarks = tiny_networks()
    path = save_tiny_checkpoint(tmp_path / "a.pth", landmarks, LANDMARKS, root=tmp_path / "none")
    assert inference.load(path).landmarks(ramp(20, 20)).shape == (3, 2)


def test_what_cannot_be_loaded(tmp_path):
    (tmp_path / "seed-0").mkdir()
    with pytest.raises(UserError, match="holds neither model_best.pth nor checkpoint-epochN.pth"):
        inference.load(tmp_path)
    with pytest.raises(UserError, match="cannot read this file"):
        inference.load(tmp_path / "absent.pth")
    backbone, landmarks = tiny_networks()
    wrong = save_tiny_checkpoint(tmp_path / "wrong.pth", backbone, LANDMARKS)
    with pytest.raises(UserError, match="holds an embedding"):
        inference.load(wrong)
    kind = {**EMBEDDING, "dataset": {"type": "LandmarkFolder", "args": {"imwidth": 32, "crop": 16}}}
    with pytest.raises(UserError, match="crop = 16, expected"):
        inference.load(save_tiny_checkpoint(tmp_path / "crop.pth", backbone, kind))


# The README

def test_the_example_of_the_readme_runs_outside_the_clone(checkpoints, tmp_path):
    """And gives the shapes that its comments tell."""
    (code,) = re.findall(r"```python\n(import dve .*?)```", (ROOT / "README.md").read_text(),
                         re.DOTALL)
    assert "in the clone itself: import inference as dve" in code and "(2, 2) and (2,)" in code
    code = code.replace("import dve", "import inference as dve", 1)
    code = code.replace("saved/models/<run>/<time>", str(checkpoints[0])).replace(
        "<landmark checkpoint>.pth", str(checkpoints[1]))
    for name in "abc":
        write_image(tmp_path / f"{name}.jpg", 0, (200, 170))
    code += """
assert embedding.descriptors.ndim == 3 and embedding.places().shape[2] == 2
assert (points.shape, scores.shape) == ((2, 2, 2), (2, 2)) and landmarks.shape == (3, 2)
one = model.match("a.jpg", "b.jpg", [[120, 85], [164, 83]])
assert [len(part.shape) for part in one] == [2, 1] and [*map(len, one)] == [2, 2]
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=120,
                          env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)}, capture_output=True,
                          text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_object_is_one_image(matcher):
    file = io.BytesIO()
    Image.fromarray(ramp(30, 20)).save(file, "png")
    for one in (file, file.getvalue()):  # read from its beginning, wherever it stands
        assert matcher.embed(one).view.image_size == (30, 20)
        assert len(matcher.embed([one, one])) == 2


@pytest.mark.parametrize("image, message", [
    (b"junk", "4 bytes: not the content of an image file"),
    (io.BytesIO(b"junk"), "'BytesIO': not the content of an image file"),
    (io.StringIO("text"), "'StringIO': a file that was opened as text, expected mode 'rb'"),
])
def test_bytes_that_are_no_image_are_reported_in_a_line(matcher, image, message):
    with pytest.raises(UserError) as told:
        matcher.embed(image)
    assert str(told.value) == message


def test_a_file_that_is_cut_short_is_named(matcher, tmp_path):
    write_image(tmp_path / "cut.jpg", seed=1)
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:-200])
    with open(tmp_path / "cut.jpg", "rb") as file:
        with pytest.raises(UserError, match=r"cut\.jpg': cannot read this image \(.*truncated"):
            matcher.embed(file)


@pytest.mark.parametrize("device", ["cuda:99", "meta", "nonsense", 99, None])
def test_a_device_that_is_not_there_is_reported_in_a_line(checkpoints, device):
    with pytest.raises(UserError) as told:
        inference.load(checkpoints[0], device=device)
    assert str(told.value).startswith(f"device = {device!r}: torch cannot compute on it here, ")
    assert "expected 'cpu', or a GPU's name" in str(told.value) and "\n" not in str(told.value)


def test_a_bare_state_dict_is_read_where_a_config_says_what_it_is_for(checkpoints, tmp_path):
    expected = inference.load(checkpoints[0])
    bare = tmp_path / "elsewhere" / "bare.pth"
    bare.parent.mkdir()
    torch.save(expected.backbone.state_dict(), bare)
    with pytest.raises(UserError, match=f"{bare}: holds no config, .* name the config"):
        inference.load(bare)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(read_checkpoint(checkpoints[0])["config"]))
    found = inference.load(bare, config=config)
    assert torch.equal(*(model.embed(ramp(30, 20)).descriptors for model in (found, expected)))
