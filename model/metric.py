"""Figures that are reported."""


def inter_ocular_error(predicted, target, eye_indices):
    """Return 100 * |predicted - target| / |eye0 - eye1|, the mean over landmarks, for each image:
    (B,), in percent.

    predicted, target: (B, K, 2), any unit that is the same along x and y; eye_indices: which two
    landmarks normalise.
    """
    left, right = eye_indices
    between_eyes = (target[:, left] - target[:, right]).norm(dim=-1)
    return 100 * (predicted - target).norm(dim=-1).mean(dim=1) / between_eyes
