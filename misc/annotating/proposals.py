"""Propose the points of an image from those of the confirmed ones, by an embedding."""

import torch
import torch.nn.functional as F

from misc.annotating.fitting import Fitted, pixels_of, read_descriptors
from misc.annotating.order import representative_first
from model.matching import cosine_at_pixels
from utils.progress import progress_bar

NUM_VIRTUAL = 100  # typical descriptors
SHARPNESS = 30  # of cosines, before the softmax over places
SAMPLED_IMAGES, SAMPLED_CELLS = 64, 200  # that typical descriptors are taken from
ROUNDS = 10  # of k-means
MOST_ORDERED = 2000  # images, evenly spread, that an order is found for


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
        known = set(self.images)
        done = dict.fromkeys(name for name in done if name in known)
        others = [name for name in self.images if name not in done]
        some = [*done, *others[:: 1 + len(others) // MOST_ORDERED]]
        with progress_bar(len(some), "order") as bar:
            virtual = []
            for name in some:
                virtual.append(self._virtual(self._embed(name)))
                bar.update()
        order = representative_first(torch.stack(virtual), range(len(done)))
        return list(dict.fromkeys([some[number] for number in order] + others))

    def learn(self, name, points):
        """Take the points (K, 2) of a confirmed image, in its pixels, NaN where not visible."""
        embedding = self._embed(name)
        places = embedding.view.to_input(torch.as_tensor(points, dtype=torch.float32))
        descriptors = read_descriptors(_dense(embedding), places)
        self._confirmed.pop(name, None)  # the latest comes last
        self._confirmed[name] = places, descriptors, self._virtual(embedding)
        self._fitted = None

    def forget(self, name):
        """Leave out a confirmed image."""
        self._confirmed.pop(name, None)
        self._fitted = None

    def propose(self, name):
        """Return points (K, 2) in pixels of an image, and their certainty (K,), see ``Fitted``.

        Points that were never visible are NaN. None before the first confirmed image.
        """
        if not self._confirmed:
            return None
        if self._fitted is None:
            self._fitted = Fitted(self._confirmed, lambda name: _dense(self._embed(name)))
        embedding = self._embed(name)
        places, certainty = self._fitted.propose(_dense(embedding), self._virtual(embedding))
        return embedding.view.to_image(places).double().numpy(), certainty.numpy()

    def _virtual(self, embedding):
        """Return the mean places (2 V,) of typical descriptors, as shares of the map's sides."""
        if self._typical is None:
            self._typical = self._find_typical()
        h, w = embedding.descriptors.shape[1:]
        heat = (SHARPNESS * self._typical @ _cells(embedding).T).softmax(dim=-1)
        return (heat @ pixels_of(h, w) / max(h, w)).flatten()

    def _find_typical(self):
        """Return the centres (V, C) of a k-means of the descriptors of some images."""
        step = -(-len(self.images) // SAMPLED_IMAGES)
        generator = torch.Generator().manual_seed(0)
        cells = []
        for name in self.images[::step]:
            found = _cells(self._embed(name))
            cells.append(found[torch.randperm(len(found), generator=generator)[:SAMPLED_CELLS]])
        cells = torch.cat(cells)
        centres = cells[torch.randperm(len(cells), generator=generator)[:NUM_VIRTUAL]]
        for _ in range(ROUNDS):
            nearest = (cells @ centres.T).argmax(dim=1)
            sums = torch.zeros_like(centres).index_add_(0, nearest, cells)
            centres = F.normalize(sums + 1e-6 * centres, dim=1)  # an empty one stays
        return centres


def _cells(embedding):
    """Return the descriptors (P, C) of all cells, of length 1."""
    return F.normalize(embedding.descriptors.float().flatten(1).T, dim=1)


def _dense(embedding):
    """Return the descriptors (C, H, W) at every pixel of the input, of length 1."""
    maps = embedding.descriptors.float()[None]
    return cosine_at_pixels(maps, embedding.stride, embedding.view.input_size)[0]
