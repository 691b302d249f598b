"""A data set from a folder of the user's own images, with or without landmarks."""

import os

import numpy as np
from PIL import Image

from data_loader.base_dataset import ImageFileDataset
from data_loader.folder_listing import list_folder
from data_loader.squares import SQUARES, square_window
from utils.errors import UserError
from utils.text import command

UNKNOWN_SIZE = (0, 0)  # of an image whose size no list gives


class LandmarkFolder(ImageFileDataset):
    """Images below ``root/images`` (or ``root``) and its subfolders, as viewers show them, with
    landmarks from ``root/landmarks.csv`` or another format (``landmark_formats``), if any.

    Splits are those of the list or of the folders; other images are split by a hash of their name,
    a tenth to "test", the rest to "train". Without images of "val" the test split is the validation
    set. With ``use_keypoints`` the data set holds only the images with all landmarks.

    root: the folder.
    eye_indices: the two landmarks whose distance landmark errors are divided by; null: the first
        two; []: errors are in pixels, as always with a single landmark.
    pattern: a glob that image names, relative to their folder, must match.
    annotation: the landmark file or files, relative to the root, or "*.pts" for those beside the
        images, or "none"; null: what is found.
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
        self.listing = list_folder(root, pattern, annotation)
        annotations = self.listing.annotations
        self.refuse(self.listing.faults)
        self.warnings = tuple(annotations.warnings)
        if use_keypoints:
            self.listing.require_landmarks()
        names = self.listing.of_split(split, annotated=use_keypoints)
        self.paths = [self.listing.folder / name for name in names]
        if use_keypoints:
            entries = [annotations.table[name] for name in names]
            self.places = [annotations.places[name] for name in names]
            self.landmarks = np.stack([entry.landmarks for entry in entries])
            self.sizes = np.array([entry.size or UNKNOWN_SIZE for entry in entries])
            self.num_landmarks = self.landmarks.shape[1]
            self.landmark_names = annotations.names
            self.eye_indices = self._checked_eyes(eye_indices)

    def refuse(self, faults):
        """Raise ``UserError`` for the first fault in folders and lists, if there is one."""
        if faults:
            others = f" ({len(faults) - 1} more: {command('misc/check_data.py')} lists all)"
            raise UserError(faults[0] + (others if len(faults) > 1 else ""))

    def require_files(self):
        absences = list(filter(None, map(self._absence, range(len(self)))))
        if absences:
            others = f" (nor do {len(absences) - 1} more)" if len(absences) > 1 else ""
            raise UserError(f"{absences[0]}{others}")

    def _absence(self, index):
        """Return the message for a listed image that does not exist, None if it does."""
        path = self.paths[index]
        if self.use_keypoints and not os.path.isfile(path):
            return f"{self.places[index]}: lists {path.name}, but {path} does not exist"
        return None

    def open(self, index):
        """Return an image; raises ``UserError`` if its size is not the one that was annotated."""
        if absence := self._absence(index):
            raise UserError(absence)
        image = super().open(index)
        listed = tuple(self.sizes[index]) if self.use_keypoints else UNKNOWN_SIZE
        if listed not in (UNKNOWN_SIZE, image.size):
            raise UserError(
                f"{self.paths[index]}: is {image.width} x {image.height} pixels, "
                f"but its landmarks were made on {listed[0]} x {listed[1]}"
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

    def _checked_eyes(self, indices):
        """Return the indices of the two landmarks that normalise errors, () for none."""
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
