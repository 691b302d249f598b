"""Propose the points of an image from those of the confirmed ones, by an embedding.

A point's descriptor, the mean of those at its confirmed places, is found by cosine similarity. From
three confirmed images on, a regression predicts the points, too: from virtual keypoints, the mean
places of typical descriptors, as the landmark regressor of the method does (DVE, section 4.3), but
in closed form. How much its predictions weigh against similarity is what is best for the confirmed
images when each is left out.
"""

import torch
import torch.nn.functional as F

from misc.annotating.order import farthest_first
from misc.annotating.regression import FEWEST, fit_ridge
from model.matching import cosine_at_pixels

NUM_VIRTUAL = 100  # typical descriptors
SHARPNESS = 30  # of cosines, before the softmax over places
SAMPLED_IMAGES, SAMPLED_CELLS = 64, 200  # that typical descriptors are taken from
ROUNDS = 10  # of k-means
WEIGHTS = (0, 0.01, 0.03, 0.1, 0.3, 1, 3)  # of the regression, in cosine
MOST_LEFT_OUT = 50  # confirmed images, the latest, that weights are compared on


class Proposer:
    """Proposes points; all geometry is in pixels of the network's input.

    images: names, in any order.
    embed: callable, name -> ``inference.Embedding``.
    """

    def __init__(self, images, embed):
        self.images, self._embed = list(images), embed
        self._confirmed = {}  # {name: points (K, 2), descriptors (K, C), virtual keypoints}
        self._typical = self._fitted = None

    def order(self, done=()):
        """Return the names, those first from which most is learned; those of ``done`` lead."""
        pooled = torch.stack([self._pooled(name) for name in self.images])
        numbers = {name: number for number, name in enumerate(self.images)}
        done = [numbers[name] for name in done if name in numbers]
        return [self.images[number] for number in farthest_first(pooled, done)]

    def _pooled(self, name):
        descriptors = self._embed(name).descriptors.float().flatten(1)
        return F.normalize(descriptors, dim=0).mean(dim=1)

    def learn(self, name, points):
        """Take the points (K, 2) of a confirmed image, in its pixels, NaN where not visible."""
        view, dense = self._dense(name)
        places = view.to_input(torch.as_tensor(points, dtype=torch.float32))
        self._confirmed.pop(name, None)  # the latest comes last
        self._confirmed[name] = places, _read(dense, places), self._virtual(dense)
        self._fitted = None

    def propose(self, name):
        """Return points (K, 2) in pixels of an image, and their certainty (K,), cosines from 0 to
        1; None before the first confirmed image. A point that was never visible is NaN.
        """
        if not self._confirmed:
            return None
        self._fitted = self._fitted or _Fitted(self._confirmed, lambda name: self._dense(name)[1])
        view, dense = self._dense(name)
        places, cosines = self._fitted.propose(dense, self._virtual(dense))
        return view.to_image(places).double().numpy(), cosines.clamp(0, 1).numpy()

    def _dense(self, name):
        """Return an image's ``View``, and its descriptors at every pixel of the input, (C, H, W),
        of length 1.
        """
        embedding = self._embed(name)
        maps = embedding.descriptors.float()[None]
        size = embedding.view.input_size
        return embedding.view, cosine_at_pixels(maps, embedding.stride, size)[0]

    def _virtual(self, dense):
        """Return the mean places of typical descriptors, flat, as shares of the input's side."""
        if self._typical is None:
            self._typical = self._find_typical()
        C, H, W = dense.shape
        heat = (SHARPNESS * self._typical @ dense.flatten(1)).softmax(dim=-1)
        return (heat @ _pixels(H, W) / max(H, W)).flatten()

    def _find_typical(self):
        """Return the centres (V, C) of a k-means of the descriptors of some images."""
        step = -(-len(self.images) // SAMPLED_IMAGES)
        generator = torch.Generator().manual_seed(0)
        cells = []
        for name in self.images[::step]:
            flat = F.normalize(self._embed(name).descriptors.float().flatten(1), dim=0).T
            cells.append(flat[torch.randperm(len(flat), generator=generator)[:SAMPLED_CELLS]])
        cells = torch.cat(cells)
        centres = cells[torch.randperm(len(cells), generator=generator)[:NUM_VIRTUAL]]
        for _ in range(ROUNDS):
            nearest = (cells @ centres.T).argmax(dim=1)
            sums = torch.zeros_like(centres).index_add_(0, nearest, cells)
            centres = F.normalize(sums + 1e-6 * centres, dim=1)  # an empty one stays
        return centres


class _Fitted:
    """What confirmed images, {name: (points, descriptors, virtual keypoints)}, say of others.

    dense: callable, name -> descriptors (C, H, W).
    """

    def __init__(self, confirmed, dense):
        found = map(torch.stack, zip(*confirmed.values()))
        self.places, self.descriptors, self.virtual = found
        self.ridges, self.spread, self.weight = [None] * self.places.shape[1], 1, 0
        if len(confirmed) >= FEWEST:
            self._regress(list(map(dense, list(confirmed)[-MOST_LEFT_OUT:])))

    def _regress(self, latest):
        """Fit the regression of each point, and find the weight that suits the latest images."""
        left_out = torch.full_like(self.places, torch.nan)
        for k, shown in enumerate(~self.places.isnan().any(dim=-1).T):
            if shown.sum() >= FEWEST:
                self.ridges[k] = fit_ridge(self.virtual[shown], self.places[shown, k])
                left_out[shown, k] = self.ridges[k].left_out
        errors = left_out - self.places
        self.spread = errors.square().nanmean().sqrt().clamp(min=1)
        misses = torch.zeros(len(WEIGHTS))
        for n, dense in enumerate(latest, start=len(self.places) - len(latest)):
            queries = _mean(torch.cat([self.descriptors[:n], self.descriptors[n + 1 :]]))
            for w, weight in enumerate(WEIGHTS):
                found, _ = _match(queries, dense, left_out[n], weight / self.spread**2)
                misses[w] += (found - self.places[n]).norm(dim=-1).nansum()
        self.weight = WEIGHTS[misses.argmin()] if misses.any() else 0

    def propose(self, dense, virtual):
        """Return places (K, 2) in an image, NaN for points without any, and cosines (K,)."""
        nowhere = torch.full((2,), torch.nan)
        expected = [nowhere if ridge is None else ridge(virtual) for ridge in self.ridges]
        queries = _mean(self.descriptors)
        return _match(queries, dense, torch.stack(expected), self.weight / self.spread**2)


def _mean(descriptors):
    """Return the mean direction (K, C) of descriptors (N, K, C), NaN where a point is unseen."""
    return F.normalize(descriptors.nanmean(dim=0), dim=1)


def _match(queries, dense, expected, weight):
    """Return the places (K, 2) that are most like queries (K, C) in a map (C, H, W), to a fraction
    of a pixel, and their cosines (K,).

    The squared distance to where a point is expected, (K, 2), counts with ``weight``; NaN: nowhere.
    """
    C, H, W = dense.shape
    cosines = queries @ dense.flatten(1)
    distance = (_pixels(H, W) - expected[:, None]).square().sum(dim=-1)
    scores = cosines - weight * distance.nan_to_num(0)
    best = scores.nan_to_num(-torch.inf).argmax(dim=1, keepdim=True)
    places = _refined(scores.view(-1, H, W), torch.cat([best % W, best // W], dim=1))
    places[queries.isnan().any(dim=1)] = torch.nan
    return places, cosines.gather(1, best)[:, 0]


def _refined(scores, best):
    """Return the tops of parabolas, one in x, one in y, through scores (K, H, W) at and beside
    their largest values, at pixels (K, 2).
    """
    padded = F.pad(scores, (1, 1, 1, 1), value=-torch.inf)  # at the border there is no parabola
    k, (x, y) = torch.arange(len(scores)), (best + 1).T
    middle = padded[k, y, x]
    sides = ((padded[k, y, x - 1], padded[k, y, x + 1]), (padded[k, y - 1, x], padded[k, y + 1, x]))
    offsets = [(low - high) / (2 * (low + high - 2 * middle)) for low, high in sides]
    return best + torch.stack(offsets, dim=1).nan_to_num(0).clamp(-0.5, 0.5)


def _read(dense, places):
    """Return the descriptors (K, C) at places (K, 2), in pixels, of a map (C, H, W)."""
    H, W = dense.shape[1:]
    grid = places / places.new_tensor([W - 1, H - 1]) * 2 - 1
    options = {"mode": "bilinear", "padding_mode": "border", "align_corners": True}
    found = F.grid_sample(dense[None], grid.nan_to_num(0)[None, None], **options)[0, :, 0].T
    return F.normalize(found, dim=1).where(~places.isnan().any(dim=1, keepdim=True), torch.nan)


def _pixels(H, W):
    """Return the pixels (x, y) of a map, (H * W, 2)."""
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    return torch.stack([x, y], dim=-1).flatten(0, 1).float()
