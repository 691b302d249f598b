"""The proposals of the annotator: places, regressions against plain loops, the order."""

import numpy as np
import pytest
import torch
from PIL import Image

import inference
from inference.view import Viewer
from misc.annotating.embeddings import Embeddings
from misc.annotating.fitting import Fitted
from misc.annotating.order import representative_first, with_test_images
from misc.annotating.proposals import Proposer
from misc.annotating.regression import STRENGTHS, fit_ridge
from tests.data_helpers.stand_ins import RampReader, ramp

RAMPS = {"a": (40, 40), "b": (80, 60), "c": (31, 97), "d": (200, 100)}  # width, height


@pytest.fixture
def proposer():
    """A proposer for ramps of several sizes, whose descriptors say where a pixel is."""
    model = inference.Model(RampReader(), Viewer(40))
    return Proposer(RAMPS, lambda name: model.embed(ramp(*RAMPS[name])))


def shares(name, points):
    """Return points in pixels of an image as shares of its sides."""
    return (np.asarray(points) + 0.5) / RAMPS[name]


def test_points_are_found_where_they_are_in_images_of_any_size(proposer):
    points = [[10.3, 20], [33, 7.5], [20, 20]]
    assert proposer.propose("b") is None
    proposer.learn("a", points)
    for name in "bcd":
        found, certainty = proposer.propose(name)
        np.testing.assert_allclose(shares(name, found), shares("a", points), atol=0.6 / 40)
        assert (certainty > 0).all() and (certainty <= 1).all()


def test_a_point_that_was_not_visible_is_proposed_once_an_image_shows_it(proposer):
    proposer.learn("a", [[10, 20], [np.nan, np.nan]])
    found, certainty = proposer.propose("b")
    assert np.isnan(found[1]).all() and np.isnan(certainty[1]) and np.isfinite(found[0]).all()
    proposer.learn("c", [[np.nan, np.nan], [15, 40]])
    found, _ = proposer.propose("b")
    np.testing.assert_allclose(shares("b", found[:1]), shares("a", [[10, 20]]), atol=0.6 / 40)
    np.testing.assert_allclose(shares("b", found[1:]), shares("c", [[15, 40]]), atol=0.8 / 31)


def test_a_correction_replaces_what_was_learned(proposer):
    proposer.learn("a", [[30, 30]])
    proposer.learn("a", [[10, 20]])
    found, _ = proposer.propose("b")
    np.testing.assert_allclose(shares("b", found), shares("a", [[10, 20]]), atol=0.6 / 40)


def noisy(seed, turn, points, noise):
    """Return what ``Fitted`` takes of an image of 20 x 20 pixels whose descriptors are noise but at
    its points, which lie at ``points`` plus ``turn``; and its descriptors.
    """
    generator = torch.Generator().manual_seed(seed)
    dense = noise * torch.randn(8, 20, 20, generator=generator)
    places = points + turn
    for k, (x, y) in enumerate(places.long().tolist()):
        dense[k, y, x] += 1
    dense = torch.nn.functional.normalize(dense, dim=0)
    return (places.float(), torch.eye(len(points), 8), turn.float()), dense


def fitted(noise, count=8, misplaced=0):
    """Return ``Fitted`` of images whose points all move with their virtual keypoint, the points,
    and a further image. In the last ``misplaced`` images they were confirmed at other places.
    """
    points = torch.tensor([[5, 5], [12, 9]])
    turns = torch.randint(0, 7, (count + 1, 2), generator=torch.Generator().manual_seed(0))
    *images, (one, dense) = [noisy(n, turn, points, noise) for n, turn in enumerate(turns)]
    maps = {str(n): dense for n, (_, dense) in enumerate(images)}
    confirmed = {str(n): image for n, (image, _) in enumerate(images)}
    for n in range(count - misplaced, count):
        places, *others = confirmed[str(n)]
        confirmed[str(n)] = (places + 4) % 20, *others
    return Fitted(confirmed, maps.__getitem__), one, dense


def test_the_regression_counts_where_descriptors_say_nothing():
    found, (places, _, virtual), dense = fitted(noise=3)
    assert found.weight > 0 and found.spread == 1  # its least
    proposed, _ = found.propose(dense, virtual)
    assert ((proposed - places).norm(dim=1) < 3).all()


def test_clear_descriptors_are_followed():
    found, (places, _, virtual), dense = fitted(noise=0.01)
    proposed, certainty = found.propose(dense, virtual)
    assert ((proposed - places).norm(dim=1) < 0.5).all() and (certainty > 0.9).all()
    proposed, _ = found.propose(dense, virtual + 2)  # the regression alone would miss
    assert ((proposed - places).norm(dim=1) < 0.5).all()


def test_certainty_is_as_low_as_points_were_missed():
    certain = []
    for misplaced in (0, 2, 4):
        found, (*_, virtual), dense = fitted(noise=0.01, count=16, misplaced=misplaced)
        certain.append(found.propose(dense, virtual)[1].mean().item())
        assert certain[-1] == pytest.approx(1 - misplaced / 16, abs=0.1)
    assert certain[0] > 0.95 > 0.9 > certain[1] > certain[2]


def test_an_image_in_which_nothing_is_visible_spoils_no_proposal(proposer):
    places = {"a": [[10, 20], [30, 5]], "b": [[21, 31], [60, 8]], "c": [[np.nan] * 2] * 2}
    for name, points in places.items():
        proposer.learn(name, points)
    found, certainty = proposer.propose("d")
    np.testing.assert_allclose(shares("d", found), shares("a", places["a"]), atol=0.05)
    assert np.isfinite(certainty).all()


def test_a_point_that_is_not_visible_was_not_missed():
    whole, (*_, virtual), dense = fitted(noise=0.01, count=16)
    certain = whole.propose(dense, virtual)[1]
    maps, confirmed = {}, {}
    points = torch.tensor([[5, 5], [12, 9]])
    for n in range(16):
        (places, descriptors, turn), maps[str(n)] = noisy(n, torch.tensor([n % 7, n % 5]), points,
                                                          0.01)
        hidden = torch.arange(2)[:, None] == (0 if n % 2 else 2)  # the first, in half of them
        confirmed[str(n)] = (places.masked_fill(hidden, torch.nan),
                             descriptors.masked_fill(hidden, torch.nan), turn)
    found = Fitted(confirmed, maps.__getitem__)
    assert found.doubt <= 0.05
    assert (found.propose(dense, virtual)[1] > certain - 0.05).all()


@pytest.mark.parametrize("count, features", [(3, 50), (12, 4), (20, 30)])
def test_a_ridge_leaves_each_image_out_as_a_fit_without_it_would(count, features):
    generator = torch.Generator().manual_seed(count)
    X = torch.randn(count, features, generator=generator, dtype=torch.float64)
    Y = X @ torch.randn(features, 2, generator=generator, dtype=torch.float64)
    Y += torch.randn(count, 2, generator=generator, dtype=torch.float64) + 5
    scale = (X - X.mean(dim=0)).square().sum(dim=1).mean()

    def literal(X, Y, strength):
        """Return the minimum of squared errors plus strength times squared weights."""
        centre, mean = X.mean(dim=0), Y.mean(dim=0)
        A = (X - centre).T @ (X - centre) + strength * scale * torch.eye(features).double()
        weight = torch.linalg.solve(A, (X - centre).T @ (Y - mean))
        return lambda x: (x - centre) @ weight + mean

    def left_out(strength):
        keep = [[m for m in range(count) if m != n] for n in range(count)]
        return torch.stack([literal(X[k], Y[k], strength)(X[n]) for n, k in enumerate(keep)])

    best = min(STRENGTHS, key=lambda strength: (left_out(strength) - Y).square().sum())
    ridge = fit_ridge(X, Y)
    torch.testing.assert_close(ridge.left_out, left_out(best))
    torch.testing.assert_close(ridge(X[0]), literal(X, Y, best)(X[0]))


def test_the_order_begins_with_what_represents_most():
    """Three groups: of 6, 3 and 1 images."""
    centres = torch.eye(3)[[0] * 6 + [1] * 3 + [2]]
    features = centres + 0.01 * torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    order = representative_first(features)
    assert sorted(order) == list(range(10))
    assert [int(centres[n].argmax()) for n in order[:3]] == [0, 1, 2]
    order = representative_first(features, done=[9, 0])
    assert order[:2] == [9, 0] and order[2] in (6, 7, 8) and sorted(order) == list(range(10))
    assert representative_first(torch.zeros(3, 2)) == [0, 1, 2]


@pytest.mark.parametrize("names, tests, expected", [
    ("abcdefghijkl", "", "abcdefghijkl"),
    ("abcdefghijkl", "l", "abcdlefghijk"),
    ("abcdefghijkl", "bkl", "abcdefkghijl"),
    ("abcd", "abcd", "abcd"),
    ("", "", ""),
])
def test_one_image_of_five_is_of_the_test_split(names, tests, expected):
    assert "".join(with_test_images(names, set(tests))) == expected


def test_done_images_lead_and_all_others_follow(proposer):
    assert sorted(proposer.order()) == list("abcd")
    order = proposer.order(["c", "gone", "a"])
    assert order[:2] == ["c", "a"] and sorted(order) == list("abcd")


def test_broken_images_are_left_out_and_memory_is_bounded(tmp_path, monkeypatch, capsys):
    for name in RAMPS:
        Image.fromarray(ramp(*RAMPS[name])).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    paths = {path.name: path for path in sorted(tmp_path.iterdir())}
    model = inference.Model(RampReader(), Viewer(40))
    whole = Embeddings(model, paths)
    assert whole.names == ["a.png", "b.png", "c.png", "d.png"]
    assert capsys.readouterr().out.startswith("skipped: ")
    most = 2 * whole("a.png").descriptors.nbytes
    monkeypatch.setattr("misc.annotating.embeddings.MOST_BYTES", most)
    bounded = Embeddings(model, paths)
    assert len(bounded._kept) == 2
    for name in whole.names:
        torch.testing.assert_close(bounded(name).descriptors, whole(name).descriptors)
