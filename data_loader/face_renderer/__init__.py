"""Generated face photographs: a parametric head, painted by code. No files are read."""

import numpy as np

from data_loader.face_renderer.anatomy import NUM_LANDMARKS
from data_loader.face_renderer.identity import sample_identity
from data_loader.face_renderer.photo import sample_photo
from data_loader.face_renderer.render import render

__all__ = ["NUM_LANDMARKS", "SPLIT_CODES", "identity_of", "person", "render_face"]

SPLIT_CODES = {"train": 0, "val": 1, "test": 2}
ROUND = 16  # people who take turns, so that neighbours in the list are different people
IDENTITY_STREAM, PHOTO_STREAM, NOISE_STREAM = 1, 2, 3


def identity_of(index, images_per_identity=1):
    """Number of the person in picture ``index``; people take turns in groups of sixteen."""
    return index // (ROUND * images_per_identity) * ROUND + index % ROUND


def stream(seed, split, kind, number):
    entropy = [seed, SPLIT_CODES[split], kind, number]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def person(seed, split, number):
    """The Identity of one person of a split."""
    return sample_identity(stream(seed, split, IDENTITY_STREAM, number))


def render_face(seed, index, imwidth, num_landmarks=5, split="train", images_per_identity=1):
    """Draw picture ``index``: uint8 (S, S, 3) and its landmarks, float32 (K, 2), (x, y) in pixels.

    The result depends on the arguments alone. The same index at another ``imwidth`` is the same
    scene on another raster.
    """
    identity = person(seed, split, identity_of(index, images_per_identity))
    photo = sample_photo(stream(seed, split, PHOTO_STREAM, index))
    noise = stream(seed, split, NOISE_STREAM, index)
    return render(identity, photo, imwidth, num_landmarks, noise)
