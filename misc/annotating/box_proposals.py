"""Propose the points of an object in a box from those of confirmed objects, by an embedding."""

import torch
from tqdm import tqdm

import inference
from misc.annotating.embeddings import MOST_BYTES, on_cpu
from misc.annotating.proposals import Proposer
from utils.device import select_device
from utils.errors import UserError, one_line
from utils.progress import progress_bar

MARGIN = 0.2  # around a box, for embeddings of whole images: their crop leaves about the box
MOST_LEARNED = 200  # objects, the latest


class BoxEmbeddings:
    """``embeddings((image, box))`` is the ``inference.Embedding`` of an object, on the CPU.

    model: ``inference.Model``.
    path_of: callable, image -> its path.
    """

    def __init__(self, model, path_of):
        self.model, self.path_of = model, path_of
        self._kept, self._size = {}, 0

    def __call__(self, key):
        name, box = key
        if key in self._kept:
            return self._kept[key]
        embedding = on_cpu(self.model.embed(self.path_of(name), box=box), torch.float)
        if self._size < MOST_BYTES:
            self._kept[key] = embedding
            self._size += embedding.descriptors.nbytes
        return embedding


class BoxProposer:
    """Proposes points in boxes, by a ``Proposer`` of the latest ``MOST_LEARNED`` objects.

    It is made anew, with descriptors typical of more objects, once there are twice as many.

    embed: callable, (image, box) -> ``inference.Embedding``.
    objects: {image: (box, points (K, 2)) of each of its confirmed objects}.
    """

    def __init__(self, embed, objects):
        self._embed, self._learned = embed, {}
        self._proposer, self._made_of = None, 0  # and of how many objects
        found = [((name, box), points) for name, of in objects.items() for box, points in of]
        found = found[-MOST_LEARNED:]
        with progress_bar(len(found), "descriptors") as bar:
            for key, points in found:
                self._take(key, points)
                bar.update()

    def _take(self, key, points):
        """Learn an object, unless its image cannot be read."""
        try:
            self._embed(key)
        except UserError as error:
            tqdm.write(f"skipped: {one_line(error)}")
            return
        self._learned[key] = points
        if self._proposer:
            self._proposer.learn(key, points)
        if len(self._learned) > MOST_LEARNED:
            self._forget(next(iter(self._learned)))

    def _forget(self, key):
        del self._learned[key]
        if self._proposer:
            self._proposer.forget(key)

    def learn(self, name, objects):
        """Take the objects of a confirmed image in place of those it had."""
        for key in [key for key in self._learned if key[0] == name]:
            self._forget(key)
        for box, points in objects:
            self._take((name, box), points)

    def propose(self, name, box):
        """Return points (K, 2) in pixels of an image, and their certainty (K,), as ``Proposer``."""
        if not self._learned:
            return None
        if len(self._learned) >= 2 * self._made_of:
            self._proposer = Proposer(self._learned, self._embed)
            self._made_of = len(self._learned)
            for key, points in self._learned.items():
                self._proposer.learn(key, points)
        return self._proposer.propose((name, box))


def load_box_proposer(store, learned, path, config=None, device=None, margin=None):
    """Return the ``BoxProposer`` of a ``BoxStore`` by a checkpoint; raises ``UserError``.

    learned: the images whose objects are learned.
    margin: around the boxes; None: as in the training, ``MARGIN`` if it was not on boxes.
    """
    model = inference.load(path, select_device(device), config, box_margin=margin)
    if margin is None and not model.viewer.by_content:
        model.viewer.box_margin = MARGIN
    confirmed = {name: store.objects[name] for name in learned}
    return BoxProposer(BoxEmbeddings(model, store.path_of), confirmed)
