"""Matching as published, against one image, one landmark and one cell at a time."""

import copy
import math
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from data_loader.base_dataset import KeypointDataset
from data_loader.landmark_folder import LandmarkFolder
from data_loader.synthetic_faces import SyntheticFaces
from model.matching import (
    best_cells,
    cosine_at_pixels,
    dense_matches,
    match_landmarks,
    nearest_cells,
    read_cells,
)
from model.metric import pixel_error
from model.smallnet import SmallNet
from tests.data_helpers.literal_matching import (
    PUBLISHED_DEVIATIONS,
    literal_cell,
    literal_map,
    literal_matching,
    literal_pairs,
)
from trainer.evaluation.matching import evaluate_matching, evaluation_pairs, match_pairs
from utils.geometry.coordinates import lattice, to_pixels
from utils.geometry.warper import Warper

CPU = torch.device("cpu")
SIZE, CROP = 40, 4


class SmoothImages(KeypointDataset):
    """Random images with a few structures in each, and random landmarks."""

    def __init__(self, count, imwidth=SIZE, crop=CROP):
        super().__init__("test", imwidth, crop, use_keypoints=True)
        self.count = count

    def __len__(self):
        return self.count

    def load(self, index):
        generator = torch.Generator().manual_seed(index)
        coarse = 255 * torch.rand(1, 3, 9, 9, generator=generator)
        image = F.interpolate(coarse, (self.imwidth,) * 2, mode="bilinear", align_corners=True)
        keypts = self.imwidth * (0.15 + 0.7 * torch.rand(5, 2, generator=generator))
        return image[0].permute(1, 2, 0).numpy(), keypts.numpy()


def small_network(channels=16):
    torch.manual_seed(7)
    return SmallNet(channels)


# The published evaluation

@pytest.fixture(scope="module")
def literal():
    return literal_matching(small_network(), SmoothImages(21))


def test_matched_cells_and_true_points_are_the_published_ones(literal):
    network = small_network().eval()
    pairs = [match_pairs(network, pair) for pair in evaluation_pairs(SmoothImages(21), CPU)]
    for name, expected in literal.items():
        found = [pair[f"{name}_identity_px"] for pair in pairs]
        matched, truth = (torch.cat(part).flatten(0, 1) for part in (
            [matches.matched for matches in found], [matches.truth for matches in found]))
        assert len(expected) == 10 * 5
        assert matched.tolist() == [list(place) for place, _ in expected]
        assert truth.tolist() == [true for _, true in expected]


def test_mean_errors_are_the_published_ones(literal):
    figures, num_images = evaluate_matching(small_network().train(), SmoothImages(21), CPU)
    assert num_images == 20  # the odd last one dropped
    for name, expected in literal.items():
        errors = [math.dist(place, true) * 70 / (SIZE - 2 * CROP) for place, true in expected]
        assert figures[f"{name}_identity_px"] == pytest.approx(sum(errors) / len(errors), rel=1e-6)
    assert literal["same"] != literal["different"]


def test_one_integer_is_drawn_and_thrown_away_before_the_first_warp():
    dataset = SmoothImages(2)
    (pair,) = evaluation_pairs(dataset, CPU)
    for discard in (True, False):
        for n, (first, *_, grid) in enumerate(literal_pairs(dataset, discard)):
            inner = (grid[CROP:-CROP, CROP:-CROP] + 1) / 2 * (SIZE - 1) - CROP
            pixels = (pair.grid_1to2[n].double().numpy() + 1) / 2 * (SIZE - 2 * CROP - 1)
            assert (np.abs(pixels - inner).max() < 1e-3) == discard
            assert (np.abs(pair.first[n].numpy() - first.astype(int)).max() <= 1) == discard


def test_warps_do_not_depend_on_how_many_images_are_warped_at_once():
    dataset = SmoothImages(40)
    first, second = evaluation_pairs(dataset, CPU)
    assert len(first.first) == 32 and len(second.first) == 8
    warper = Warper(SIZE, SIZE, CROP, *PUBLISHED_DEVIATIONS, 1, 1)
    generator = torch.Generator().manual_seed(0)
    torch.empty((), dtype=torch.int64).random_(generator=generator)
    items = [dataset[n] for n in range(40)]
    at_once = warper(*(torch.stack([item[name] for item in items]) for name in ("image", "keypts")),
                     warper.draw_published(40, generator))
    torch.testing.assert_close(torch.cat([first.grid_1to2, second.grid_1to2]), at_once.grid_1to2)
    assert torch.equal(torch.cat([first.keypts_first, second.keypts_first]), at_once.keypts_first)


def test_fewer_images_are_the_first_ones():
    (few,), (many,) = (evaluation_pairs(SmoothImages(8), CPU, max_images=n) for n in (5, None))
    assert len(few.first) == 4
    assert torch.equal(few.first, many.first[:4])


def test_evaluation_leaves_torchs_generator_as_it_was():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    before = evaluate_matching(small_network(), SmoothImages(2), CPU)
    torch.manual_seed(5)
    assert evaluate_matching(small_network(), SmoothImages(2), CPU) == before
    torch.manual_seed(5)
    network = small_network()
    torch.manual_seed(5)
    evaluate_matching(network, SmoothImages(2), CPU)
    assert torch.equal(torch.get_rng_state(), state)


# Cells

def test_ties_between_cells_follow_the_float32_coordinate():
    """At imwidth 100, crop 15, cells of two pixels, some odd pixels lie just below their halves: 7,
    35 and 47 where the processor multiplies and adds in one step, others where it does not.
    """
    warper = Warper(100, 100, 15)
    pixels = torch.arange(15.0, 85)
    keypts = torch.stack([pixels, pixels.flip(0)], dim=1)[None]
    images = torch.zeros(1, 3, 100, 100, dtype=torch.uint8)
    points = warper(images, keypts, warper.draw_identity(1)).keypts_first
    assert points.round().equal(keypts - 15) and not points.equal(keypts - 15)
    cells = nearest_cells(points, 2, (35, 35))[0, :, 0].tolist()
    exact = torch.linspace(-1, 1, 100)
    for x in range(70):
        value = (exact[x + 15] + 1) / 2 * 99 - 15
        assert cells[x] == literal_cell(value, 2, 35)


def test_exact_halves_go_to_the_even_cell_and_all_stay_on_the_map():
    points = torch.tensor([[[1.0, 3.0], [5.0, 7.0], [-9.0, 100.0], [39.0, 20.9], [-0.4, 21.1]]])
    expected = [[0, 2], [2, 4], [0, 10], [19, 10], [0, 10]]
    assert nearest_cells(points, 2, (11, 20)).tolist() == [expected]


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_cells_are_rounded_clamped_coordinates(stride):
    h, w = 5, 8
    points = 50 * torch.rand(3, 20, 2, generator=torch.Generator().manual_seed(0)) - 8
    found = nearest_cells(points, stride, (h, w))
    assert found.dtype == torch.int64
    for point, cell in zip(points.flatten(0, 1), found.flatten(0, 1).tolist()):
        assert cell == [literal_cell(p, stride, n) for p, n in zip(point, (w, h))]


def test_descriptors_are_read_at_column_x_and_row_y():
    maps = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5)
    cells = torch.tensor([[[4, 0], [1, 3]], [[0, 2], [2, 1]]])
    read = read_cells(maps, cells)
    for b, n in product(range(2), range(2)):
        x, y = cells[b, n].tolist()
        assert torch.equal(read[b, n], maps[b, :, y, x])


def test_the_first_of_equally_good_cells_is_taken():
    target = torch.zeros(1, 1, 3, 4)
    target[0, 0, 1, 2] = target[0, 0, 2, 0] = 1
    queries = torch.tensor([[[1.0], [0.0], [-1.0]]])
    assert best_cells(queries, target).tolist() == [[[2, 1], [0, 0], [0, 0]]]


def test_the_longest_descriptor_can_win_since_nothing_is_normalised():
    target = torch.tensor([[[[1.0, 3.0]], [[0.0, 3.0]]]])
    assert best_cells(torch.tensor([[[1.0, 0.0]]]), target).tolist() == [[[1, 0]]]


def position_code(B, h, w):
    """Descriptors that are most alike where the cell is the same: on a circle per axis."""
    y, x = torch.meshgrid(*(3 * torch.arange(n) / n for n in (h, w)), indexing="ij")
    return torch.stack([x.cos(), x.sin(), y.cos(), y.sin()]).expand(B, -1, -1, -1)


def test_perfect_descriptors_leave_the_distance_to_the_nearest_cell():
    h, w, stride = 12, 15, 2
    points = torch.rand(4, 25, 2, generator=torch.Generator().manual_seed(0)) \
        * torch.tensor([stride * (w - 1.0), stride * (h - 1)])
    code = position_code(4, h, w)
    matched = match_landmarks(code, points, code, stride)
    errors = pixel_error(matched, points, width=stride * w)
    for point, error in zip(points.flatten(0, 1).tolist(), errors.flatten().tolist()):
        expected = math.dist([stride * round(p / stride) for p in point], point) * 70 / 30
        assert error == pytest.approx(expected, abs=1e-4)
    assert errors.max() <= math.sqrt(2) * 70 / 30 + 1e-4


def test_a_network_that_tells_only_the_position_finds_what_did_not_move():
    class Position(torch.nn.Module):
        def forward(self, images):
            return position_code(len(images), *(n // 2 for n in images.shape[-2:]))

    dataset, errors = SmoothImages(6), {"same": [], "different": []}
    views = literal_pairs(dataset)
    for (_, _, points, truth, _), (_, _, _, other_truth, _) in zip(views[0::2], views[1::2]):
        places = [[2 * literal_cell(p, 2, SIZE // 2 - CROP) for p in point] for point in points]
        for name, true in zip(errors, (truth, other_truth)):
            errors[name] += map(math.dist, places, true.tolist())
    figures, _ = evaluate_matching(Position(), dataset, CPU)
    for name, values in errors.items():
        expected = np.mean(values) * 70 / (SIZE - 2 * CROP)
        assert figures[f"{name}_identity_px"] == pytest.approx(expected, rel=1e-5)


# The second protocol: cosine similarity, at every pixel


def literal_pixel(descriptors, x, y, stride):
    """The descriptor of a pixel: bilinear between cells, the last cell's beyond it; normalised."""
    _, h, w = descriptors.shape
    x, y = min(x / stride, w - 1), min(y / stride, h - 1)
    total = 0
    for j, i in product({math.floor(x), math.ceil(x)}, {math.floor(y), math.ceil(y)}):
        total = total + (1 - abs(x - j)) * (1 - abs(y - i)) * descriptors[:, i, j]
    return total / total.norm()


@pytest.mark.parametrize("stride, size", [(2, (10, 13)), (2, (9, 12)), (3, (13, 9)), (1, (5, 4))])
def test_every_pixel_has_the_descriptor_of_the_cells_around_it(stride, size):
    h, w = (n // stride for n in size)
    maps = torch.randn(2, 6, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    dense = cosine_at_pixels(maps, stride, size)
    assert dense.shape == (2, 6, *size)
    for b, y, x in product(range(2), range(size[0]), range(size[1])):
        expected = literal_pixel(maps[b], x, y, stride)
        torch.testing.assert_close(dense[b, :, y, x], expected)


def test_the_second_protocol_finds_the_pixel_with_the_largest_cosine():
    dataset, network = SmoothImages(4, imwidth=20, crop=2), small_network().double().eval()
    views = literal_pairs(dataset)
    found = [match_pairs(small_network().eval(), pair) for pair in evaluation_pairs(dataset, CPU)]
    for a, (source, same) in enumerate((view[:2] for view in views[0::2])):
        maps = {name: torch.from_numpy(literal_map(network, image)) for name, image in
                (("source", source), ("same", same), ("different", views[2 * a + 1][1]))}
        for name, k in product(("same", "different"), range(5)):
            matches = found[0][f"{name}_identity_cosine_px"]
            x, y = (round(min(max(p, 0), 15)) for p in matches.points[a, k].tolist())
            query = literal_pixel(maps["source"], x, y, 2)
            scores = {(u, v): float(query @ literal_pixel(maps[name], u, v, 2))
                      for u, v in product(range(16), range(16))}
            u, v = matches.matched[a, k].tolist()
            assert scores[u, v] == pytest.approx(max(scores.values()), abs=1e-5)


def test_lengths_do_not_count_in_the_second_protocol():
    target = torch.tensor([[[[1.0, 3.0]], [[0.0, 3.0]]]])
    dense = cosine_at_pixels(target, 1, (1, 2))
    assert best_cells(torch.tensor([[[1.0, 0.0]]]), dense).tolist() == [[[0, 0]]]


def on_a_sphere(points, radius=2000.0):
    """Unit vectors whose dot product is larger the nearer two points (..., 2) of a plane are."""
    flat = (points.double() - 50) / radius
    return torch.cat([flat, (1 - flat.square().sum(-1, keepdim=True)).sqrt()], dim=-1)


@pytest.mark.parametrize("width, crop, floor", [(100, 15, 1.23), (136, 20, 0.91)])
def test_perfect_descriptors_score_the_known_floor_on_the_published_grid(width, crop, floor):
    """Every pixel's descriptor is its true place in the second view, yet rounding leaves this."""
    count, size = 100, width - 2 * crop
    warper = Warper(width, width, crop, *PUBLISHED_DEVIATIONS, 1, 1)
    generator = torch.Generator().manual_seed(0)
    keypts = crop + size * (0.2 + 0.6 * torch.rand(count, 100, 2, generator=generator))
    blank = torch.zeros(1, 3, width, width, dtype=torch.uint8).expand(count, -1, -1, -1)
    pair = warper(blank, keypts, warper.draw_published(count, generator))
    sources = on_a_sphere(to_pixels(pair.grid_1to2, size, size)).permute(0, 3, 1, 2)
    pixels = to_pixels(lattice(size, size), size, size).view(1, size, size, 2)
    target = on_a_sphere(pixels).permute(0, 3, 1, 2)

    def error(stride):
        """Match one image at a time: all scores at once would take a gigabyte."""
        found = [match_landmarks(source[None, :, ::stride, ::stride], points[None],
                                 target[..., ::stride, ::stride], stride)
                 for source, points in zip(sources, pair.keypts_first)]
        return pixel_error(torch.cat(found), pair.keypts_second, size).mean()

    assert error(stride=2) == pytest.approx(floor, abs=0.02)
    assert error(stride=1) < 0.5 * floor


# Dense matches


def test_every_cell_finds_its_best_cell():
    source, target = torch.randn(2, 3, 8, 4, 5, generator=torch.Generator().manual_seed(0))
    found = dense_matches(source, target)
    assert found.shape == (3, 4, 5, 2)
    for b, i, j in product(range(3), range(4), range(5)):
        scores = torch.einsum("c,chw->hw", target[b, :, i, j], source[b])
        x, y = found[b, i, j].tolist()
        assert scores[y, x] == scores.max()


# Many images


def generated_faces(folder):
    return SyntheticFaces("test", 28, 4, use_keypoints=True, num_images=100)


def faces_on_files(folder):
    """A hundred JPEG files and their list, 40 x 36 pixels each."""
    lines = ["file,split,x0,y0,x1,y1,x2,y2"]
    (folder / "images").mkdir()
    for n in range(100):
        image, keypts = SmoothImages(100, imwidth=40).load(n)
        picture = Image.fromarray(image.astype(np.uint8)[:36])
        picture.save(folder / "images" / f"{n:03d}.jpg", quality=95)
        lines.append(",".join([f"{n:03d}.jpg", "test", *(f"{p:.2f}" for p in keypts[:3].flat)]))
    (folder / "landmarks.csv").write_text("\n".join(lines) + "\n")
    return LandmarkFolder(str(folder), "test", 28, 4, use_keypoints=True)


@pytest.mark.parametrize("make_dataset", [generated_faces, faces_on_files])
def test_a_hundred_images_match_as_one_at_a_time_does(tmp_path, make_dataset):
    """The same cells for at least 99 % of the landmarks: rounding takes near ties to either cell.

    Both means are those of the matches, within 1e-3 pixels.
    """
    dataset = make_dataset(tmp_path)
    dataset.load = cache(dataset.load)  # three evaluations read every image
    network = small_network(64)
    expected = literal_matching(copy.deepcopy(network), dataset)
    figures, num_images = evaluate_matching(network, dataset, CPU)
    found = [match_pairs(network, pair) for pair in evaluation_pairs(dataset, CPU)]
    assert num_images == 100
    for name, places in expected.items():
        matched = torch.cat([part[f"{name}_identity_px"].matched for part in found]).flatten(0, 1)
        same = [tuple(cell) == place for cell, (place, _) in zip(matched.tolist(), places)]
        assert len(same) == 50 * dataset.num_landmarks and np.mean(same) >= 0.99
        errors = [math.dist(cell, true) * 70 / 20
                  for cell, (_, true) in zip(matched.tolist(), places)]
        assert figures[f"{name}_identity_px"] == pytest.approx(np.mean(errors), abs=1e-3)


def test_errors_are_in_pixels_of_a_70_pixel_image():
    matched, truth = torch.tensor([[[2, 6]]]), torch.tensor([[[5.0, 2.0]]])
    for width in (35, 70, 96):
        assert pixel_error(matched, truth, width).item() == pytest.approx(5 * 70 / width)
