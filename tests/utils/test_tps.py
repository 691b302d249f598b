"""Thin-plate-spline warps: coordinates, grids, sampling, landmarks."""

import math
from itertools import product

import numpy as np
import pytest
import torch

from tests.data_helpers.literal_warps import LiteralWarp, literal_grid
from utils.geometry import coordinates, tps

H, W = 7, 11


def affine_warp(rotation_deg=0.0, scale=1.0, x=0.0, y=0.0):
    return tps.WarpParameters(
        torch.zeros(1, tps.NUM_CONTROLS, 2),
        torch.tensor([rotation_deg]),
        torch.tensor([scale]),
        torch.tensor([[x, y]]),
    )


def random_warps(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tps.WarpParameters(
        0.01 * torch.randn(count, tps.NUM_CONTROLS, 2, generator=generator),
        20 * torch.randn(count, generator=generator),
        1 + 0.2 * torch.randn(count, generator=generator),
        0.1 * torch.randn(count, 2, generator=generator),
    )


def grid_of(warps, H, W):
    return tps.sampling_grid(tps.tps_basis(coordinates.lattice(H, W)), tps.tps_weights(warps), H, W)


def random_images(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def test_identity_warp_moves_nothing():
    images = random_images(2, 3, H, W)
    still = tps.WarpParameters.stack([affine_warp(), affine_warp()])
    torch.testing.assert_close(tps.sample(images, grid_of(still, H, W)), images, rtol=0, atol=1e-5)


def test_lattice_is_linspace_row_by_row_x_fastest():
    points = coordinates.lattice(H, W)
    xs, ys = torch.linspace(-1, 1, W), torch.linspace(-1, 1, H)
    assert points.dtype == torch.float32 and points.shape == (H * W, 2)
    for row, column in product(range(H), range(W)):
        assert torch.equal(points[row * W + column], torch.stack([xs[column], ys[row]]))


def test_normalised_coordinates_end_at_the_centres_of_the_outer_pixels():
    pixels = torch.tensor([[0.0, 0.0], [W - 1, H - 1], [(W - 1) / 2, (H - 1) / 2], [-1, H]])
    known = torch.tensor([[-1.0, -1.0], [1, 1], [0, 0], [-1 - 2 / (W - 1), 1 + 2 / (H - 1)]])
    torch.testing.assert_close(coordinates.to_normalised(pixels, H, W), known)
    torch.testing.assert_close(coordinates.to_pixels(known, H, W), pixels, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_conversions_undo_each_other_and_keep_the_precision(dtype):
    points = random_images(4, 5, 2).to(dtype) * 3 - 1
    there = coordinates.to_pixels(points, H, W)
    assert there.dtype == dtype
    torch.testing.assert_close(coordinates.to_normalised(there, H, W), points)


@pytest.mark.parametrize("H, W", [(7, 11), (12, 5), (9, 9)])
def test_grid_equals_the_formula_pixel_by_pixel(H, W):
    warps = random_warps(3)
    grids = grid_of(warps, H, W)
    assert grids.shape == (3, H, W, 2)
    for b, grid in enumerate(grids):
        warp = LiteralWarp(
            warps.control_weights[b], warps.rotation_deg[b].item(), warps.scale[b].item(),
            *warps.translation[b].tolist(),
        )
        np.testing.assert_allclose(grid, literal_grid(warp, H, W), atol=2e-5)


def test_radial_function_of_the_squared_distance():
    point = torch.tensor([[0.3, -0.8]])
    basis = tps.tps_basis(point)[0]
    side = [-1 + 2 * k / 9 for k in range(10)]
    for k, (y, x) in enumerate(product(side, side)):
        r2 = (0.3 - x) ** 2 + (-0.8 - y) ** 2
        assert basis[k].item() == pytest.approx(r2 * math.log(r2 + 1e-5), abs=1e-5)
    torch.testing.assert_close(basis[100:], torch.tensor([1, 0.3, -0.8]))


def test_a_quarter_turn_reads_the_right_edge_from_the_top():
    grid = grid_of(affine_warp(rotation_deg=90), 5, 5)[0]
    torch.testing.assert_close(grid[2, 4], torch.tensor([0.0, -1.0]), rtol=0, atol=1e-6)
    torch.testing.assert_close(grid[4, 2], torch.tensor([1.0, 0.0]), rtol=0, atol=1e-6)


def test_translation_by_whole_pixels_shifts_the_image_and_leaves_zeros():
    images = random_images(1, 3, H, W)
    warp = affine_warp(x=2 * 2 / (W - 1), y=-1 * 2 / (H - 1))  # read 2 to the right, 1 above
    shifted = tps.sample(images, grid_of(warp, H, W))
    expected = torch.zeros_like(images)
    expected[..., 1:, : W - 2] = images[..., : H - 1, 2:]
    torch.testing.assert_close(shifted, expected, rtol=0, atol=1e-5)


def test_scale_above_one_reads_from_farther_out():
    grid = grid_of(affine_warp(scale=2), H, W)[0]
    torch.testing.assert_close(grid, 2 * coordinates.lattice(H, W).view(H, W, 2))


def test_sample_is_bilinear_and_zero_outside():
    image = torch.tensor([[[[0.0, 4.0], [8.0, 16.0]]]])
    places = torch.tensor([[[[0.0, 0.0], [-1.0, 0.5], [2.0, -1.0], [3.5, 0.0]]]])
    torch.testing.assert_close(tps.sample(image, places)[0, 0, 0], torch.tensor([7.0, 6, 2, 0]))


def test_warps_stack_in_order():
    warps, more = random_warps(2), random_warps(1, seed=5)
    stacked = tps.WarpParameters.stack([warps, more])
    grids = grid_of(stacked, H, W)
    expected = torch.cat([grid_of(warps, H, W), grid_of(more, H, W)])
    torch.testing.assert_close(grids, expected, rtol=0, atol=1e-6)


def test_landmarks_go_to_the_pixel_that_is_read_nearest_to_them():
    grids = grid_of(random_warps(3), H, W)
    points = 2.6 * random_images(3, 6, 2) - 1.3  # some outside the image
    found = tps.nearest_lattice_points(points, grids)
    for b, n in product(range(3), range(6)):
        best = min(
            product(range(H), range(W)),
            key=lambda cell: math.dist(grids[b][cell].tolist(), points[b, n].tolist()),
        )
        assert torch.equal(found[b, n], coordinates.lattice(H, W)[best[0] * W + best[1]])


def test_no_landmarks_give_no_landmarks():
    found = tps.nearest_lattice_points(torch.empty(2, 0, 2), grid_of(random_warps(2), H, W))
    assert found.shape == (2, 0, 2)
