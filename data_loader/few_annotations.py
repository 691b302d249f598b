"""Training on few images, annotated or not: each is repeated."""

import numpy as np
import torch
from torch.utils.data import Dataset

from utils.text import counted


class Copies(Dataset):
    """Images of a data set, some of them several times.

    "index" counts the copies, so that each gets random warps of its own.
    """

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, indices

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, index):
        return {**self.dataset[int(self.indices[index])], "index": index}

    def __getitems__(self, indices):
        take = getattr(self.dataset, "__getitems__", None)
        if take is None:
            return [self[index] for index in indices]
        items = take(self.indices[indices].tolist())
        if isinstance(items, list):  # of copies of copies
            return [{**item, "index": index} for item, index in zip(items, indices)]
        return {**items, "index": torch.tensor(indices)}


class RestrictedAnnotations(Copies):
    """N images of a training set, chosen as the published runs did, repeated to about the size of
    the whole.
    """

    def __init__(self, dataset, num_annotations, seed):
        if num_annotations > len(dataset):
            images = counted(len(dataset), "image")
            raise ValueError(f"restrict_annos = {num_annotations}, but training has {images}")
        chosen = np.random.RandomState(seed).choice(len(dataset), num_annotations, replace=False)
        super().__init__(dataset, np.tile(chosen, len(dataset) // num_annotations))


def repeated(dataset, least):
    """Return a data set of at least so many images, all of them equally often."""
    times = -(-least // len(dataset))
    return dataset if times < 2 else Copies(dataset, np.tile(np.arange(len(dataset)), times))
