"""Limits on images and batch size, which ``--mini_train`` and ``--dry_run`` set."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Upper limits on images and batch size; None: no limit.

    images: of the training and of the validation set.
    notes: lines for the log and the results.
    """

    images: int | None = None
    evaluation_images: int | None = None
    batch_size: int | None = None
    notes: tuple = ()


NO_LIMITS = Limits()
MINI = Limits(
    images=8,
    evaluation_images=4,
    batch_size=4,
    notes=("--mini_train: a few steps, a handful of images",),
)
