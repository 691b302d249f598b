"""The parts of the report page, each worked out another way."""

import base64
import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from misc.reporting import pictures
from misc.reporting.charts import curve, distributions
from misc.reporting.findings import place_chart
from misc.reporting.page import summary
from tests.data_helpers.html_pages import read_html, text_of
from trainer.figures import FIGURES, LANDMARKS
from utils.drawing.galleries import (
    PrincipalColours,
    bare_landmarks_figure,
    bare_match_figure,
    bare_virtual_figure,
)
from utils.drawing.visualizations import landmark_colours


def random_maps(*shape, seed=0):
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return maps * torch.linspace(1, 3, shape[1]).view(-1, 1, 1) + 0.7


def fake_run(number=0, epochs=(), errors=None, results=None):
    """Return what charts and tables ask of a run."""
    found = SimpleNamespace(errors={LANDMARKS: errors})
    return SimpleNamespace(
        letter="ABCDEFGH"[number], colour=number, epochs=list(epochs), findings=found,
        place=SimpleNamespace(name=f"<run> {number}", results=results or {}))


def epochs(**values):
    """Return the epochs of lists of values."""
    rows = enumerate(zip(*values.values()), 1)
    return [{"epoch": n, **dict(zip(values, row))} for n, row in rows]


ERRORS = torch.tensor([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.5])


def test_a_row_of_errors_is_numpy_s():
    row, errors = summary(fake_run(errors=ERRORS, results={LANDMARKS: 1.25}), LANDMARKS), ERRORS
    low, median, high = np.percentile(errors.numpy(), [5, 50, 95])
    assert row == {"Mean": "3.95", "Deviation": f"{errors.numpy().std():.2f}",
                   "Median": f"{median:.2f}", "5 to 95 %": f"{low:.2f} to {high:.2f}",
                   "results.json": "1.25"}


# --- Charts ---


def tree_of(chart):
    """Return a chart's SVG as a tree."""
    return read_html(str(chart[1]))


def lines_of(svg, colour):
    """Return the points (n, 2) of each line in a run's colour, in its order of drawing."""
    style = f"stroke: var(--c{colour})"
    return [np.array(re.findall(r"[ML] ([-\d.e]+) ([-\d.e]+)", path.get("d")), float)
            for path in svg.iter("path")
            if style in path.get("style", "") and "clip-path" in path.attrib]


def ticks_of(svg, along):
    """Return {value: place} of the marked values of an axis: 0, horizontal, or 1, vertical."""
    found = {}
    for text in svg.iter("text"):
        number = re.fullmatch(r"([-−\d.]+)( %)?", text_of(text))
        is_vertical = "text-anchor: end" in text.get("style")
        if number and is_vertical == bool(along):
            place = re.search(r"rotate\(-?0 ([\d.]+) ([\d.]+)\)", text.get("transform"))
            found[float(number[1])] = float(place[1 + along])
    return found


def test_a_curve_goes_through_its_points():
    run = fake_run(3, epochs(loss=[2.0, 4.0, 3.0], val_loss=[5.0, 1.0, 2.0]))
    title, _ = chart = curve([run], "loss", "val_loss")
    svg = tree_of(chart)
    assert title == "Loss" and svg.get("aria-label") == "Loss by epoch, of D <run> 3"
    training, validation = lines_of(svg, 3)
    np.testing.assert_allclose(training[:, 0], validation[:, 0])
    np.testing.assert_allclose(np.diff(training[:, 0]), training[1, 0] - training[0, 0])
    heights = np.concatenate([training[:, 1], validation[:, 1]])
    slope, start = np.polyfit([2, 4, 3, 5, 1, 2], heights, 1)
    np.testing.assert_allclose(heights, slope * np.array([2, 4, 3, 5, 1, 2]) + start, atol=1e-4)
    assert slope < 0  # up is less
    places = ticks_of(svg, 1)
    assert {2, 3, 4} <= places.keys()  # a number stands half its height below its grid line
    assert all(abs(slope * value + start - place) < 5 for value, place in places.items())
    assert sorted(ticks_of(svg, 0)) == [1, 2, 3]


def test_a_rate_that_falls_by_powers_of_ten_has_a_logarithmic_axis():
    svg = tree_of(curve([fake_run(0, epochs(lr=[1e-2, 1e-3, 1e-4]))], "lr"))
    (line,) = lines_of(svg, 0)
    heights = np.unique(line[:, 1])
    assert len(heights) == 3 and np.diff(heights)[0] == pytest.approx(np.diff(heights)[1])
    assert {"0.01", "0.001", "0.0001"} <= {text_of(text) for text in svg.iter("text")}


@pytest.mark.parametrize("name", ["loss", "lr"])
def test_a_single_epoch_is_a_mark(name):
    svg = tree_of(curve([fake_run(0, epochs(**{name: [0.001]}))], name))
    assert len([use for use in svg.iter("use") if "--c0" in use.get("style")]) == 1
    assert all("nan" not in path.get("d") for path in svg.iter("path"))


def test_many_epochs_have_no_marks():
    svg = tree_of(curve([fake_run(0, epochs(loss=range(300)))], "loss"))
    assert not [use for use in svg.iter("use") if "--c0" in use.get("style")]


def letters_of(svg):
    """Return {letter: its place (x, y)} of the letters of a chart."""
    found = {}
    for text in svg.iter("text"):
        if re.fullmatch("[A-H]", text_of(text)):
            place = re.search(r"rotate\(-?0 ([\d.]+) ([\d.]+)\)", text.get("transform"))
            found[text_of(text)] = tuple(map(float, place.groups()))
    return found


def test_letters_of_lines_that_end_together_stand_apart():
    runs = [fake_run(n, epochs(loss=[first, 0])) for n, first in enumerate((1, 2, 3, 4))]
    letters = letters_of(tree_of(curve(runs, "loss")))
    xs = [letters[letter][0] for letter in "ABCD"]
    assert min(np.diff(xs)) >= 10 and xs[-1] < 330  # of 338
    assert letters_of(tree_of(curve(runs[:1], "loss"))) == {}


def test_letters_stand_where_the_lines_end():
    runs = [fake_run(n, epochs(loss=[1, last])) for n, last in enumerate((3, 9, 6))]
    svg = tree_of(curve(runs, "loss"))
    for run in runs:
        (line,) = lines_of(svg, run.colour)
        x, y = letters_of(svg)[run.letter]
        assert abs(y - line[-1, 1]) < 6 and 0 < x - line[-1, 0] < 40


@pytest.fixture(scope="module")
def drawn():
    """The three charts of the errors of two runs."""
    runs = [fake_run(0, errors=ERRORS), fake_run(1, errors=2 * ERRORS)]
    return [tree_of(chart) for chart in distributions(runs, LANDMARKS)]


def test_a_spread_has_its_quantiles_in_their_places(drawn):
    for number, errors in enumerate((ERRORS, 2 * ERRORS)):
        thin, thick = lines_of(drawn[0], number)
        low, quarter, three, high = np.percentile(errors.numpy(), [5, 25, 75, 95])
        values, places = zip(*ticks_of(drawn[0], 0).items())
        expected = np.interp([low, high, quarter, three], values, places)
        np.testing.assert_allclose([*thin[:, 0], *thick[:, 0]], expected, atol=0.02)


def test_a_histogram_counts_all_errors_the_largest_in_its_last_bin(drawn):
    outline = lines_of(drawn[1], 0)[0]
    heights = outline[:, 1].max() - outline[:, 1]
    values, places = zip(*ticks_of(drawn[1], 1).items())
    per_share = abs(np.polyfit(values, places, 1)[0]) * 100
    assert heights[1::2].sum() / per_share == pytest.approx(1, abs=0.01)
    high = np.quantile(2 * ERRORS.numpy(), 0.98)
    shares = np.histogram(ERRORS.numpy(), 24, (0, high))[0] / len(ERRORS)
    assert heights.max() / per_share == pytest.approx(shares.max(), abs=0.005)
    other = lines_of(drawn[1], 1)[0]
    assert other[-2, 1] < other[-1, 1]  # 18, which is larger than the axis reaches


def test_a_cumulative_curve_counts_what_is_at_most_an_error(drawn):
    (line,) = lines_of(drawn[2], 0)
    (x_values, x_places), (y_values, y_places) = (
        zip(*ticks_of(drawn[2], along).items()) for along in (0, 1))
    xs = np.polyval(np.polyfit(x_places, x_values, 1), line[:, 0])
    height = np.polyfit(y_values, y_places, 1)[0]
    shares = (line[:, 1] - line[0, 1]) / height / 100
    for error in (0.5, 1.5, 3.2, 5.5, 9.5):
        share = shares[xs <= error][-1]
        assert share == pytest.approx((ERRORS <= error).double().mean().item(), abs=0.01)


def test_charts_say_what_they_show_and_keep_their_text(drawn):
    for svg in drawn:
        assert FIGURES[LANDMARKS].title in svg.get("aria-label") and svg.get("role") == "img"
        texts = [text_of(text) for text in svg.iter("text")]
        assert f"error, {FIGURES[LANDMARKS].unit}" in texts
        assert "#0000" not in "".join(path.get("style", "") for path in svg.iter())


@pytest.mark.parametrize("errors", [torch.zeros(4), torch.ones(1)])
def test_errors_that_are_alike_are_drawn_too(errors):
    for chart in distributions([fake_run(errors=errors)], LANDMARKS):
        assert "nan" not in str(chart[1])


# --- Colours ---


def test_colours_are_the_principal_components_of_all_maps():
    maps = random_maps(6, 5, 4, 3)
    colours = PrincipalColours()
    for batch in maps.split([1, 3, 2]):
        colours.add(batch)
    painted = colours(maps).permute(0, 2, 3, 1).reshape(-1, 3).double().numpy()
    cells = maps.permute(0, 2, 3, 1).reshape(-1, 5).double().numpy()
    centred = cells - cells.mean(axis=0)
    _, scales, axes = np.linalg.svd(centred, full_matrices=False)
    for n in range(3):
        axis = axes[n] * np.sign(axes[n][np.abs(axes[n]).argmax()])
        along = centred @ axis / (scales[n] / np.sqrt(len(cells)))
        np.testing.assert_allclose(painted[:, n], np.clip(along / 4 + 0.5, 0, 1), atol=1e-5)


def test_a_descriptor_has_one_colour_wherever_it_is():
    colours, descriptor = PrincipalColours(random_maps(2, 8, 5, 5)), torch.randn(8)
    first, second = random_maps(2, 8, 3, 4, seed=1).split(1)
    first[0, :, 1, 2] = second[0, :, 2, 0] = descriptor
    assert torch.equal(colours(first)[0, :, 1, 2], colours(second)[0, :, 2, 0])


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_few_channels_are_painted_too(channels):
    maps = random_maps(2, channels, 3, 3)
    painted = PrincipalColours(maps)(maps)
    assert painted.shape == (2, 3, 3, 3) and (painted[:, channels:] == 0.5).all()


def test_equal_descriptors_are_painted_grey():
    maps = torch.ones(1, 4, 2, 2)
    assert (PrincipalColours(maps)(maps) - 0.5).abs().max() < 0.01


def test_a_network_s_maps_are_watched_until_told():
    network, colours = torch.nn.Conv2d(3, 4, 1), PrincipalColours()
    seeing = colours.watch(network)
    network(torch.zeros(2, 3, 5, 5))
    seeing.remove()
    network(torch.zeros(2, 3, 5, 5))
    assert colours.count == 50


# --- Pictures ---


def decoded(picture):
    """The image of a ``Picture``, (H, W, 3)."""
    data = picture.src.partition("base64,")[2]
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))))


def smooth_image(H, W):
    y, x = torch.meshgrid(torch.linspace(20, 220, H), torch.linspace(20, 220, W), indexing="ij")
    return torch.stack([x, y, (x + y) / 2]).byte()


def test_images_keep_their_pixels():
    image = smooth_image(20, 30)
    shown = decoded(pictures.photo(image, "an image"))
    assert shown.shape == (20, 30, 3)
    assert np.abs(shown.astype(int) - image.permute(1, 2, 0).numpy()).mean() < 3
    colours = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(0))
    exact = decoded(pictures.colour_map(colours, "colours"))
    assert np.array_equal(exact, (255 * colours).round().byte().permute(1, 2, 0).numpy())


def colour_at(picture, x, y, size):
    """Return the colour of a drawing at a pixel (x, y) of an image of ``size``, in [0, 1]."""
    H, W = size
    shown = decoded(picture)
    column, row = ((x + 0.5) / W * shown.shape[1], (y + 0.5) / H * shown.shape[0])
    return shown[int(row), int(column)] / 255


def test_a_pair_has_dots_at_its_points_and_lines_between_them():
    H, W = 20, 30
    image = torch.full((3, H, W), 128, dtype=torch.uint8)
    points, matched = torch.tensor([[3.0, 4.0], [20, 15]]), torch.tensor([[10.0, 5.0], [25, 16]])
    figure = bare_match_figure(image, image, points, matched, matched + 3)
    shown = pictures.drawing(figure, "a pair", "")
    whole = H, 2.02 * W
    colours = landmark_colours(2)[:, :3]
    for (x1, y1), (x2, y2), colour in zip(points.tolist(), matched.tolist(), colours):
        for x, y in ((x1, y1), (x2 + 1.02 * W, y2)):
            np.testing.assert_allclose(colour_at(shown, x, y, whole), colour, atol=0.15)
    height, width, _ = decoded(shown).shape
    assert width / height == pytest.approx(2.02 * W / H, rel=0.02)
    np.testing.assert_allclose(colour_at(shown, 1, 17, whole), 128 / 255, atol=0.03)  # no margin
    np.testing.assert_allclose(colour_at(shown, whole[1] - 2, 1, whole), 128 / 255, atol=0.03)


@pytest.mark.parametrize("draw", [
    lambda image, points: bare_landmarks_figure(image, points, points + 5),
    lambda image, points: bare_virtual_figure(image, points[:, None])])
def test_points_on_a_single_image_are_where_they_belong(draw):
    image = torch.full((3, 24, 24), 40, dtype=torch.uint8)
    points = torch.tensor([[2.0, 3.0], [12.0, 20.0], [17.0, 8.0]])
    shown = pictures.drawing(draw(image, points), "points", "")
    for (x, y), colour in zip(points.tolist(), landmark_colours(3)[:, :3]):
        np.testing.assert_allclose(colour_at(shown, x, y, (24, 24)), colour, atol=0.2)
    np.testing.assert_allclose(colour_at(shown, 22, 1, (24, 24)), 40 / 255, atol=0.05)


def test_the_chart_of_places_tells_them_apart():
    colours = place_chart((9, 9))[0].flatten(1).T
    assert len(colours.unique(dim=0)) == 81
