"""Error measures: inter-ocular error of landmarks, pixel error of matches."""

PUBLISHED_FRAME = 70  # matching errors are reported in pixels of a 70 x 70 image


def inter_ocular_error(predicted, target, eye_indices):
    """Return 100 * |predicted - target| / |eye0 - eye1|, the mean over landmarks, for each image:
    (B,), in percent.

    predicted, target: (B, K, 2), any unit that is the same along x and y; eye_indices: which two
    landmarks normalise.
    """
    left, right = eye_indices
    between_eyes = (target[:, left] - target[:, right]).norm(dim=-1)
    return 100 * (predicted - target).norm(dim=-1).mean(dim=1) / between_eyes


def pixel_error(matched, truth, width):
    """Return distances (B, K) between points (B, K, 2) of an image ``width`` pixels wide, in pixels
    of the published frame.
    """
    return (matched - truth).norm(dim=-1) * (PUBLISHED_FRAME / width)
