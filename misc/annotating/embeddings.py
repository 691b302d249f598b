"""The embeddings of a folder's images: computed once, and kept as far as memory allows."""

from dataclasses import replace

import torch

import inference
from misc.predicting.photos import PhotoReader, Source
from utils.device import select_device
from utils.errors import UserError
from utils.progress import progress_bar

BATCH_SIZE = 32
MOST_BYTES = 2 << 30  # of descriptors in memory; the others are computed again when they are needed
MANY_BYTES = 1 << 28  # of descriptors in 32 bits; beyond they are kept in 16


class Embeddings:
    """``embeddings(name)`` is the ``inference.Embedding`` of an image, on the CPU.

    names: of the images that can be read; others are reported, and left out.

    model: ``inference.Model``.
    paths: {name: path}.
    """

    def __init__(self, model, paths):
        self.model, self.paths = model, paths
        self.names, self._kept, size = [], {}, 0
        reader = PhotoReader(model, drawn=False, skip=True)
        sources = [Source(name, path) for name, path in paths.items()]
        with progress_bar(len(paths), "descriptors") as bar:
            for photos in reader.batches(sources, BATCH_SIZE):
                found = model.embed([photo.seen for photo in photos]) if photos else []
                for photo, embedding in zip(photos, found):
                    self.names.append(photo.source.name)
                    total = embedding.descriptors.nbytes * len(paths)
                    kept = on_cpu(embedding, torch.half if total > MANY_BYTES else torch.float)
                    size += kept.descriptors.nbytes
                    if size <= MOST_BYTES:
                        self._kept[photo.source.name] = kept
                bar.update(min(BATCH_SIZE, bar.total - bar.n))
        if not self.names:
            raise UserError("none of the images can be read")

    def __call__(self, name):
        return self._kept.get(name) or on_cpu(self.model.embed(self.paths[name]), torch.float)


def on_cpu(embedding, dtype):
    """Return an embedding with its descriptors on the CPU, of a dtype."""
    return replace(embedding, descriptors=embedding.descriptors.to("cpu", dtype))


def compute_embeddings(store, path, config=None, device=None):
    """Return the ``Embeddings`` of a store's images by a checkpoint; raises ``UserError``."""
    # Whole images: a point may lie in what is cropped in training.
    model = inference.load(path, select_device(device), config, whole=True)
    return Embeddings(model, {name: store.path_of(name) for name in store.images})
