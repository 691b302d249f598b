"""What every data set shares.

Opening, cropping and resizing images, and the fixed shape of an item.
"""

import os

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from data_loader.images import read_image


class KeypointDataset(Dataset):
    """Images of one size, with their landmarks where these are wanted.

    An item is {"image": uint8 (3, S, S), "keypts": float32 (K, 2), (x, y) in pixels of that image,
    "index": int}; S is ``imwidth``, and K is 0 unless ``use_keypoints``. Warping, the crop
    (``crop`` pixels from every side), augmentation and normalisation happen later, for a batch at
    once on its device.

    imwidth: S, the side that images are brought to, in pixels.
    crop: pixels cut from every side after warping; 0 <= crop < imwidth / 2.
    use_keypoints: give landmarks with the images; landmark configs and evaluations see to it.
    do_augmentations: augment training images: JPEG noise, colours, light.

    A subclass offers ``load(index)`` and ``__len__``.
    """

    splits = ("train", "val", "test")
    eye_indices = (0, 1)  # left, right: landmark errors are divided by their distance
    num_landmarks = 5
    landmark_names = None  # what the user's own list calls them
    default_root = None  # where the README's commands put the data, of data sets that have files
    partial_note = None  # what differs from the published data set, for logs and results
    warnings = ()  # what of the data is hardly meant, for the log, a text each
    broken = ()  # what is wrong with the images that were left out, a text each
    evaluated_on = None  # the data set whose test split an embedding is evaluated on; None: its own

    def __init__(self, split, imwidth, crop=0, use_keypoints=False, do_augmentations=True):
        if split not in self.splits:
            raise ValueError(f"split = {split!r}, expected one of {', '.join(self.splits)}")
        check_frame(imwidth, crop)
        self.split, self.imwidth, self.crop = split, imwidth, crop
        self.use_keypoints, self.do_augmentations = use_keypoints, do_augmentations

    @classmethod
    def window(cls, size, **args):
        """Return the part of an image of ``size`` (width, height) that items show: (left, top,
        right, bottom). ``args`` are the constructor's.
        """
        return (0, 0, *size)

    def load(self, index):
        """Return the image, uint8 array (S, S, 3), and its landmarks, (K, 2) in pixels of that
        image.
        """
        raise NotImplementedError

    def label(self, index):
        """Return what to call an image, below pictures of it."""
        return f"image {index}"

    def source_files(self):
        """Return the files that the items are made from: a cache is stale where one changes."""
        return []

    def require_files(self):
        """Raise ``UserError`` where files are known to be absent."""

    def without_eye_distance(self):
        """Return the indices of the images in which the two landmarks that normalise errors
        coincide, which leaves their errors undefined.
        """
        return []

    def describe(self):
        """Return what the data set found on disk, as lines for the log."""
        return []

    def __getitem__(self, index):
        image, keypts = self.load(index)
        keypts = (
            np.asarray(keypts, dtype=np.float32)
            if self.use_keypoints
            else np.empty((0, 2), np.float32)
        )
        return {
            "image": torch.from_numpy(np.array(image, dtype=np.uint8).transpose(2, 0, 1).copy()),
            "keypts": torch.from_numpy(keypts),
            "index": index,
        }


class ImageFileDataset(KeypointDataset):
    """A data set of image files. A subclass fills ``paths``, N of them, and ``landmarks``, (N, K,
    2) in source pixels.

    Where the published geometry is more than a resize, it overrides ``fit``.
    """

    per_image = ("paths", "landmarks")  # the attributes that have N parts
    as_seen = False  # whether images are opened as viewers show them, see ``read_image``
    paths = ()
    landmarks = None

    def __len__(self):
        return len(self.paths)

    def fit(self, image, keypts, index):
        """Bring a PIL image and its landmarks (K, 2) to S x S.

        Bilinear, antialiased, the aspect not kept.
        """
        S = self.imwidth
        scale = np.array([S / image.width, S / image.height])
        return image.resize((S, S), Image.BILINEAR), keypts * scale

    def keep(self, indices):
        """Leave out all images but these."""
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
        """Return an image as a PIL image, RGB; raises ``UserError`` naming the file."""
        return read_image(self.paths[index], self.as_seen)

    def load(self, index):
        keypts = self.landmarks[index] if self.use_keypoints else np.empty((0, 2))
        return self.fit(self.open(index), keypts, index)


def check_frame(imwidth, crop):
    """Raise ``ValueError`` unless something is left of S x S pixels after the crop."""
    if imwidth < 1:
        raise ValueError(f"imwidth = {imwidth}, expected a positive number of pixels")
    if not 0 <= 2 * crop < imwidth:
        raise ValueError(f"crop = {crop}, expected 0 <= crop < imwidth / 2 = {imwidth / 2:g}")
