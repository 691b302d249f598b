"""Warped pairs: draws as published and keyed, images, grids, landmarks, crops."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.data_helpers.dots import centres_of_light, dot_images
from tests.data_helpers.literal_warps import draw_warp, lattice_coordinate, literal_pair
from utils.geometry import coordinates, tps
from utils.geometry.warper import WarpDeviations, Warper, WarperSingle, warp_streams
from utils.keyed_random import draw, sample_keys

SIZE, CROP = 24, 4
INNER = SIZE - 2 * CROP
DEVIATIONS = {"warpsd_all": 0.002, "warpsd_subset": 0.02, "transsd": 0.1, "scalesd": 0.08,
              "rotsd": 7}


def smooth_images(count, H=SIZE, W=SIZE):
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    images = F.interpolate(coarse, (H, W), mode="bicubic", align_corners=False)
    return (images * 255).clamp(0, 255).to(torch.uint8)


def random_points(count, points, H=SIZE, W=SIZE):
    places = torch.rand(count, points, 2, generator=torch.Generator().manual_seed(1))
    return places * torch.tensor([W - 1.0, H - 1])


def keys_of(*indices, seed=0, epoch=1):
    return sample_keys(seed, epoch, torch.tensor(indices))


def parts(warp):
    return warp.control_weights, warp.rotation_deg, warp.scale, warp.translation


# Draws

@pytest.mark.parametrize("multipliers", [{}, {"im1_multiplier": 0.25, "im1_multiplier_aff": 0.5}])
def test_pair_is_drawn_in_the_published_order(multipliers):
    generator = torch.Generator().manual_seed(3)
    drawn = Warper(SIZE, SIZE, **DEVIATIONS, **multipliers).draw_published(2, generator)
    bend = multipliers.get("im1_multiplier", 0.5)
    affine = multipliers.get("im1_multiplier_aff", 1)
    *controls, trans, scale, rotation = DEVIATIONS.values()
    torch.manual_seed(3)
    for image in range(2):
        first = draw_warp(*(bend * sd for sd in controls), affine * trans, affine * scale,
                          affine * rotation)
        for warp, literal in zip(drawn, (first, draw_warp(*DEVIATIONS.values()))):
            torch.testing.assert_close(warp.control_weights[image], literal.controls)
            found = torch.cat([part[image].flatten() for part in parts(warp)[1:]])
            expected = [literal.rotation_deg, literal.scale, literal.x, literal.y]
            torch.testing.assert_close(found, torch.tensor(expected))
    assert torch.equal(torch.get_rng_state(), generator.get_state())


def test_single_warp_is_drawn_in_the_published_order():
    generator = torch.Generator().manual_seed(4)
    (drawn,) = WarperSingle(SIZE, SIZE, **DEVIATIONS).draw_published(3, generator)
    torch.manual_seed(4)
    literal = [draw_warp(*DEVIATIONS.values()) for _ in range(3)]
    assert torch.equal(drawn.control_weights, torch.stack([warp.controls for warp in literal]))
    torch.testing.assert_close(drawn.scale, torch.tensor([warp.scale for warp in literal]))


def test_default_deviations_are_the_published_ones():
    first, second = Warper(SIZE, SIZE).deviations
    assert first == WarpDeviations(0.0005, 0.005, 0.1, 0.1, 5)
    assert second == WarpDeviations(0.001, 0.01, 0.1, 0.1, 5)
    assert WarperSingle(SIZE, SIZE).deviations == [WarpDeviations(0.0005, 0, 0.02, 0.02, 2)]


def test_keyed_draws_do_not_depend_on_the_batch():
    warper = Warper(SIZE, SIZE)
    together, alone = warper.draw_keyed(keys_of(5, 9, 2)), warper.draw_keyed(keys_of(9))
    for warp, single in zip(together, alone):
        for part, expected in zip(parts(warp), parts(single)):
            assert torch.equal(part[1:2], expected)


def test_keyed_draws_differ_between_warps_samples_epochs_and_seeds():
    same_twice = Warper(SIZE, SIZE, im1_multiplier=1)
    one = same_twice.draw_keyed(keys_of(0, 1))
    others = [one[1], *(same_twice.draw_keyed(keys)[0] for keys in (
        keys_of(1, 0), keys_of(0, 1, epoch=2), keys_of(0, 1, seed=1)))]
    for other in others:
        for part, different in zip(parts(one[0]), parts(other)):
            assert (part != different).all()


def test_keyed_draws_have_the_given_deviations():
    deviations = WarpDeviations(0.01, 0.07, 0.2, 0.05, 9)
    warp = deviations.scaled(*draw(keys_of(*range(3000)), warp_streams(1)))
    for values, mean, sd in ((warp.rotation_deg, 0, 9), (warp.scale, 1, 0.05),
                             (warp.translation[:, 0], 0, 0.2), (warp.translation[:, 1], 0, 0.2)):
        assert values.mean().item() == pytest.approx(mean, abs=4 * sd / math.sqrt(3000))
        assert values.std().item() == pytest.approx(sd, rel=4 / math.sqrt(2 * 3000))
    mixture = math.sqrt((0.01**2 + 0.07**2) / 2)  # a half of each
    assert warp.control_weights.std().item() == pytest.approx(mixture, rel=0.01)


def test_subset_replaces_a_random_half_of_the_control_coordinates():
    numbers = draw(keys_of(*range(300)), warp_streams(0))
    warp = WarpDeviations(0.01, 0, 0, 0, 0).scaled(*numbers)
    kept = warp.control_weights != 0
    assert kept.double().mean().item() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(300 * 200))
    assert warp.control_weights[kept].std().item() == pytest.approx(0.01, rel=0.02)
    assert not torch.equal(kept[..., 0], kept[..., 1])
    assert not torch.equal(kept[0], kept[1])


# Pairs

def test_pair_equals_a_literal_one():
    images, keypts = smooth_images(2), random_points(2, 5)
    warper = Warper(SIZE, SIZE, CROP, **DEVIATIONS)
    generator = torch.Generator().manual_seed(6)
    pair = warper(images, keypts, warper.draw_published(2, generator))
    torch.manual_seed(6)
    *controls, trans, scale, rotation = DEVIATIONS.values()
    for b in range(2):
        warps = [draw_warp(*(0.5 * sd for sd in controls), trans, scale, rotation),
                 draw_warp(*DEVIATIONS.values())]
        first, second, keypts1, keypts2, _ = literal_pair(images[b].numpy(), keypts[b], warps, CROP)
        for view, expected in ((pair.first[b], first), (pair.second[b], second)):
            difference = np.abs(view.numpy().astype(int) - expected)
            assert difference.max() <= 1  # an integer that float32 misses from below
            assert difference.mean() < 0.01
        assert torch.equal(pair.keypts_first[b], keypts1)
        assert torch.equal(pair.keypts_second[b], keypts2)


@pytest.mark.parametrize("H, W, crop", [(24, 24, 4), (20, 31, 3), (26, 18, 0)])
def test_second_sampled_at_the_grid_is_the_first(H, W, crop):
    warper = Warper(H, W, crop, **DEVIATIONS)
    pair = warper(smooth_images(6, H, W), random_points(6, 1, H, W),
                  warper.draw_keyed(keys_of(*range(6))))
    assert pair.grid_1to2.shape == (6, H - 2 * crop, W - 2 * crop, 2)
    resampled = tps.sample(pair.second.float(), pair.grid_1to2)
    inside = (pair.grid_1to2.abs() <= 1).all(dim=-1)[:, None].expand_as(resampled)
    assert inside.float().mean() > 0.5
    difference = (resampled - pair.first.float())[inside]
    assert difference.abs().max() < 1.01  # both views were truncated to 8 bits
    assert difference.abs().mean() < 0.6


def test_crop_cuts_the_images_and_re_expresses_grid_and_landmarks():
    images, keypts, keys = smooth_images(3), random_points(3, 4), keys_of(0, 1, 2)
    whole, cut = (Warper(SIZE, SIZE, crop, **DEVIATIONS) for crop in (0, CROP))
    full, inner = (warper(images, keypts, warper.draw_keyed(keys)) for warper in (whole, cut))
    window = slice(CROP, SIZE - CROP)
    assert torch.equal(inner.first, full.first[..., window, window])
    assert torch.equal(inner.second, full.second[..., window, window])
    pixels = coordinates.to_pixels(full.grid_1to2, SIZE, SIZE)[:, window, window] - CROP
    inner_pixels = coordinates.to_pixels(inner.grid_1to2, INNER, INNER)
    torch.testing.assert_close(inner_pixels, pixels, atol=1e-4, rtol=0)
    torch.testing.assert_close(inner.keypts_first, full.keypts_first - CROP)
    torch.testing.assert_close(inner.keypts_second, full.keypts_second - CROP)


def assert_near(found, expected, farthest):
    assert (found - expected).norm(dim=-1).max() < farthest


def test_a_dot_at_a_landmark_is_found_where_the_landmark_went():
    H, W, crop = 40, 52, 3
    points = 14 + torch.rand(12, 2, generator=torch.Generator().manual_seed(2)) \
        * torch.tensor([24.0, 12])
    warper = Warper(H, W, crop, transsd=0.1, rotsd=8)
    pair = warper(dot_images(points, H, W), points[:, None],
                  warper.draw_keyed(keys_of(*range(12))))
    half_diagonal = 0.75  # of a pixel, to which a landmark is rounded at each warp
    assert_near(centres_of_light(pair.second), pair.keypts_second[:, 0], half_diagonal)
    assert_near(centres_of_light(pair.first), pair.keypts_first[:, 0], 2 * half_diagonal)
    single = WarperSingle(H, W, crop, rotsd=10)
    images, moved = single(dot_images(points, H, W), points[:, None],
                           single.draw_keyed(keys_of(*range(12))))
    assert_near(centres_of_light(images), moved[:, 0], half_diagonal)


def test_landmarks_are_the_float32_coordinates_of_pixels_minus_the_crop():
    warper = Warper(100, 100, 15)
    keypts = random_points(4, 50, 100, 100)
    images = torch.zeros(4, 3, 100, 100, dtype=torch.uint8)
    pair = warper(images, keypts, warper.draw_keyed(keys_of(*range(4))))
    valid = torch.stack([lattice_coordinate(n, 100) - 15 for n in range(100)])
    assert not torch.equal(valid, valid.round())
    for points in (pair.keypts_first, pair.keypts_second):
        assert points.dtype == torch.float32
        assert torch.isin(points, valid).all()


def test_landmarks_that_leave_the_cropped_frame_are_kept():
    warper = Warper(SIZE, SIZE, CROP)
    corners = torch.tensor([[[0.0, 0], [SIZE - 1, SIZE - 1]]])
    pair = warper(smooth_images(1), corners, warper.draw_identity(1))
    outside = torch.tensor([[[-CROP, -CROP], [INNER + CROP - 1, INNER + CROP - 1]]]).float()
    torch.testing.assert_close(pair.keypts_first, outside, rtol=0, atol=1e-5)


@pytest.mark.parametrize("H, W", [(24, 24), (20, 30)])
def test_identity_draws_move_nothing(H, W):
    images = 2 * (smooth_images(2, H, W) // 2) + 1
    keypts = random_points(2, 3, H, W).round()
    warper = Warper(H, W, CROP)
    pair = warper(images, keypts, warper.draw_identity(2))
    expected = images[..., CROP : H - CROP, CROP : W - CROP]
    h, w = expected.shape[-2:]
    for view in (pair.first, pair.second):
        assert (view.int() - expected.int()).abs().max() <= 1  # truncated
    torch.testing.assert_close(
        pair.grid_1to2, coordinates.lattice(h, w).view(1, h, w, 2).expand(2, -1, -1, -1),
        rtol=0, atol=1e-5)
    torch.testing.assert_close(pair.keypts_first, keypts - CROP, rtol=0, atol=1e-5)


def test_warped_values_are_truncated_not_rounded():
    columns = torch.arange(SIZE) % 2  # 11, 12, 11, 12, ...: half a pixel aside it is 11.5
    images = (11 + columns).expand(1, 3, SIZE, SIZE).to(torch.uint8)
    warper = WarperSingle(SIZE, SIZE, CROP)
    (still,) = warper.draw_identity(1)
    half = tps.WarpParameters(still.control_weights, still.rotation_deg, still.scale,
                              torch.tensor([[1 / (SIZE - 1), 0.0]]))
    warped, _ = warper(images, torch.empty(1, 0, 2), [half])
    assert (warped == 11).all()


def test_images_without_landmarks():
    warper = Warper(SIZE, SIZE, CROP)
    pair = warper(smooth_images(2), torch.empty(2, 0, 2), warper.draw_keyed(keys_of(0, 1)))
    assert pair.keypts_first.shape == pair.keypts_second.shape == (2, 0, 2)


# Arguments

@pytest.mark.parametrize("cls", [Warper, WarperSingle])
@pytest.mark.parametrize("crop", [-1, 10, 50])
def test_crop_must_leave_something(cls, crop):
    with pytest.raises(ValueError, match=f"crop = {crop}"):
        cls(20, 30, crop)


@pytest.mark.parametrize("cls", [Warper, WarperSingle])
@pytest.mark.parametrize("name", ["warpsd_all", "warpsd_subset", "transsd", "scalesd", "rotsd"])
def test_deviations_must_not_be_negative(cls, name):
    with pytest.raises(ValueError, match="expected a number >= 0"):
        cls(20, 20, **{name: -0.5})
