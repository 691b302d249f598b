"""What confirmed images say of the points of another one.

A point's descriptor is the mean of those at its confirmed places; the cosines to it, times a
sharpness, are the logarithm of how probable each pixel is. From three confirmed images on, a
regression from virtual keypoints, as the landmark regressor of the method has them (DVE, section
4.3) but in closed form, says where a point is expected, and by its error how much that counts. With
some probability, the doubt, a point is anywhere instead. Sharpness, weight and doubt are those by
which the confirmed images, each left out, are most probable.
"""

import itertools
import math

import torch
import torch.nn.functional as F

from misc.annotating.regression import fit_ridge

FEWEST = 3  # images with a point that a regression is fitted on
SHARPNESS = (10, 20, 40, 80, 160)  # of cosines
WEIGHTS = (0, 0.25, 0.5, 1)  # of what the regression expects
MOST_LEFT_OUT = 250  # points of confirmed images, the latest, that these are compared on
NEAR = 0.05  # of the input's side: certainty is the probability that a point is so near
DOUBTS = (0.02, 0.05, 0.1, 0.2, 0.4)  # probability that a point is anywhere
ANYWHERE = math.pi * NEAR**2  # probability that it is near its place then


class Fitted:
    """Proposes points from confirmed images; geometry is in pixels of the network's input.

    confirmed: {name: (points (K, 2), NaN where not visible, descriptors (K, C), virtual keypoints
        (F,))}.
    dense: callable, name -> descriptors (C, H, W) of length 1.
    """

    def __init__(self, confirmed, dense):
        found = map(torch.stack, zip(*confirmed.values()))
        self.places, self.descriptors, self.virtual = found
        self.ridges = [None] * self.places.shape[1]
        self.spread, self.weight = 1, 0
        self.sharpness, self.doubt = 20, 0.2  # a guess, until images can be left out
        if len(confirmed) >= FEWEST:
            left_out = self._regress()
            latest = max(FEWEST, MOST_LEFT_OUT // len(self.ridges))
            self._compare(left_out, list(map(dense, list(confirmed)[-latest:])))

    def _regress(self):
        """Fit the regression of each point; return what is expected of each image without it."""
        left_out = torch.full_like(self.places, torch.nan)
        for k, shown in enumerate(~self.places.isnan().any(dim=-1).T):
            if shown.sum() >= FEWEST:
                self.ridges[k] = fit_ridge(self.virtual[shown], self.places[shown, k])
                left_out[shown, k] = self.ridges[k].left_out
        # NaN where no point is visible in enough images.
        spread = (left_out - self.places).square().nanmean().sqrt()
        self.spread = spread.nan_to_num(nan=1).clamp(min=1)
        return left_out

    def _compare(self, left_out, latest):
        """Set sharpness, weight and doubt by the latest images, descriptors (C, H, W) of each."""
        choices, shares = list(itertools.product(SHARPNESS, WEIGHTS)), []
        for n, dense in enumerate(latest, start=len(self.places) - len(latest)):
            queries = _mean(torch.cat([self.descriptors[:n], self.descriptors[n + 1 :]]))
            cosines, distances = _compared(queries, dense, left_out[n])
            for sharpness, weight in choices:
                scores = sharpness * cosines - weight * distances / (2 * self.spread**2)
                shares.append(_share_near(scores, self.places[n], dense.shape[1:]))
        shares = torch.stack(shares).unflatten(0, (len(latest), len(choices)))
        doubt = torch.tensor(DOUBTS)[:, None, None, None]
        near = _doubted(shares, doubt)
        # As if one point more had been missed, and three had been found.
        prior = (doubt * (1 - doubt) ** 3).log().flatten()
        likelihoods = near.log().nansum(dim=(1, 3)) + prior[:, None]
        number, choice = divmod(likelihoods.argmax().item(), len(choices))
        self.sharpness, self.weight = choices[choice]
        self.doubt = DOUBTS[number]

    def propose(self, dense, virtual):
        """Return places (K, 2) in an image, NaN for points that were never visible, and their
        certainty (K,): the probability that a point lies within ``NEAR`` of its place.
        """
        nowhere = torch.full((2,), torch.nan)
        expected = [nowhere if ridge is None else ridge(virtual) for ridge in self.ridges]
        queries, size = _mean(self.descriptors), dense.shape[1:]
        cosines, distances = _compared(queries, dense, torch.stack(expected))
        scores = self.sharpness * cosines - self.weight * distances / (2 * self.spread**2)
        places = _top(scores.nan_to_num(0).unflatten(1, size))
        places[queries.isnan().any(dim=1)] = torch.nan
        return places, _doubted(_share_near(scores, places, size), self.doubt)


def _mean(descriptors):
    """Return the mean direction (K, C) of descriptors (N, K, C), NaN where a point is unseen."""
    return F.normalize(descriptors.nanmean(dim=0), dim=1)


def _compared(queries, dense, expected):
    """Return the cosines (K, P) of queries (K, C) to a map (C, H, W), and the squared distances
    (K, P) of its pixels to where points are expected, (K, 2); 0 for NaN.
    """
    distances = (pixels_of(*dense.shape[1:]) - expected[:, None]).square().sum(dim=-1)
    return queries @ dense.flatten(1), distances.nan_to_num(0)


def _share_near(scores, places, size):
    """Return the probability (K,) near places (K, 2), NaN for NaN, where scores (K, P) are
    logarithms of probabilities, up to a constant.
    """
    distances = (pixels_of(*size) - places[:, None]).norm(dim=-1)
    shares = (scores.softmax(dim=-1) * (distances <= NEAR * max(size))).sum(dim=-1)
    return shares.where(~places.isnan().any(dim=-1), torch.nan)


def _doubted(shares, doubt):
    """Return probabilities near places if points are anywhere with the probability ``doubt``."""
    return (1 - doubt) * shares + doubt * ANYWHERE


def _top(scores):
    """Return where scores (K, H, W) are largest, (K, 2), to a fraction of a pixel: the tops of
    parabolas, one in x and one in y, through the largest value and its neighbours.
    """
    K, _, W = scores.shape
    best = scores.flatten(1).argmax(dim=1)
    k, x, y = torch.arange(K), best % W + 1, best // W + 1
    padded = F.pad(scores, (1, 1, 1, 1), value=-torch.inf)  # at the border there is no parabola
    sides = ((padded[k, y, x - 1], padded[k, y, x + 1]), (padded[k, y - 1, x], padded[k, y + 1, x]))
    offsets = [(a - b) / (2 * (a + b - 2 * padded[k, y, x])) for a, b in sides]
    return torch.stack([x - 1, y - 1], dim=1) + torch.stack(offsets, dim=1).nan_to_num(0)


def read_descriptors(dense, places):
    """Return the descriptors (K, C) at places (K, 2), in pixels, of a map (C, H, W); NaN for NaN.

    Beyond the map those of its border are taken.
    """
    H, W = dense.shape[1:]
    grid = places / places.new_tensor([W - 1, H - 1]) * 2 - 1
    options = {"mode": "bilinear", "padding_mode": "border", "align_corners": True}
    found = F.grid_sample(dense[None], grid.nan_to_num(0)[None, None], **options)[0, :, 0].T
    return F.normalize(found, dim=1).where(~places.isnan().any(dim=1, keepdim=True), torch.nan)


def pixels_of(H, W):
    """Return the pixels (x, y) of a map, (H * W, 2)."""
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    return torch.stack([x, y], dim=-1).flatten(0, 1).float()
