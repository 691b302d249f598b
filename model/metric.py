"""Error measures: of landmarks, in percent of a distance or in pixels; of matches, in pixels."""

import torch

from utils.geometry.coordinates import to_pixels

PUBLISHED_FRAME = 70  # errors in pixels are those of a 70 x 70 image


def inter_ocular_error(predicted, target, eye_indices):
    """Return 100 * |predicted - target| / |eye0 - eye1|, the mean over landmarks, for each image:
    (B,), in percent. NaN where the two coincide, which leaves it undefined; inf where a prediction
    is not finite.

    predicted, target: (B, K, 2), any unit that is the same along x and y; eye_indices: which two
    landmarks normalise.
    """
    left, right = eye_indices
    between_eyes = (target[:, left] - target[:, right]).norm(dim=-1)
    error = 100 * (predicted - target).norm(dim=-1).mean(dim=1) / between_eyes
    return _inf_for_nan(error).masked_fill(between_eyes == 0, torch.nan)


def landmark_pixel_error(predicted, target, side):
    """Return the distance of predicted and true landmarks, the mean over landmarks, for each image:
    (B,), in pixels of the published frame, 70 x 70. inf where a prediction is not finite.

    predicted, target: (B, K, 2), normalised; side: of the square images, in pixels.
    """
    points = (to_pixels(points, side, side) for points in (predicted, target))
    return _inf_for_nan(pixel_error(*points, side).mean(dim=1))


def pixel_error(matched, truth, width):
    """Return distances (B, K) between points (B, K, 2) of an image ``width`` pixels wide, in pixels
    of the published frame.
    """
    return (matched - truth).norm(dim=-1) * (PUBLISHED_FRAME / width)


def _inf_for_nan(error):
    return error.masked_fill(error.isnan(), torch.inf)
