"""What the published data sets share: their place on disk, and counts that are part of their
protocol.
"""

import os

from data_loader.base_dataset import ImageFileDataset
from data_loader.image_folder import root_folder
from utils.errors import UserError


class PublishedDataset(ImageFileDataset):
    """Images and lists as a published archive unpacks them.

    Counts that differ from the published ones are an error, unless ``allow_partial``; then
    ``partial_note`` says what was found. Whether images exist is looked at only then: there may be
    200,000 of them.

    root: the folder that the archive unpacks to.
    allow_partial: take what there is, without the listed images that are absent, and say so in log
        and results.

    A subclass offers ``list_samples()``.
    """

    archive = None  # the data set's name in misc/fetch_datasets.py

    def __init__(
        self,
        root: str,
        split: str,
        imwidth: int,
        crop: int = 0,
        use_keypoints: bool = False,
        do_augmentations: bool = True,
        allow_partial: bool = False,
    ):
        super().__init__(split, imwidth, crop, use_keypoints, do_augmentations)
        self.root, self.allow_partial = root_folder(root), allow_partial
        self._deviations = []
        self.paths, self.landmarks = self.list_samples()
        if not self.paths:
            raise UserError(f"{self.root}: no images of split '{split}'")
        self.partial_note = "; ".join(self._deviations) or None

    def list_samples(self):
        """Return N image paths and their landmarks, (N, K, 2), or None unless ``use_keypoints``."""
        raise NotImplementedError

    def find(self, name):
        """Return the path of an annotation file below the root."""
        path = self.root / name
        if not path.is_file():
            raise UserError(
                f"{path}: no such file; README, 'Data', says how to get it "
                f"(python misc/fetch_datasets.py --dataset {self.archive})"
            )
        return path

    def require_count(self, name, count, expected, unit):
        """Check how many ``unit`` (a plural) the file ``name`` of the root holds."""
        if count != expected:
            self.deviate(name, f"{count} {unit}, expected {expected}")

    def deviate(self, name, finding):
        """Note what is not as published in a file of the root, where partial copies are allowed."""
        if not self.allow_partial:
            raise UserError(
                f"{self.root / name}: {finding} "
                "(dataset.args.allow_partial = true takes a partial copy)"
            )
        self._deviations.append(f"{name}: {finding}")

    def present(self, paths):
        """Return the indices of the images to keep: all, or in a partial copy those that exist."""
        if not self.allow_partial:
            return range(len(paths))
        kept = [i for i, path in enumerate(paths) if os.path.isfile(path)]
        if len(kept) < len(paths):
            self._deviations.append(
                f"{len(paths) - len(kept)} of {len(paths)} listed images are absent"
            )
        return kept
