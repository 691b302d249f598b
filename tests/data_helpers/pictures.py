"""Pictures to find again after crops and resizes, and resizing once more, by plain sums."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image


def noise(width, height, seed=0):
    """Return a picture (height, width, 3) of noise that JPEG keeps."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
    return np.array(Image.fromarray(coarse.astype(np.uint8)).resize((width, height)))


def dot(width, height, column, row, radius=1):
    """Return a black picture with a white square of 2 * radius + 1 pixels around a pixel."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[row - radius : row + radius + 1, column - radius : column + radius + 1] = 255
    return picture


def save(picture, path):
    """Write a picture as its suffix says; JPEG as faithfully as it can."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"quality": 100, "subsampling": 0} if path.suffix == ".jpg" else {}
    Image.fromarray(picture).save(path, **options)


def decoded(path):
    """Return the picture in a file, RGB, (height, width, 3)."""
    return np.array(Image.open(path).convert("RGB"))


def centre_of_dot(item):
    """Return (x, y) of the middle of the only bright spot of a data set's item."""
    light = item["image"].numpy().astype(float).sum(axis=0) ** 2
    rows, columns = np.indices(light.shape)
    return np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum()


def content(item):
    """Return the image of a data set's item as a picture."""
    return item["image"].numpy().transpose(1, 2, 0)


def resized(picture, width, height):
    """Resize with a triangle filter as wide as a new pixel, antialiased; float, not rounded."""
    columns = np.tensordot(weights(picture.shape[1], width), picture.astype(float), (1, 1))
    return np.tensordot(weights(picture.shape[0], height), columns, (1, 1))


def weights(old, new):
    """Return what each of ``old`` pixels gives to each of ``new`` ones, (new, old)."""
    step = old / new
    centres = (np.arange(new)[:, None] + 0.5) * step - 0.5
    matrix = np.maximum(0, 1 - np.abs(np.arange(old) - centres) / max(step, 1))
    return matrix / matrix.sum(axis=1, keepdims=True)


def smooth_images(count, H=40, W=40, seed=0):
    """Return images (count, 3, H, W) uint8 without fine detail."""
    coarse = torch.rand(count, 3, 7, 7, generator=torch.Generator().manual_seed(seed))
    images = F.interpolate(40 + 180 * coarse, (H, W), mode="bicubic", align_corners=False)
    return images.clamp(0, 255).to(torch.uint8)
