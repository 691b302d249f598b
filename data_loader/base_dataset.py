"""Base classes of data sets: the shape of an item, and how image files are opened and resized."""

import os

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from data_loader.images import read_image


class KeypointDataset(Dataset):
    """Square images of one size, optionally with landmarks.

    An item is {"image": uint8 (3, S, S), "keypts": float32 (K, 2), (x, y) in pixels of that image,
    "index": int}, where S is ``imwidth``, and K is 0 unless ``use_keypoints``. Warps, crop,
    augmentation and normalisation are applied later, to a batch on its device.

    imwidth: S, the side that images are resized to, in pixels.
    crop: pixels cut from every side after warping; 0 <= crop < imwidth / 2.
    use_keypoints: return landmarks with the images; set by landmark configs and evaluations.
    do_augmentations: augment training images: JPEG noise, colours, light.

    A subclass defines ``load(index)`` and ``__len__``.
    """

    splits = ("train", "val", "test")
    eye_indices = (0, 1)  # left, right: landmark errors are divided by their distance
    num_landmarks = 5
    landmark_names = None  # the names in the user's list
    default_root = None  # the folder that the README's commands download to
    partial_note = None  # differences from the published data set, for logs and results
    warnings = ()  # what is probably a mistake in the data, for the log, as texts
    broken = ()  # the errors of the images that were left out, as texts
    evaluated_on = None  # the data set whose test split an embedding is evaluated on; None: its own

    def __init__(self, split, imwidth, crop=0, use_keypoints=False, do_augmentations=True):
        if split not in self.splits:
            raise ValueError(f"split = {split!r}, expected one of {', '.join(self.splits)}")
        check_frame(imwidth, crop)
        self.split, self.imwidth, self.crop = split, imwidth, crop
        self.use_keypoints, self.do_augmentations = use_keypoints, do_augmentations

    @classmethod
    def window(cls, size, **args):
        """Return the part of an image that items show: (left, top, right, bottom).

        size: (width, height) of the image; args: the constructor's.
        """
        return (0, 0, *size)

    def load(self, index):
        """Return an image, (S, S, 3) uint8, and its landmarks, (K, 2) in pixels of that image."""
        raise NotImplementedError

    def label(self, index):
        """Return the name of an image, for captions."""
        return f"image {index}"

    def source_files(self):
        """Return the files that the items depend on: if one changes, a cache is stale."""
        return []

    def require_files(self):
        """Raise ``UserError`` if files are missing."""

    def without_eye_distance(self):
        """Return the indices of images whose errors are undefined: their eyes coincide."""
        return []

    def describe(self):
        """Return lines for the log on what was found on disk."""
        return []

    def __getitem__(self, index):
        image, keypts = self.load(index)
        keypts = keypts if self.use_keypoints else np.empty((0, 2))
        return {
            "image": torch.from_numpy(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1).copy()),
            "keypts": torch.from_numpy(np.asarray(keypts, dtype=np.float32)),
            "index": index,
        }


class ImageFileDataset(KeypointDataset):
    """A data set of image files.

    A subclass sets ``paths``, list of N, and ``landmarks``, (N, K, 2) in source pixels, and
    overrides ``fit`` if its geometry is more than a resize.
    """

    per_image = ("paths", "landmarks")  # the attributes with one part for each image
    as_seen = False  # open images as viewers show them, see ``read_image``
    paths = ()
    landmarks = None

    def __len__(self):
        return len(self.paths)

    def fit(self, image, keypts, index):
        """Resize a PIL image and its landmarks (K, 2) to S x S: bilinear, antialiased."""
        S = self.imwidth
        scale = np.array([S / image.width, S / image.height])
        return image.resize((S, S), Image.BILINEAR), keypts * scale

    def keep(self, indices):
        """Keep only the images at ``indices``."""
        for name in self.per_image:
            parts = getattr(self, name, None)
            if isinstance(parts, np.ndarray):
                setattr(self, name, parts[indices])
            elif parts is not None:
                setattr(self, name, [parts[index] for index in indices])

    def without_eye_distance(self):
        if self.landmarks is None or not self.eye_indices:
            return []
        left, right = (self.landmarks[:, eye] for eye in self.eye_indices)
        return np.flatnonzero((left == right).all(axis=-1)).tolist()

    def label(self, index):
        name = os.path.basename(self.paths[index])
        return os.fsencode(name).decode(errors="replace")  # names may be no text

    def source_files(self):
        return self.paths

    def open(self, index):
        """Return an image file as a PIL image, RGB; raises ``UserError`` naming the file."""
        return read_image(self.paths[index], self.as_seen)

    def load(self, index):
        keypts = self.landmarks[index] if self.use_keypoints else np.empty((0, 2))
        return self.fit(self.open(index), keypts, index)


def check_frame(imwidth, crop):
    """Raise ``ValueError`` unless pixels of an S x S image are left after the crop."""
    if imwidth < 1:
        raise ValueError(f"imwidth = {imwidth}, expected a positive number of pixels")
    if not 0 <= 2 * crop < imwidth:
        raise ValueError(f"crop = {crop}, expected 0 <= crop < imwidth / 2 = {imwidth / 2:g}")
