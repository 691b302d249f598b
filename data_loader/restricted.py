"""Training on few annotated images."""

import numpy as np
import torch
from torch.utils.data import Dataset


class RestrictedAnnotations(Dataset):
    """N images of a training set, chosen as the published runs did, repeated to about the size of
    the whole.

    "index" counts the copies, so that each gets random warps of its own.
    """

    def __init__(self, dataset, num_annotations, seed):
        if num_annotations > len(dataset):
            raise ValueError(
                f"restrict_annos = {num_annotations}, but training has {len(dataset)} images"
            )
        chosen = np.random.RandomState(seed).choice(len(dataset), num_annotations, replace=False)
        self.dataset = dataset
        self.indices = np.tile(chosen, len(dataset) // num_annotations)

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, index):
        return {**self.dataset[int(self.indices[index])], "index": index}

    def __getitems__(self, indices):
        take = getattr(self.dataset, "__getitems__", None)
        if take is None:
            return [self[index] for index in indices]
        return {**take(self.indices[indices].tolist()), "index": torch.tensor(indices)}
