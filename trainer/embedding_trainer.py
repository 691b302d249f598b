"""Learning an embedding from warped pairs, without annotation."""

import inspect

import torch

from base.base_trainer import BaseTrainer
from base.running_mean import RunningMean
from data_loader.augmentation import augment, normalise
from utils.distributed import World
from utils.errors import blamed_on
from utils.keyed_random import sample_keys
from utils.visualization import embedding_pictures

VALIDATION_EPOCH = 0  # of the keys: the same warps in every validation


def exchanges(loss):
    """Whether a loss describes an image through another one."""
    return "desc_aux" in inspect.signature(loss).parameters


class EmbeddingTrainer(BaseTrainer):
    """Trains a backbone with a dense loss.

    warper: ``Warper``; loss: callable (desc1, desc2, grid); val_loader: batches in order;
    augmented: whether training images are; warp_val: whether validation images are warped;
    pictures: names of visualizations.
    """

    value_names = ("loss", "val_loss")

    def __init__(self, *shared, warper, loss, val_loader, augmented, warp_val, pictures):
        model, *rest = shared
        super().__init__(model, model, *rest)
        self.warper, self.loss, self.val_loader = warper, loss, val_loader
        self.augmented, self.warp_val, self.pictures = augmented, warp_val, pictures
        self.exchanges = exchanges(loss)

    def train_step(self, batch, epoch):
        """Return the loss of a batch of warped, augmented pairs."""
        keys = sample_keys(self.run.identity["seed"], epoch, batch["index"])
        pair = self._warp(batch, self.warper.draw_keyed(keys))
        views = enumerate((pair.first, pair.second))
        inputs = [
            augment(view, keys, n) if self.augmented else normalise(view) for n, view in views
        ]
        return self._pair_loss(self.gradient.learner, inputs, pair, self.world)

    @torch.no_grad()
    def validate(self, epoch):
        """Return ``val_loss``, over the same warped pairs in every epoch."""
        self.model.eval()
        mean = RunningMean()
        for batch in self.val_loader:
            pair = self._warp(batch, self._validation_draws(batch["index"]))
            mean.add(
                self._pair_loss(
                    self.model, [normalise(pair.first), normalise(pair.second)], pair, World()
                ),
                len(batch["index"]),
            )
        return {"val_loss": mean.over(self.world, self.device).value}

    @torch.no_grad()
    def draw_pictures(self, epoch):
        """Return pictures of the descriptors of the first validation images."""
        if not self.pictures:
            return []
        self.model.eval()
        batch = next(iter(self.val_loader))
        pair = self._warp(batch, self._validation_draws(batch["index"]))
        with self.autocast():
            descriptors = self.model(normalise(pair.first)).float()
        return embedding_pictures(self.pictures, pair.first, descriptors)

    def _validation_draws(self, indices):
        if not self.warp_val:
            return self.warper.draw_identity(len(indices))
        return self.warper.draw_keyed(
            sample_keys(self.run.identity["seed"], VALIDATION_EPOCH, indices)
        )

    def _warp(self, batch, draws):
        image, keypts = (
            batch[name].to(self.device, non_blocking=True) for name in ("image", "keypts")
        )
        return self.warper(image, keypts, draws)

    def _pair_loss(self, network, views, pair, world):
        """Return the loss of pairs that are this process's share of a batch of a world."""
        images = torch.cat(views).contiguous(memory_format=torch.channels_last)
        with self.autocast():
            first, second = network(images).chunk(2)
        shared = world.size > 1 and self.exchanges
        auxiliary = {"desc_aux": world.next_samples(first)} if shared else {}
        with blamed_on("batch_size, dataset.args"):
            return self.loss(first, second, pair.grid, **auxiliary)
