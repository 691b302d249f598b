"""Training on few images: each is repeated, and warped anew every time."""

import numpy as np
import torch
from torch.utils.data import Dataset

from utils.text import counted


class Copies(Dataset):
    """The images of a data set at ``indices``, which may repeat.

    "index" of an item counts the copies, so that each gets its own random warps.
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
    """N random images of a training set, repeated to about its size, as in the published runs."""

    def __init__(self, dataset, num_annotations, seed):
        if num_annotations > len(dataset):
            images = counted(len(dataset), "image")
            raise ValueError(f"restrict_annos = {num_annotations}, but training has {images}")
        chosen = np.random.RandomState(seed).choice(len(dataset), num_annotations, replace=False)
        super().__init__(dataset, np.tile(chosen, len(dataset) // num_annotations))


def repeated(dataset, least):
    """Return a data set with at least ``least`` images, each repeated equally often."""
    times = -(-least // len(dataset))
    return dataset if times < 2 else Copies(dataset, np.tile(np.arange(len(dataset)), times))
