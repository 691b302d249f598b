"""Generated faces: reproducible, annotated where they are drawn, and as different as people are."""

import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_loader.face_renderer import identity_of, person, render_face, skin
from data_loader.face_renderer.photo import sample_photo
from data_loader.face_renderer.render import Scene, render
from data_loader.synthetic_faces import SyntheticFaces

ROOT = Path(__file__).resolve().parents[2]


def plain_person(number):
    """Someone without beard and glasses whose eyes are wide enough to show the whole iris."""
    identity = person(0, "train", number)
    shape = replace(identity.shape, eye_height=0.19, brow_y=-0.4)
    look = replace(identity.look, glasses="none", beard="none", style="bald", moles=0, freckles=0,
                   wrinkles=0.0)
    return replace(identity, shape=shape, look=look)


def plain_photo(number, **changes):
    """A sharp, evenly lit photograph, eyes straight ahead; pose as drawn unless changed."""
    photo = sample_photo(np.random.default_rng(number))
    return replace(photo, gaze=np.zeros(2), eye_open=1.0, noise=0.0, blur=0.0, contrast=1.0,
                   exposure=0.9, ambient=0.6, **changes)


def where_it_shows(identity, photo, size, feature):
    """Landmarks, and the pixels (N, 2) that change with the colour of ``feature``, of a Look."""
    pictures = []
    for colour in (np.array([0.05, 0.05, 0.05]), np.array([0.9, 0.9, 0.9])):
        changed = replace(identity, look=replace(identity.look, **{feature: colour}))
        picture, landmarks = render(changed, photo, size, 5, np.random.default_rng(0))
        pictures.append(picture.astype(float))
    change = np.abs(pictures[0] - pictures[1]).max(axis=2)
    rows, columns = np.nonzero(change > 0.4 * change.max())
    return landmarks, np.stack([columns, rows], axis=1)


@pytest.mark.parametrize("number", range(4))
def test_the_middle_of_the_drawn_iris_is_the_eye_landmark(number):
    size = 300
    landmarks, pixels = where_it_shows(plain_person(number), plain_photo(number), size, "iris")
    for eye in landmarks[:2]:
        near = pixels[np.linalg.norm(pixels - eye, axis=1) < 0.05 * size]
        middle = (near.min(axis=0) + near.max(axis=0)) / 2
        np.testing.assert_allclose(middle, eye, atol=0.004 * size)


@pytest.mark.parametrize("number", range(4))
def test_the_ends_of_the_drawn_lips_are_the_mouth_landmarks(number):
    size = 300
    photo = plain_photo(number, yaw=0.0, roll=0.0)
    landmarks, pixels = where_it_shows(plain_person(number), photo, size, "lips")
    for corner, end in ((landmarks[3], pixels[:, 0].min()), (landmarks[4], pixels[:, 0].max())):
        assert abs(end - corner[0]) < 0.006 * size
        height = pixels[pixels[:, 0] == end, 1].mean()
        assert abs(height - corner[1]) < 0.012 * size


def test_five_landmarks_agree_with_the_sixty_eight():
    for index in range(20):
        five, all_points = (render_face(0, index, 60, count)[1] for count in (5, 68))
        np.testing.assert_allclose(five[2:], all_points[[30, 48, 54]], atol=1e-4)
        for eye, lids in ((five[0], slice(36, 42)), (five[1], slice(42, 48))):
            low, high = all_points[lids].min(axis=0), all_points[lids].max(axis=0)
            assert (low - 0.5 < eye).all() and (eye < high + 0.5).all()


@pytest.mark.parametrize("count", (5, 68))
def test_a_larger_picture_is_the_same_scene(count):
    small, few = render_face(0, 3, 64, count)
    large, many = render_face(0, 3, 256, count)
    np.testing.assert_allclose(many, (few + 0.5) * 4 - 0.5, atol=1e-3)
    reduced = np.asarray(Image.fromarray(large).reduce(4), float)

    def distance(shift):
        return np.abs(np.roll(reduced, shift, axis=1)[:, 4:-4] - small[:, 4:-4]).mean()

    assert distance(0) < 12
    assert distance(0) < 0.8 * min(distance(1), distance(-1))


def test_items_have_the_shape_of_every_data_set():
    data = SyntheticFaces("train", 50, use_keypoints=True, num_images=3, num_landmarks=68)
    item = data[2]
    assert item["image"].shape == (3, 50, 50) and item["keypts"].shape == (68, 2)
    assert len(data) == 3 and data.eye_indices == (36, 45)
    assert SyntheticFaces("test", 50)[0]["keypts"].shape == (0, 2)


def test_the_same_index_is_the_same_picture_in_any_process():
    data = SyntheticFaces("val", 60, use_keypoints=True, seed=5)
    first = [data[index] for index in (7, 2, 7)]
    assert (first[0]["image"] == first[2]["image"]).all()
    assert (first[0]["keypts"] == first[2]["keypts"]).all()
    code = ("import sys; from data_loader.synthetic_faces import SyntheticFaces;"
            "image, keypts = SyntheticFaces('val', 60, seed=5).load(7);"
            "sys.stdout.buffer.write(image.tobytes() + keypts.tobytes())")
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    image, keypts = data.load(7)
    assert other.stdout == image.tobytes() + keypts.tobytes()


def test_a_picture_does_not_depend_on_how_many_there_are():
    few, many = (SyntheticFaces("train", 40, num_images=n, images_per_identity=4) for n in (9, 900))
    assert (few[8]["image"] == many[8]["image"]).all()


def test_splits_and_seeds_show_different_people():
    widths = {(seed, split): tuple(person(seed, split, n).shape.width for n in range(30))
              for seed in (0, 1) for split in SyntheticFaces.splits}
    assert len(set().union(*widths.values())) == 30 * len(widths)


@pytest.mark.parametrize("per_identity", (1, 3, 4))
def test_each_person_has_the_asked_number_of_pictures_and_no_neighbours(per_identity):
    people = [identity_of(index, per_identity) for index in range(96 * per_identity)]
    assert sorted(people) == sorted(list(range(96)) * per_identity)
    assert all(a != b for a, b in zip(people, islice(people, 1, None)))


def test_pictures_of_one_person_differ_and_people_differ_more():
    data = SyntheticFaces("train", 50, use_keypoints=True, images_per_identity=2)
    items = [data[index] for index in range(32)]
    same = [spread_of_skin(items[i], items[i + 16]) for i in range(16)]
    others = [spread_of_skin(items[i], items[(i + 5) % 16 + 16]) for i in range(16)]
    pictures = np.stack([item["image"].numpy().astype(float) for item in items])
    assert np.abs(pictures[:16] - pictures[16:]).mean(axis=(1, 2, 3)).min() > 5
    assert np.mean(others) > 1.3 * np.mean(same)
    assert np.mean(others) > 30


def spread_of_skin(item, other):
    """Difference of colour (0 to 255) between two faces' cheeks and noses."""
    colours = []
    for image, points in ((item["image"].numpy(), item["keypts"].numpy()),
                          (other["image"].numpy(), other["keypts"].numpy())):
        x, y = np.rint((points[:2].mean(axis=0) + points[2]) / 2).astype(int)
        colours.append(image[:, y - 1:y + 3, x - 2:x + 3].reshape(3, -1).mean(axis=1))
    return np.abs(colours[0] - colours[1]).mean()


def test_landmarks_survive_the_crop_and_lie_as_in_a_face():
    points = np.stack([render_face(0, index, 20, 5, "test")[1] for index in range(200)])
    points = (points + 0.5) * 5 - 0.5  # as in a picture of 100 pixels, of which 70 survive
    inside = ((points >= 15) & (points <= 84)).all(axis=(1, 2))
    assert inside.mean() >= 0.99
    left, right, nose, mouth_left, mouth_right = points.transpose(1, 0, 2)
    assert (left[:, 0] < right[:, 0]).all() and (mouth_left[:, 0] < mouth_right[:, 0]).all()
    assert (nose[:, 1] > (left + right)[:, 1] / 2).all()
    assert (nose[:, 1] < (mouth_left + mouth_right)[:, 1] / 2).all()


@pytest.mark.parametrize("arguments, message", (
    ({"split": "valid"}, "train, val, test"), ({"imwidth": 0}, "imwidth"), ({"crop": 20}, "crop"),
    ({"num_images": 0}, "num_images"), ({"images_per_identity": 0}, "images_per_identity"),
    ({"num_landmarks": 7}, "5 or 68"), ({"seed": -1}, "seed")))
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        SyntheticFaces(**{"split": "train", "imwidth": 40, **arguments})


def test_the_list_of_pictures_ends():
    with pytest.raises(IndexError):
        SyntheticFaces("train", 20, num_images=4)[4]


def facing(*directions):
    """Return unit normals (3, N, 1) of these directions."""
    normals = np.array(directions, float)[..., None].swapaxes(0, 1)
    return normals / np.sqrt((normals ** 2).sum(axis=0))


def test_skin_shines_where_it_reflects_the_lamp_to_the_camera():
    photo = plain_photo(0, light=np.array([0.6, 0.0, 0.8]))
    mirror = (0.6, 0.0, 1.8)  # halfway between the lamp and the camera, at (0, 0, 1)
    gloss = skin.gloss_on(facing(mirror, photo.light, (0, 0, 1), (-0.6, 0, 0.8)), photo)[:, 0]
    assert abs(gloss[0] - 1) < 1e-6
    assert gloss[0] > gloss[1] > gloss[3] and gloss[0] > gloss[2] > gloss[3]


def test_shadows_on_skin_are_redder_than_the_light():
    field = Scene(plain_person(0), plain_photo(0), 40).field
    shades = [np.full_like(field.x, value) for value in (0.4, 1.0)]
    dark, bright = (skin.lit_skin(field, plain_person(0), shade, 0 * shade) for shade in shades)
    assert (dark[..., 0] / dark[..., 2] > 1.3 * bright[..., 0] / bright[..., 2]).all()
