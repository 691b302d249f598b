"""Pictures: the colour of each descriptor, the place of each landmark, files of them all."""

import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from utils.drawing.galleries import (
    PrincipalColours,
    dense_figure,
    embedding_figure,
    landmarks_figure,
    match_figure,
    overview_figure,
)
from utils.drawing.visualizations import (
    EMBEDDING_PICTURES,
    LANDMARK_PICTURES,
    NUM_SHOWN,
    draw_landmarks,
    embedding_pictures,
    fitting,
    landmark_colours,
    landmark_pictures,
    on_sphere,
    sphere_colormap,
    sphere_norm_scatter3d,
    sphere_rand_proj_colormap,
    sphere_scatter3d,
)
from utils.errors import ConfigError
from utils.geometry.coordinates import to_normalised

B, C, H, W = 2, 5, 12, 16
h, w = H // 2, W // 2


@pytest.fixture
def images():
    return torch.randint(0, 256, (B, 3, H, W), dtype=torch.uint8, generator=seeded(0))


@pytest.fixture
def descriptors():
    return torch.randn(B, C, h, w, generator=seeded(1))


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def rendered(figure):
    """Return a figure as it is saved, an array (height, width, 3)."""
    file = io.BytesIO()
    figure.savefig(file, dpi=40)
    return np.asarray(Image.open(file).convert("RGB"))


def shown_arrays(figure):
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


# ---- colours on the sphere


def test_the_axes_of_the_sphere_have_known_colours():
    cells = torch.tensor([
        [1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-7, 0, 0], [0, -0.1, 0], [0, 0, -3], [0, 3, 4],
    ])
    colours = on_sphere(cells.T[None, :, None])[0, :, 0].T
    expected = [[1, 0.5, 0.5], [0.5, 1, 0.5], [0.5, 0.5, 1], [0, 0.5, 0.5], [0.5, 0, 0.5],
                [0.5, 0.5, 0], [0.5, 0.8, 0.9]]
    torch.testing.assert_close(colours, torch.tensor(expected))


def test_only_the_direction_of_the_first_three_channels_counts(descriptors):
    colours = on_sphere(descriptors)
    louder = descriptors * torch.rand(B, 1, h, w, generator=seeded(2)).add(0.1)
    louder[:, 3:] = 9
    torch.testing.assert_close(on_sphere(louder), colours)
    for b, i, j in ((0, 0, 0), (1, 2, 3), (1, 5, 7)):
        three = descriptors[b, :3, i, j].double()
        expected = three / three.square().sum().sqrt() / 2 + 0.5
        torch.testing.assert_close(colours[b, :, i, j].double(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("channels", [1, 2])
def test_missing_channels_count_as_nothing(descriptors, channels):
    colours = on_sphere(descriptors[:, :channels])
    assert colours.shape == (B, 3, h, w)
    assert torch.equal(colours[:, channels:], torch.full((B, 3 - channels, h, w), 0.5))


def test_a_sphere_colormap_shows_images_colours_and_norms(images, descriptors):
    shown = shown_arrays(sphere_colormap(images, descriptors))
    assert len(shown) == 3 * B
    for b in range(B):
        np.testing.assert_array_equal(shown[b], images[b].permute(1, 2, 0))
        np.testing.assert_allclose(shown[B + b], on_sphere(descriptors)[b].permute(1, 2, 0))
        norm = np.sqrt((descriptors[b].numpy().astype(float) ** 2).sum(axis=0))
        np.testing.assert_allclose(shown[2 * B + b], norm, rtol=1e-5)


def test_a_random_projection_is_the_same_each_time_and_leaves_the_generator_alone(
        images, descriptors):
    state = torch.get_rng_state()
    first, second = (shown_arrays(sphere_rand_proj_colormap(images, descriptors)) for _ in "ab")
    assert torch.equal(torch.get_rng_state(), state)
    assert len(first) == 2 * B or len(first) == 3 * B
    for one, other in zip(first, second):
        np.testing.assert_array_equal(one, other)


def test_a_random_projection_sees_the_channels_that_the_plain_colours_do_not(images, descriptors):
    changed = descriptors.clone()
    changed[:, 3:] += torch.randn(B, C - 3, h, w, generator=seeded(3))
    plain, projected = (
        np.abs(np.stack(shown_arrays(draw(images, descriptors))[B:2 * B])
               - np.stack(shown_arrays(draw(images, changed))[B:2 * B])).mean()
        for draw in (sphere_colormap, sphere_rand_proj_colormap)
    )
    assert plain == 0
    assert projected > 0.05


# ---- clouds of cells


@pytest.mark.parametrize("draw, normalised", [
    (sphere_scatter3d, False), (sphere_norm_scatter3d, True),
])
def test_a_cloud_holds_every_cell_of_two_images_in_the_image_s_colours(
        descriptors, draw, normalised):
    images = torch.zeros(3, 3, H, W, dtype=torch.uint8)
    images[:, 0, :, W // 2:] = 255  # the right half is red
    descriptors = torch.cat([descriptors, descriptors[:1]])
    figure = draw(images, descriptors)
    assert len(figure.axes) == 2
    for b, axes in enumerate(figure.axes):
        (cloud,) = axes.collections
        points = np.stack(cloud._offsets3d, axis=1)
        expected = descriptors[b, :3].flatten(1).T.numpy()
        if normalised:
            expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(points, expected, rtol=1e-5)
        colours = cloud._facecolors[:, :3].reshape(h, w, 3)
        assert (colours[:, :w // 2 - 1] == 0).all()
        np.testing.assert_allclose(colours[:, w // 2 + 1:], np.broadcast_to([1, 0, 0], (h, 3, 3)))


# ---- principal components


def pca_colours(maps):
    return PrincipalColours(maps)(maps)


def test_pca_colours_fill_the_range_and_are_shared_by_all_maps(descriptors):
    colours = pca_colours(descriptors)
    assert colours.shape == (B, 3, h, w)
    assert colours.min() == 0 and colours.max() == 1
    both = torch.cat([descriptors[:1], descriptors[:1]])
    first, second = pca_colours(both)
    torch.testing.assert_close(first, second)


def up_to_signs(colours, reference):
    """Turn round each colour channel that is the reference's negative."""
    flipped = [
        1 - colours[:, c] if (colours[:, c] - reference[:, c]).abs().mean()
        > (1 - colours[:, c] - reference[:, c]).abs().mean() else colours[:, c]
        for c in range(3)
    ]
    return torch.stack(flipped, dim=1)


def test_pca_colours_do_not_depend_on_the_frame_of_the_descriptors(descriptors):
    descriptors = descriptors.double() * torch.tensor([5.0, 3, 2, 1, 0.5]).view(1, C, 1, 1)
    rotation, _ = torch.linalg.qr(torch.randn(C, C, generator=seeded(4), dtype=torch.float64))
    moved = 3 * torch.einsum("cd,bdij->bcij", rotation, descriptors) + 7
    reference = pca_colours(descriptors)
    torch.testing.assert_close(up_to_signs(pca_colours(moved), reference), reference)


def test_the_first_colour_follows_the_direction_of_greatest_spread():
    descriptors = 0.01 * torch.randn(1, C, 4, 50, generator=seeded(5))
    ramp = torch.linspace(-1, 1, 50)
    descriptors[:, 2] += ramp
    red = pca_colours(descriptors)[0, 0]
    correlation = np.corrcoef(red.flatten(), ramp.expand(4, 50).flatten())[0, 1]
    assert abs(correlation) > 0.99


def test_pca_colours_of_maps_without_any_spread_are_colours():
    colours = pca_colours(torch.ones(B, C, h, w))
    assert ((colours >= 0) & (colours <= 1)).all()


# ---- landmarks


@pytest.mark.parametrize("K", [1, 5, 68])
def test_each_landmark_has_a_colour_of_its_own(K):
    assert len(np.unique(landmark_colours(K), axis=0)) == K


def test_landmarks_are_drawn_where_they_are():
    axes = Figure().add_subplot()
    predicted = torch.tensor([[1.0, 2], [3, 4]])
    target = torch.tensor([[5.0, 6], [7, 8]])
    draw_landmarks(axes, predicted, target)
    crosses, dots = axes.collections
    np.testing.assert_allclose(crosses.get_offsets(), target)
    np.testing.assert_allclose(dots.get_offsets(), predicted)
    np.testing.assert_allclose(crosses.get_edgecolors(), dots.get_facecolors())


def test_landmark_pictures_turn_normalised_places_into_pixels(images):
    K, V = 3, 4
    predicted, target = (torch.rand(B, K, 2, generator=seeded(s)) * 10 for s in (6, 7))
    virtual = torch.rand(B, K, V, 2, generator=seeded(8)) * 10
    ((name, figure),) = landmark_pictures(
        ["keypoints_intermediate"], images,
        *(to_normalised(points, H, W) for points in (predicted, target, virtual)),
    )
    assert name == "keypoints_intermediate"
    for b in range(B):
        above, below = figure.axes[b], figure.axes[B + b]
        np.testing.assert_allclose(above.collections[0].get_offsets(), target[b], atol=1e-4)
        np.testing.assert_allclose(above.collections[1].get_offsets(), predicted[b], atol=1e-4)
        for k in range(K):
            np.testing.assert_allclose(
                below.collections[k].get_offsets(), virtual[b, k], atol=1e-4)
            np.testing.assert_allclose(
                below.collections[k].get_facecolors()[0], landmark_colours(K)[k])


# ---- all of them, as a config names them


def test_every_embedding_picture_can_be_saved(images, descriptors):
    pictures = embedding_pictures(EMBEDDING_PICTURES, images, descriptors)
    assert [name for name, _ in pictures] == [
        "sphere_colormap", "sphere_rand_proj_colormap", "sphere_scatter3d", "sphere_norm_scatter3d"
    ]
    for _, figure in pictures:
        assert len(np.unique(rendered(figure).reshape(-1, 3), axis=0)) > 10  # more than blank


def test_every_landmark_picture_can_be_saved(images):
    points = torch.zeros(B, 5, 2)
    pictures = landmark_pictures(LANDMARK_PICTURES, images, points, points, torch.zeros(B, 5, 9, 2))
    assert [name for name, _ in pictures] == ["keypoints_intermediate"]
    assert rendered(pictures[0][1]).std() > 0


def test_only_the_first_images_are_shown():
    many = torch.zeros(NUM_SHOWN + 5, 3, 4, 4, dtype=torch.uint8)
    ((_, figure),) = embedding_pictures(["sphere_colormap"], many, torch.ones(len(many), 3, 2, 2))
    assert len(figure.axes) == 3 * NUM_SHOWN


def test_a_misspelt_picture_lists_the_names(images, descriptors):
    with pytest.raises(ConfigError, match="did you mean 'sphere_colormap'?"):
        embedding_pictures(["sphere_colourmap"], images, descriptors)


# ---- the gallery


def test_matches_are_drawn_in_both_images_and_joined(images):
    first = torch.tensor([[[1.0, 2], [3, 4]], [[5, 6], [7, 8]]])
    matched = first + 1
    truth = first.flip(0)
    figure = match_figure(images, images.flip(0), first, matched, truth, ["one", "two"])
    assert len(figure.axes) == 2 * B
    for b in range(B):
        left, right = figure.axes[2 * b:2 * b + 2]
        np.testing.assert_array_equal(left.images[0].get_array(), images[b].permute(1, 2, 0))
        np.testing.assert_array_equal(right.images[0].get_array(), images[1 - b].permute(1, 2, 0))
        np.testing.assert_allclose(left.collections[0].get_offsets(), first[b])
        np.testing.assert_allclose(right.collections[0].get_offsets(), truth[b])
        np.testing.assert_allclose(right.collections[1].get_offsets(), matched[b])
        assert left.get_title(loc="left") == ["one", "two"][b]
    joins = [(patch.xy1, patch.xy2) for patch in figure.artists]
    pairs = zip(first.flatten(0, 1), matched.flatten(0, 1))
    for (start, end), (one, other) in zip(joins, pairs, strict=True):
        np.testing.assert_allclose([start, end], [one, other])
    assert rendered(figure).std() > 0


def test_a_point_outside_does_not_shrink_its_image(images):
    points = torch.tensor([[[-30.0, 2.0], [4.0, 70.0]]]).expand(B, -1, -1)
    figures = [
        match_figure(images, images, points, points, points, ["one", "two"]),
        landmarks_figure(images, points, points, ["one", "two"]),
        landmark_pictures(LANDMARK_PICTURES, images, points, points, points[:, :, None])[0][1],
    ]
    for axes in (axes for figure in figures for axes in figure.axes if axes.images):
        assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, W - 0.5), (H - 0.5, -0.5))


def test_an_incomplete_last_row_of_matches_leaves_its_place_blank(images):
    images = images[:1].expand(5, -1, -1, -1)
    points = torch.ones(5, 2, 2)
    figure = match_figure(images, images, points, points, points, list("abcde"))
    shown = [axes for axes in figure.axes if axes.images]
    blank = [axes for axes in figure.axes if not axes.images]
    assert len(shown) == 10 and len(blank) == 6 and not any(axes.axison for axes in blank)


def test_landmarks_are_drawn_on_each_image(images):
    predicted, truth = torch.rand(2, B, 4, 2, generator=seeded(0)) * 10
    figure = landmarks_figure(images, predicted, truth, ["one", "two"])
    for b, axes in enumerate(figure.axes):
        np.testing.assert_array_equal(axes.images[0].get_array(), images[b].permute(1, 2, 0))
        np.testing.assert_allclose(axes.collections[0].get_offsets(), truth[b])
        np.testing.assert_allclose(axes.collections[1].get_offsets(), predicted[b])
        assert axes.get_title() == ["one", "two"][b]


def title_box(figure, axes, where):
    """Return left, right of the title that was drawn, in shares of the figure's width."""
    rendered(figure)
    title = {"left": axes._left_title, "center": axes.title}[where]
    box = title.get_window_extent()
    return box.x0 / figure.bbox.width, box.x1 / figure.bbox.width


@pytest.mark.parametrize("name", [
    "rip 2/day0/portrait (42).jpe", "W" * 90 + ".png", "holiday/$5/$x_{1}.png", "i" * 300,
    r"5 $\frac$.png", "not UTF-8: \udcff\n.jpg" * 9])
@pytest.mark.parametrize("size", [(12, 16), (40, 10), (10, 40)])
def test_the_title_of_a_picture_fits_in_it(name, size):
    image = torch.zeros(1, 3, *size, dtype=torch.uint8)
    points = torch.ones(1, 2, 2)
    cells = torch.stack(torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="xy"), -1)
    for figure, where in (
            (landmarks_figure(image, points, [None], [name]), "center"),
            (match_figure(image, image, points, points, [None], [name]), "left"),
            (embedding_figure(image[0], torch.zeros(3, 4, 4), cells, name), "left")):
        left, right = title_box(figure, figure.axes[0], where)
        assert 0 <= left < right <= 1


def test_a_long_text_loses_its_middle():
    assert fitting("rip 2/portrait.jpe", 108, 8) == "rip 2/portrait.jpe"
    short = fitting("rip 2/day0/portrait (42) of somebody.jpe", 108, 8)
    head, tail = short.split("…")
    assert "rip 2/day0/portrait (42) of somebody.jpe".startswith(head) and tail.endswith(".jpe")
    assert len(tail) <= len(head) <= len(tail) + 1
    assert fitting("abc", 0, 8) == "…" and fitting("", 0, 8) == ""


def test_dense_matches_are_shown_in_three_rows(images):
    figure = dense_figure(images, images.flip(0), 255 - images)
    rows = np.array(shown_arrays(figure)).reshape(3, B, H, W, 3)
    for row, expected in zip(rows, (images, images.flip(0), 255 - images)):
        np.testing.assert_array_equal(row, expected.permute(0, 2, 3, 1))


def test_the_overview_has_a_column_for_each_image(images, descriptors):
    """Its colours are drawn cell by cell where the cells are: every other pixel, from 0.5 on."""
    K = 3
    points, matched = (torch.rand(*shape, generator=seeded(n)) * 10
                       for n, shape in enumerate(((K, 2), (B, K, 2))))
    figure = overview_figure(images, descriptors, 2, 0.5, points, matched)
    grid = np.array(figure.axes).reshape(-1, B)
    assert len(grid) == 2
    for b in range(B):
        np.testing.assert_array_equal(grid[0, b].images[0].get_array(),
                                      images[b].permute(1, 2, 0))
        np.testing.assert_allclose(grid[0, b].collections[0].get_offsets(),
                                   points if b == 0 else matched[b])
        grey, colours = grid[1, b].images
        np.testing.assert_allclose(grey.get_array()[..., 1], images[b].float().mean(dim=0) / 255,
                                   atol=1e-6)
        np.testing.assert_allclose(colours.get_array()[:h, :w],
                                   pca_colours(descriptors)[b].permute(1, 2, 0))
        left, right, bottom, top = colours.get_extent()
        assert (left, top) == (-0.5, -0.5)  # the corner of a cell whose centre is 0.5
        assert (right - left, bottom - top) == (2 * (w + 1), 2 * (h + 1))
        assert colours.get_array().shape[:2] == (h + 1, w + 1)
        assert grid[1, b].get_xlim() == (-0.5, W - 0.5)
    assert rendered(figure).std() > 0
