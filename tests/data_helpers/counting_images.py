"""A data set that counts how often its images are opened."""

import numpy as np

from data_loader.base_dataset import KeypointDataset


class CountingImages(KeypointDataset):
    """Images filled with their index; ``loads`` counts how often each was opened here."""

    def __init__(self, count, use_keypoints=True, fails=False):
        super().__init__("train", imwidth=6, use_keypoints=use_keypoints)
        self.num_landmarks, self.fails = 4, fails
        self.loads = [0] * count

    def __len__(self):
        return len(self.loads)

    def load(self, index):
        if self.fails:
            raise OSError("the files are gone")
        self.loads[index] += 1
        return np.full((6, 6, 3), index), np.full((4, 2), index / 2)
