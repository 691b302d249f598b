"""A folder of the user's own images, of any object, with or without landmarks."""

import os

import numpy as np
from PIL import Image

from data_loader.base_dataset import ImageFileDataset
from data_loader.folder_listing import FolderListing
from data_loader.squares import SQUARES, square_window
from utils.errors import UserError
from utils.text import command

NOT_TOLD = (0, 0)  # the size of an image whose list does not tell it


class LandmarkFolder(ImageFileDataset):
    """Images below ``root/images`` (or ``root``), in nested folders too, as viewers show them;
    landmarks, if any, in ``root/landmarks.csv`` or another format (``landmark_formats``).

    Images whose split no list names fall by a hash of their name: a tenth to "test", the rest to
    "train". Without images of "val" the validation set is the test split. With ``use_keypoints``
    the data set holds the images with all landmarks only.

    root: the folder.
    eye_indices: the two landmarks whose distance landmark errors are divided by; null: the first
        two; []: none, errors are in pixels, as they are with a single landmark.
    pattern: a glob that the names of the images, relative to their folder, must fit.
    annotation: the file or files of landmarks, relative to the root, or "*.pts" for those beside
        the images, or "none"; null: what is found.
    square: how images become square: "resize", "crop" to the centre, or "auto": resize those that
        are nearly square, crop the others.
    """

    per_image = (*ImageFileDataset.per_image, "sizes", "places")
    as_seen = True

    def __init__(
        self,
        root: str,
        split: str,
        imwidth: int,
        crop: int = 0,
        use_keypoints: bool = False,
        do_augmentations: bool = True,
        eye_indices: list | None = None,
        pattern: str | None = None,
        annotation: str | list | None = None,
        square: str = "auto",
    ):
        super().__init__(split, imwidth, crop, use_keypoints, do_augmentations)
        if square not in SQUARES:
            raise ValueError(f"square = {square!r}, expected one of {', '.join(SQUARES)}")
        self.square = square
        self.listing = FolderListing(root, pattern, annotation)
        self.refuse(self.listing.faults)
        self.warnings = tuple(self.listing.annotations.warnings)
        if use_keypoints:
            self.listing.require_landmarks()
        names = self.listing.of_split(split, annotated=use_keypoints)
        self.paths = [self.listing.folder / name for name in names]
        if use_keypoints:
            self._take_landmarks(names)
            self.eye_indices = self._checked_eyes(eye_indices)

    def refuse(self, faults):
        """Raise ``UserError`` if folders or lists have faults."""
        if faults:
            others = f" ({len(faults) - 1} more: {command('misc/check_data.py')} lists all)"
            raise UserError(faults[0] + (others if len(faults) > 1 else ""))

    def require_files(self):
        absent = [index for index in range(len(self)) if self._is_absent(index)]
        if absent:
            others = f" (nor do {len(absent) - 1} more)" if len(absent) > 1 else ""
            raise UserError(f"{self._absence(absent[0])}{others}")

    def _is_absent(self, index):
        return self.use_keypoints and not os.path.isfile(self.paths[index])

    def _absence(self, index):
        path = self.paths[index]
        return f"{self.places[index]}: lists {path.name}, but {path} does not exist"

    def open(self, index):
        """Open an image; it must have the size that its landmarks were made on, where a list tells
        that.
        """
        if self._is_absent(index):
            raise UserError(self._absence(index))
        image = super().open(index)
        told = tuple(self.sizes[index]) if self.use_keypoints else NOT_TOLD
        if told not in (NOT_TOLD, image.size):
            raise UserError(
                f"{self.paths[index]}: is {image.width} x {image.height} pixels, "
                f"but its landmarks were made on {told[0]} x {told[1]}"
            )
        return image

    @classmethod
    def window(cls, size, square="auto", **args):
        return square_window(size, square)

    def fit(self, image, keypts, index):
        """Bring a PIL image and its landmarks (K, 2) to S x S, as ``square`` says."""
        S = self.imwidth
        left, top, right, bottom = window = square_window(image.size, self.square)
        scale = np.array([S / (right - left), S / (bottom - top)])
        return image.resize((S, S), Image.BILINEAR, box=window), (keypts - window[:2]) * scale

    def describe(self):
        return self.listing.describe(self.square, self.imwidth)

    def _take_landmarks(self, names):
        annotations = self.listing.annotations
        entries = [annotations.table[name] for name in names]
        self.places = [annotations.places[name] for name in names]
        self.landmarks = np.stack([entry.landmarks for entry in entries])
        self.sizes = np.array([entry.size or NOT_TOLD for entry in entries])
        self.num_landmarks = self.landmarks.shape[1]
        self.landmark_names = annotations.names

    def _checked_eyes(self, indices):
        """Return the two landmarks whose distance normalises errors; of one landmark, none."""
        if indices is None:
            return (0, 1) if self.num_landmarks > 1 else ()
        if not indices:
            return ()
        if len(indices) != 2 or not all(0 <= i < self.num_landmarks for i in indices):
            raise ValueError(
                f"eye_indices = {indices}, expected two of the "
                f"{self.num_landmarks} landmarks, 0 to {self.num_landmarks - 1}"
            )
        return tuple(indices)
