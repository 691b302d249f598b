"""A data set from a folder of the user's own images, with or without landmarks."""

import os

import numpy as np
from PIL import Image

from data_loader.base_dataset import ImageFileDataset
from data_loader.boxes import box_window, check_cutting, cut_out, points_into, require_inside
from data_loader.folder_listing import list_folder
from data_loader.squares import SQUARES, square_window
from utils.errors import UserError, config_errors
from utils.text import command

UNKNOWN_SIZE = (0, 0)  # of an image whose size no list gives


class LandmarkFolder(ImageFileDataset):
    """Images below ``root/images`` (or ``root``) and its subfolders, as viewers show them, with
    landmarks from ``root/landmarks.csv`` or another format (``landmark_formats``), if any.

    Splits are those of the list or of the folders; other images are split by a hash of their name,
    a tenth to "test", the rest to "train". Without images of "val" the test split is the validation
    set. With ``use_keypoints`` the data set holds only the images with all landmarks.

    root: the folder.
    eye_indices: the two landmarks whose distance normalises the errors of landmarks; null: the
        first two; []: errors are in pixels, as always with a single landmark.
    pattern: a glob that image names, relative to their folder, must match.
    annotation: the landmark file or files, relative to the root, or "*.pts" for those beside the
        images, or "none"; null: what is found.
    square: how images become square: "resize", "crop" to the centre, or "auto": resize those that
        are nearly square, crop the others.
    box_margin: cut the objects out by the boxes of the list, each an item of its own: a square
        around the box, with this margin on each side, as a share of the box's longer side; null:
        boxes are not read; 0 to 2.
    box_outside: what a square beyond its image shows: "edge", the image's outer pixels, or "zero".
    """

    per_image = (*ImageFileDataset.per_image, "sizes", "places", "boxes", "labels")
    as_seen = True
    box_margin, box_outside = None, "edge"
    sizes = places = boxes = None  # of each image, where its list counts; of each object

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
        box_margin: float | None = None,
        box_outside: str = "edge",
    ):
        super().__init__(split, imwidth, crop, use_keypoints, do_augmentations)
        if square not in SQUARES:
            raise ValueError(f"square = {square!r}, expected one of {', '.join(SQUARES)}")
        check_cutting(box_margin, box_outside)
        self.square = square
        self.listing = list_folder(root, pattern, annotation, box_margin is not None)
        annotations = self.listing.annotations
        self.refuse(self.listing.faults)
        self.warnings = tuple(annotations.warnings)
        if use_keypoints:
            self.listing.require_landmarks()
        names = self.listing.of_split(split, annotated=use_keypoints)
        if box_margin is None:
            self._take_images(names)
        else:
            self.box_margin, self.box_outside = box_margin, box_outside
            self._take_objects(names)
        if use_keypoints:
            self.num_landmarks = self.landmarks.shape[1]
            self.landmark_names = annotations.names
            self.eye_indices = self._checked_eyes(eye_indices)

    def _take_images(self, names):
        """Set the attributes of each image."""
        annotations = self.listing.annotations
        self.paths = [self.listing.folder / name for name in names]
        if self.use_keypoints:
            entries = [annotations.table[name] for name in names]
            self.places = [annotations.places[name] for name in names]
            self.landmarks = np.stack([entry.landmarks for entry in entries])
            self.sizes = np.array([entry.size or UNKNOWN_SIZE for entry in entries])

    def _take_objects(self, names):
        """Set the attributes of each object of images, with landmarks only those that have all."""
        table = self.listing.annotations.table
        numbered = [(n, *o) for n in names for o in enumerate(table[n].objects, start=1)]
        if self.use_keypoints:
            numbered = [found for found in numbered if found[2].landmarks is not None]
            self.landmarks = np.stack([found.landmarks for *_, found in numbered])
        self.paths = [self.listing.folder / name for name, *_ in numbered]
        self.sizes = np.array([table[name].size or UNKNOWN_SIZE for name, *_ in numbered])
        self.places = [found.place for *_, found in numbered]
        self.boxes = np.array([found.box for *_, found in numbered])
        self.labels = [
            f"{path.name}{f', box {number}' if len(table[name].objects) > 1 else ''}"
            for path, (name, number, _) in zip(self.paths, numbered)
        ]

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
        if self.places is not None and not os.path.isfile(path):
            return f"{self.places[index]}: lists {path.name}, but {path} does not exist"
        return None

    def open(self, index):
        """Return an image; raises ``UserError`` if its size is not the one that was annotated, or
        its box is outside.
        """
        if absence := self._absence(index):
            raise UserError(absence)
        image = super().open(index)
        listed = UNKNOWN_SIZE if self.sizes is None else tuple(self.sizes[index])
        what = "landmarks" if self.boxes is None else "boxes"
        if listed not in (UNKNOWN_SIZE, image.size):
            raise UserError(
                f"{self.paths[index]}: is {image.width} x {image.height} pixels, "
                f"but its {what} were made on {listed[0]} x {listed[1]}"
            )
        if self.boxes is not None:
            with config_errors(f"{self.places[index]}: {self.paths[index]}"):
                require_inside(self.boxes[index], image.size)
        return image

    def label(self, index):
        if self.boxes is None:
            return super().label(index)
        return os.fsencode(self.labels[index]).decode(errors="replace")

    def seen_window(self, index, size):
        """Return the part of an image of a size that an item shows."""
        if self.boxes is None:
            return square_window(size, self.square)
        return box_window(self.boxes[index], self.box_margin)

    @classmethod
    def window(cls, size, square="auto", **args):
        return square_window(size, square)

    def fit(self, image, keypts, index):
        """Bring a PIL image and its landmarks (K, 2) to S x S, as ``square`` or its box says."""
        S = self.imwidth
        left, top, right, bottom = window = self.seen_window(index, image.size)
        if self.boxes is not None:
            cut = cut_out(image, window, S, self.box_outside)
            return cut, points_into(keypts, window, S)
        scale = np.array([S / (right - left), S / (bottom - top)])
        return image.resize((S, S), Image.BILINEAR, box=window), (keypts - window[:2]) * scale

    def describe(self):
        return self.listing.describe(self.square, self.imwidth, self.box_margin)

    def _checked_eyes(self, indices):
        """Return the indices of the two landmarks that normalise errors, () for none."""
        if indices is None:
            return (0, 1) if self.num_landmarks > 1 else ()
        if not indices:
            return ()
        numbers = [i for i in indices if type(i) is int and 0 <= i < self.num_landmarks]
        if len(indices) != 2 or len(set(numbers)) != 2:
            raise ValueError(
                f"eye_indices = {indices}, expected two of the "
                f"{self.num_landmarks} landmarks, 0 to {self.num_landmarks - 1}"
            )
        return tuple(indices)
