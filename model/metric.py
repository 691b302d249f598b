"""Errors of landmarks, in percent of a distance or in pixels, and of matches, in pixels."""

import torch

from utils.geometry.coordinates import to_pixels

PUBLISHED_FRAME = 70  # errors in pixels are those of a 70 x 70 image


def inter_ocular_error(predicted, target, eye_indices):
    """Return the mean over landmarks of 100 * |predicted - target| / |eye0 - eye1|, (B,).

    In percent. NaN if the two eyes coincide; inf if a prediction is not finite.

    predicted, target: (B, K, 2), in a unit that is equal along x and y.
    eye_indices: of the two landmarks that normalise.
    """
    left, right = eye_indices
    between_eyes = (target[:, left] - target[:, right]).norm(dim=-1)
    error = 100 * (predicted - target).norm(dim=-1).mean(dim=1) / between_eyes
    return _inf_for_nan(error).masked_fill(between_eyes == 0, torch.nan)


def landmark_pixel_error(predicted, target, side):
    """Return the mean distance of landmarks, (B,), in pixels of the published frame, 70 x 70.

    inf if a prediction is not finite.

    predicted, target: (B, K, 2), normalised.
    side: of the square images, in pixels.
    """
    points = (to_pixels(points, side, side) for points in (predicted, target))
    return _inf_for_nan(pixel_error(*points, side).mean(dim=1))


def pixel_error(matched, truth, width):
    """Return distances (B, K) of points (B, K, 2), in pixels of the published frame.

    width: of the image, in pixels.
    """
    return (matched - truth).norm(dim=-1) * (PUBLISHED_FRAME / width)


def _inf_for_nan(error):
    return error.masked_fill(error.isnan(), torch.inf)
