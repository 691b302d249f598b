"""Photometric augmentation of a batch on its device, with separate random draws for each image.

Order as published: JPEG noise (``data_loader.jpeg_noise``), colour jitter, to [0, 1], PCA lighting.
There is no loop over images.
"""

from dataclasses import dataclass
from itertools import islice

import torch

from data_loader.jpeg_noise import canvas_for, jpeg_noise
from utils.keyed_random import Stream, draw
from utils.transfer import constant, send_together

MEAN = (0.5084, 0.4224, 0.3769)
STD = (0.2599, 0.2371, 0.2323)
IN_LEVELS = [tuple((255 * torch.tensor(values)).tolist()) for values in (MEAN, STD)]
LIGHTING_ALPHA_SD = 0.1
LIGHTING_EIGENVALUES = (0.2175, 0.0188, 0.0045)
LIGHTING_EIGENVECTORS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)
JITTER = 0.4
JPEG_QUALITIES = (30, 98)
JPEG_SIDE_SD, JPEG_LEAST_SIDE = 0.5, 0.8

# Streams of keyed random numbers, far from those of the warps; a block for each image of a pair.
FIRST_STREAM, STREAMS_PER_IMAGE = 1000, 16
SIDE, QUALITY, ORDER, FACTORS, LIGHTING = range(5)

LUMA = (0.299, 0.587, 0.114)
IDENTITY = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def normalise(images):
    """Return images (B, 3, H, W) in 0..255, less the published mean, divided by the published
    standard deviation, as float32.
    """
    mean, std = (constant(v, images.device).view(3, 1, 1) for v in IN_LEVELS)
    return (images - mean) / std


def denormalise(images):
    """Return normalised images (B, 3, H, W) as uint8, rounded, and clipped where they exceed it."""
    mean, std = (constant(v, images.device).view(3, 1, 1) for v in IN_LEVELS)
    return (images * std + mean).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class Augmentation:
    """What is drawn for each image of a batch.

    numbers: (B, 11) float32: side and quality of its JPEG compression, both whole; the order of the
        changes of its colours, and their factors (see ``colour_jitter``); alphas of its lighting.
    canvas: pixels of a side that holds all images as they are compressed.
    """

    numbers: torch.Tensor
    canvas: int

    @classmethod
    def draw(cls, keys, views, width):
        """Return a list of the augmentations of images of this width: one for each of ``views``,
        numbers of images of a pair (0 or 1).

        keys: (B,), keys of the samples' random numbers.
        """
        streams = []
        for view in views:
            first = FIRST_STREAM + view * STREAMS_PER_IMAGE
            streams += [
                Stream(first + SIDE, (1,), is_normal=True),
                Stream(first + QUALITY, (1,)),
                Stream(first + ORDER, (3,)),
                Stream(first + FACTORS, (3,)),
                Stream(first + LIGHTING, (3,), is_normal=True),
            ]
        drawn = iter(draw(keys, streams))
        return [cls._scaled(width, *islice(drawn, 5)) for _ in views]

    @classmethod
    def _scaled(cls, width, side, quality, order, factors, alphas):
        sides = (width * (1 + JPEG_SIDE_SD * side)).long().clamp(min=int(JPEG_LEAST_SIDE * width))
        low, high = JPEG_QUALITIES
        numbers = [
            sides,
            low + (quality * (high - low + 1)).long(),
            order.argsort(dim=1),
            1 - JITTER + 2 * JITTER * factors,
            alphas * LIGHTING_ALPHA_SD,
        ]
        return cls(torch.cat(numbers, dim=1), canvas_for(sides))


def augment(images, keys, view):
    """Return images (B, 3, H, W) uint8 augmented and normalised, float32.

    keys: (B,), keys of the samples' random numbers; view: 0 or 1, which image of a pair.
    """
    (drawn,) = Augmentation.draw(keys, [view], images.shape[-1])
    return augment_as_drawn(images, *send_together([drawn.numbers], images.device), drawn.canvas)


def augment_pair(views, numbers, canvases):
    """Return both views of a batch, each (B, 3, H, W) uint8, augmented and normalised, float32.

    A GPU takes them together, in half as many operations. Not the CPU: the canvas of other images
    may change the order of sums.

    numbers, canvases: of the ``Augmentation`` of each view, numbers on the device of the images.
    """
    if views[0].device.type == "cpu":
        return [augment_as_drawn(*of_view) for of_view in zip(views, numbers, canvases)]
    return augment_as_drawn(torch.cat(views), torch.cat(numbers), max(canvases)).chunk(2)


def augment_as_drawn(images, numbers, canvas):
    """Return images (B, 3, H, W) uint8 augmented and normalised, float32.

    numbers, canvas: those of an ``Augmentation``, on the device of the images.
    """
    sides, qualities, order, factors, alphas = numbers.split((1, 1, 3, 3, 3), dim=1)
    noisy = jpeg_noise(images, sides[:, 0], qualities[:, 0], canvas)
    jittered = colour_jitter(noisy / 255, order.long(), factors)
    return normalise(pca_lighting(jittered, alphas) * 255)


def colour_jitter(images, order, factors):
    """Return images with changed brightness, contrast and saturation, in random order.

    The changes are blends with black, with the mean grey, and with the grey image: each takes a
    pixel to a mixture of its channels, plus a shift that is the same for all pixels.
    images: (B, 3, H, W) in [0, 1].
    order: (B, 3), which change (0, 1, 2) comes first, second, third.
    factors: (B, 3), of brightness, contrast, saturation.
    """
    factors, kinds = factors.gather(1, order), order[..., None, None]
    factors = factors[..., None, None]  # (B, 3 steps, 1, 1)
    to_grey = (1 - factors) * constant((LUMA,) * 3, images.device)
    mixtures = factors * constant(IDENTITY, images.device) + to_grey * (kinds == 2)
    shifts = to_grey * (kinds == 1)
    pixels = images.flatten(2)
    for mixture, shift in zip(mixtures.unbind(1), shifts.unbind(1)):
        mean_grey = shift @ pixels.mean(dim=2, keepdim=True)
        pixels = torch.baddbmm(mean_grey, mixture, pixels).clamp_(0, 1)
    return pixels.view_as(images)


def pca_lighting(images, alphas):
    """Return images (B, 3, H, W) in [0, 1] plus alphas (B, 3) times the principal colours."""
    vectors = constant(LIGHTING_EIGENVECTORS, images.device)
    values = constant(LIGHTING_EIGENVALUES, images.device)
    return images + ((alphas * values) @ vectors.T)[:, :, None, None]
