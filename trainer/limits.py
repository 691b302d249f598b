"""How much of everything a run takes."""

from dataclasses import dataclass

from torch.utils.data import Subset


@dataclass(frozen=True)
class Limits:
    """None means all there is."""

    images: int | None = None  # for training, and for validation
    evaluation_images: int | None = None
    batch_size: int | None = None
    epochs: int | None = None
    notes: tuple = ()  # for logs and results

    def cut(self, dataset):
        """Return the first images of a data set."""
        return (
            dataset
            if self.images is None
            else Subset(dataset, range(min(self.images, len(dataset))))
        )

    def cut_batch(self, batch_size):
        """Return the batch size to use."""
        return min(batch_size, self.batch_size or batch_size)


NO_LIMITS = Limits()
MINI = Limits(
    images=8,
    evaluation_images=4,
    batch_size=4,
    epochs=1,
    notes=("--mini_train: a few steps, a handful of images",),
)
