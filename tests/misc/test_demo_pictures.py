"""The pictures of misc/demo.py: enlarged faces, their matches, and the animation."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from misc.parts import animation
from misc.parts.demo import ENLARGED, FIRST, Faces, look_at_faces
from tests.data_helpers.stand_ins import tiny_networks
from tests.data_helpers.tiny_runs import LANDMARKS
from utils.config.read import check_config

SIDE = 20  # of the network's input; its maps have half as many cells


@pytest.fixture
def shifted():
    """Faces of random descriptors, the second image the first one moved by three cells."""
    whole = torch.randn(8, SIDE // 2, SIDE // 2 + 3)
    maps = torch.stack([whole[..., 3:], whole[..., :-3]])
    images = torch.zeros(2, 3, ENLARGED * SIDE, ENLARGED * SIDE, dtype=torch.uint8)
    return Faces(images, torch.zeros(2, 1, 2), torch.zeros(2, 1, 2), maps, 2 * ENLARGED)


def test_a_match_is_found_to_the_shown_pixel(shifted):
    points = torch.tensor([[9.5, 17.5], [33.5, 25.5], [15.5, 1.5]])
    own, moved = shifted.match(points)
    torch.testing.assert_close(own, points)
    torch.testing.assert_close(moved, points + torch.tensor([3 * 2 * ENLARGED, 0]))


def test_enlarged_faces_are_the_scenes_that_the_network_sees():
    """Their landmarks are where those of the small images are, enlarged about the pixels' edges."""
    args = {"imwidth": 32, "crop": 4, "num_images": 9}
    config = check_config("a.json", {**LANDMARKS, "dataset": {"type": "SyntheticFaces",
                                                              "args": args}})
    backbone, _ = tiny_networks()
    asked = []

    def model(inputs):
        asked.append(inputs)
        return torch.zeros(len(inputs), 5, 2)

    faces = look_at_faces(backbone, model, config, "cpu")
    assert faces.images.shape == (7, 3, 96, 96) and asked[0].shape == (7, 3, 24, 24)
    small = torch.nn.functional.avg_pool2d(faces.images.float(), ENLARGED).flatten(1)
    alike = torch.corrcoef(torch.cat([small, asked[0].flatten(1)]))[:7, 7:]
    assert (alike.argmax(dim=1) == torch.arange(7)).all() and alike.diagonal().min() > 0.9
    torch.testing.assert_close(faces.predicted, torch.full((7, 5, 2), 47.5))  # the middle
    assert faces.stride == 8 and FIRST == 1.5


def test_the_moving_point_passes_through_the_landmarks_and_returns():
    points = torch.tensor([[10.0, 10.0], [30.0, 12.0], [20.0, 25.0]])
    path = animation.closed_path(points, 30)
    torch.testing.assert_close(path[::10], points)
    steps = (path.roll(-1, dims=0) - path).norm(dim=1)
    assert steps.max() < 4 and path.shape == (30, 2)


def test_dots_are_round_and_where_they_belong():
    picture = Image.new("RGB", (60, 40))
    drawn = np.asarray(animation.with_dots(picture, np.array([[20.5, 10.5], [60.0, 40.0]]),
                                           np.array([6.0, 4.0])))
    assert tuple(drawn[10, 20]) == animation.DOT and tuple(drawn[39, 59]) == animation.DOT
    assert tuple(drawn[10, 25]) == animation.RIM
    around = drawn[10 - 8:10 + 9, 20 - 8:20 + 9]
    np.testing.assert_array_equal(around, around[::-1])
    np.testing.assert_array_equal(around, around.transpose(1, 0, 2))
    assert not drawn[:, 28:50].any()


def test_the_animation_shows_matches_beside_the_moving_point(tmp_path):
    images = torch.randint(0, 200, (3, 3, 80, 80), dtype=torch.uint8)
    points = torch.tensor([[20.0, 20.0], [60.0, 60.0]])
    offsets = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    frames = animation.following_frames(images, points, lambda path: path + offsets[:, None])
    still, corners, scales = animation.montage(images)
    assert corners.tolist() == [[0, 0], [168, 0], [168, 84]] and scales[1:].tolist() == [1, 1]
    for frame, place in ((0, points[0]), (animation.NUM_FRAMES // 2, points[1])):
        for m, (corner, scale) in enumerate(zip(corners, scales)):
            x, y = corner + scale * ((place + offsets[m]).numpy() + 0.5)
            assert frames[frame].getpixel((round(x), round(y))) == animation.DOT
    path = tmp_path / "a.gif"
    animation.save_gif(path, frames)
    with Image.open(path) as movie:
        assert movie.n_frames == animation.NUM_FRAMES and movie.size == still.size
        assert movie.info["loop"] == 0 and movie.info["duration"] == animation.FRAME_MS
        corner = {tuple(np.asarray(frame.convert("RGB"))[0, 0])
                  for frame in ImageSequence.Iterator(movie)}
        movie.seek(0)
        dot = np.asarray(movie.convert("RGB"))[round(2.05 * 20.5), round(2.05 * 20.5)]
    assert len(corner) == 1  # the images stand still
    assert tuple(dot) == animation.DOT
