"""The parts of the report page, each worked out another way."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from misc.reporting import pictures
from misc.reporting.axes import Axis
from misc.reporting.charts import Line, chart, strip
from misc.reporting.colours import SharedColours
from misc.reporting.findings import place_chart
from misc.reporting.markup import Markup, tag
from misc.reporting.spread import cumulative, histogram, shown_range, spread_of
from tests.data_helpers.html_pages import read_html, text_of, with_class


def random_maps(*shape, seed=0):
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return maps * torch.linspace(1, 3, shape[1]).view(-1, 1, 1) + 0.7


def test_text_is_escaped_and_markup_is_not():
    inner = tag("b", "<&>", title='"quoted"', class_="x", data_label=None)
    assert inner == '<b title="&quot;quoted&quot;" class="x">&lt;&amp;&gt;</b>'
    assert tag("p", inner, None, 3, Markup("<br>")) == f"<p>{inner}3<br></p>"
    assert tag("img", alt="") == '<img alt="">'


# --- Spread ---

ERRORS = torch.tensor([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.5])


def test_spread_is_numpy_s():
    spread, errors = spread_of(ERRORS), ERRORS.double().numpy()
    assert spread["mean"] == pytest.approx(errors.mean())
    assert spread["std"] == pytest.approx(errors.std())
    for name, share in (("q05", 5), ("q25", 25), ("median", 50), ("q75", 75), ("q95", 95)):
        assert spread[name] == pytest.approx(np.percentile(errors, share))


def test_a_histogram_counts_all_errors_the_largest_in_its_last_bin():
    outline = histogram(ERRORS, high=6.0)
    lows, highs = outline[0::2], outline[1::2]
    assert [share for _, share in lows] == [share for _, share in highs]
    edges = [low for low, _ in lows]
    assert [high for high, _ in highs][:-1] == pytest.approx(edges[1:])
    for n, (low, share) in enumerate(lows):
        is_last = n == len(lows) - 1
        inside = [e for e in ERRORS.tolist() if low <= e and (is_last or e < highs[n][0])]
        assert share == pytest.approx(len(inside) / 10)
    assert outline[-1][0] == pytest.approx(6) and lows[-1][1] == pytest.approx(0.2)  # 6 and 9


def test_a_cumulative_curve_counts_what_is_at_most_an_error():
    curve = cumulative(ERRORS, high=6.0)
    for error, share in curve:
        assert share == sum(e <= error for e in ERRORS.tolist()) / 10
    assert curve[0] == (0, 0) and curve[-1] == (6, 0.9)


def test_the_shown_range_fits_the_run_with_the_largest_errors():
    assert shown_range([ERRORS, 2 * ERRORS]) == pytest.approx(2 * shown_range([ERRORS]))
    assert shown_range([torch.zeros(4)]) > 0


# --- Axes and charts ---


@pytest.mark.parametrize("low, high, texts", [
    (0, 10, ["0", "2", "4", "6", "8", "10"]),
    (0.1, 0.3, ["0.1", "0.15", "0.2", "0.25", "0.3"]),
    (1.9, 2.43, ["2", "2.2", "2.4"]),
])
def test_ticks_are_round_numbers_in_their_places(low, high, texts):
    ticks = Axis(low, high, 100, 300).ticks()
    assert [text for _, text in ticks] == texts
    for place, text in ticks:
        assert place == pytest.approx(100 + 200 * (float(text) - low) / (high - low))


def test_a_logarithmic_axis_marks_powers_of_ten():
    axis = Axis.over([1e-3, 1e-5, 5e-4], 0, 100, log=True)
    places, texts = zip(*axis.ticks())
    assert texts == ("1e-5", "1e-4", "1e-3") and places == pytest.approx((0, 50, 100))


def test_shares_are_written_in_percent():
    assert [text for _, text in Axis(0, 0.1, 0, 100, shares=True).ticks()] == [
        "0%", "2%", "4%", "6%", "8%", "10%"]
    assert "7.5%" in [text for _, text in Axis(0, 0.11, 0, 100, shares=True).ticks()]


@pytest.mark.parametrize("values", [[3e-4, 5e-4], [2e-3], [1e-3], [0.1**3]])
def test_a_logarithmic_axis_has_at_least_two_marks(values):
    axis = Axis.over(values, 0, 100, log=True)
    assert all(0 <= axis.place(value) <= 100 for value in values)
    assert [place for place, _ in axis.ticks()] == pytest.approx([0, 100])


@pytest.mark.parametrize("kind", [{}, {"whole": True}, {"shares": True}])
def test_a_single_value_has_an_axis_too(kind):
    axis = Axis.over([0.001, 0.001], 0, 100, **kind)
    assert axis.place(0.001) == pytest.approx(50)
    assert axis.ticks() and all(0 <= place <= 100 for place, _ in axis.ticks())


def points_of(path):
    """The points of a path of straight lines, (n, 2)."""
    return [tuple(map(float, pair.split())) for pair in path.get("d")[1:].split("L")]


def test_a_line_goes_through_its_points():
    root = read_html(chart([Line(3, "D", [(1, 2.0), (2, 4.0), (5, 3.0)])], "says", "epoch"))
    (group,) = with_class(root, "run-3")
    (path,) = with_class(group, "line")
    (x1, y1), (x2, y2), (x3, y3) = points_of(path)
    assert (x2 - x1) / (x3 - x1) == pytest.approx(1 / 4, abs=1e-3)
    assert (y3 - y1) / (y2 - y1) == pytest.approx(1 / 2, abs=1e-2) and y2 < y1  # up is less
    marks = [(float(m.get("cx")), float(m.get("cy"))) for m in with_class(group, "mark")]
    assert marks == points_of(path) and root.get("aria-label") == "says"


def test_a_stepped_line_changes_half_way():
    assert Line(0, "A", [(1, 7), (2, 7), (4, 5)], stepped=True).outline == [
        (1, 7), (1.5, 7), (1.5, 7), (3, 7), (3, 5), (4, 5)]


def test_letters_of_lines_that_end_together_stand_apart():
    lines = [Line(n, letter, [(0, y), (1, 0.0)]) for n, (letter, y) in
             enumerate(zip("ABCD", (1, 2, 3, 4)))]
    letters = with_class(read_html(chart(lines, "", "x")), "letter")
    heights = sorted(float(letter.get("y")) for letter in letters)
    assert sorted(map(text_of, letters)) == ["A", "B", "C", "D"]
    assert min(np.diff(heights)) >= 12 and heights[0] > 0 and heights[-1] <= 176
    assert with_class(read_html(chart(lines[:1], "", "x")), "letter") == []


def test_many_points_have_no_marks():
    line = Line(0, "A", [(n, n) for n in range(300)])
    assert with_class(read_html(chart([line], "", "x")), "mark") == []


def test_a_strip_has_its_quantiles_in_order():
    root = read_html(strip(spread_of(ERRORS), 10, 1, "spread"))
    numbers = {name: with_class(root, name)[0].get("d") for name in ("whisker", "box", "median")}
    q05, q95 = map(float, numbers["whisker"].replace(" ", "H")[1:].split("H")[0::2])
    assert 2 < q05 < q95 < 198 and (q95 - 2) / 196 * 10 == pytest.approx(7.65, abs=0.01)


# --- Colours ---


def test_colours_are_the_principal_components_of_all_maps():
    maps = random_maps(6, 5, 4, 3)
    colours = SharedColours()
    for batch in maps.split([1, 3, 2]):
        colours.add(batch)
    painted = colours.paint(maps).permute(0, 2, 3, 1).reshape(-1, 3).double().numpy()
    cells = maps.permute(0, 2, 3, 1).reshape(-1, 5).double().numpy()
    centred = cells - cells.mean(axis=0)
    _, scales, axes = np.linalg.svd(centred, full_matrices=False)
    for n in range(3):
        axis = axes[n] * np.sign(axes[n][np.abs(axes[n]).argmax()])
        along = centred @ axis / (scales[n] / np.sqrt(len(cells)))
        np.testing.assert_allclose(painted[:, n], np.clip(along / 4 + 0.5, 0, 1), atol=1e-5)


def test_a_descriptor_has_one_colour_wherever_it_is():
    colours, descriptor = SharedColours(), torch.randn(8)
    colours.add(random_maps(2, 8, 5, 5))
    first, second = random_maps(2, 8, 3, 4, seed=1).split(1)
    first[0, :, 1, 2] = second[0, :, 2, 0] = descriptor
    assert torch.equal(colours.paint(first)[0, :, 1, 2], colours.paint(second)[0, :, 2, 0])


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_few_channels_are_painted_too(channels):
    colours, maps = SharedColours(), random_maps(2, channels, 3, 3)
    colours.add(maps)
    painted = colours.paint(maps)
    assert painted.shape == (2, 3, 3, 3) and (painted[:, channels:] == 0.5).all()


def test_equal_descriptors_are_painted_grey():
    colours, maps = SharedColours(), torch.ones(1, 4, 2, 2)
    colours.add(maps)
    assert (colours.paint(maps) - 0.5).abs().max() < 0.01


def test_a_network_s_maps_are_watched_until_told():
    network, colours = torch.nn.Conv2d(3, 4, 1), SharedColours()
    seeing = colours.watch(network)
    network(torch.zeros(2, 3, 5, 5))
    seeing.remove()
    network(torch.zeros(2, 3, 5, 5))
    assert colours.count == 50


# --- Pictures ---


def decoded(element):
    """The picture of an <img> or <image>, (H, W, 3)."""
    data = (element.get("src") or element.get("href")).partition("base64,")[2]
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))))


def smooth_image(H, W):
    y, x = torch.meshgrid(torch.linspace(20, 220, H), torch.linspace(20, 220, W), indexing="ij")
    return torch.stack([x, y, (x + y) / 2]).byte()


def test_images_keep_their_pixels():
    image = smooth_image(20, 30)
    shown = decoded(read_html(pictures.plain(image, "an image")))
    assert shown.shape == (20, 30, 3)
    assert np.abs(shown.astype(int) - image.permute(1, 2, 0).numpy()).mean() < 3
    colours = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(0))
    exact = decoded(read_html(pictures.cells(colours, "colours")))
    assert np.array_equal(exact, (255 * colours).round().byte().permute(1, 2, 0).numpy())


def view_of(svg):
    return tuple(map(float, svg.get("viewbox").split()))


def test_a_pair_joins_points_of_one_image_to_their_matches_in_the_other():
    H, W = 20, 30
    points = torch.tensor([[3.0, 4.0], [29.0, 19.0]])
    matched, truth = torch.tensor([[10.0, 5.0], [0.0, 0.0]]), torch.tensor([[12.0, 6.0], [1, 1]])
    images = smooth_image(H, W), smooth_image(H, W)
    root = read_html(pictures.pair(*images, points, matched, truth, "a pair"))
    left, right = root.findall("svg")
    for half, dots in ((left, points), (right, matched)):
        assert view_of(half) == (-0.5, -0.5, W, H)  # the centre of the first pixel is (0, 0)
        found = [[float(c.get("cx")), float(c.get("cy"))] for c in half.iter("circle")]
        assert found == dots.tolist()
    shift = float(right.get("x"))
    assert shift >= W and view_of(root) == (0, 0, shift + W, H)
    lines = [p.get("d") for p in root.findall("g/path")]
    assert lines == [f"M3.5 4.5L{shift + 10.5:.1f} 5.5", f"M29.5 19.5L{shift + 0.5:.1f} 0.5"]
    crosses = [path.get("d") for path in right.iter("path")]
    assert [d.partition("m")[0] for d in crosses] == ["M12.0 6.0", "M1.0 1.0"]


def test_virtual_keypoints_have_their_landmark_s_colour():
    places = torch.arange(12.0).view(2, 3, 2)
    root = read_html(pictures.virtual_keypoints(smooth_image(12, 12), places, "points"))
    first, second = root.iter("path")
    assert first.get("stroke") != second.get("stroke")
    assert second.get("d") == "M6.0 7.0h0M8.0 9.0h0M10.0 11.0h0"


def test_the_chart_of_places_tells_them_apart():
    colours = place_chart((9, 9))[0].flatten(1).T
    assert len(colours.unique(dim=0)) == 81
