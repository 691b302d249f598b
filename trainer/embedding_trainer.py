"""Train an embedding on warped pairs of images, without annotations."""

import torch
from torch import nn

from base.base_trainer import BaseTrainer
from base.running_mean import RunningMean
from data_loader.augmentation import Augmentation, augment_pair, normalise
from model import EXCHANGING_LOSSES
from trainer.loaders import make_loaders
from trainer.optimisation import build_optimizer, build_scheduler
from trainer.parts import (
    build_backbone,
    build_loss,
    build_pair_warper,
    checked_pictures,
    loss_implementation,
)
from utils.distributed import World
from utils.drawing.visualizations import embedding_pictures
from utils.errors import ConfigError, config_errors
from utils.geometry.tps import tps_weights
from utils.keyed_random import sample_keys
from utils.transfer import send, send_together

VALIDATION_EPOCH = 0  # of the random keys: the same warps in every validation


class EmbeddingTrainer(BaseTrainer):
    """Trains a backbone with a dense loss.

    warper: ``Warper``.
    loss: callable (desc1, desc2, grid).
    augmented: whether training images are augmented.

    The other arguments are those of ``BaseTrainer``.
    """

    value_names = ("loss", "val_loss")

    def __init__(self, model, *shared, warper, loss, augmented):
        super().__init__(model, model, *shared)
        config = self.run.config
        self.warper, self.loss, self.augmented = warper, loss, augmented
        self.seed, self.warp_val = config.seed, config.warp_val
        self.exchanges = config.loss in EXCHANGING_LOSSES
        self.pictures = checked_pictures(config)

    @classmethod
    def from_config(cls, config, train_set, val_set, start, run):
        """Return the trainer of a config, its backbone initialised by a ``StartingPoint``."""
        warper = build_pair_warper(config, train_set)
        loss = build_loss(config, run.device)
        if len(val_set) < 2 and config.loss in EXCHANGING_LOSSES:
            raise ConfigError(f"{config.loss} takes two images to validate on, found one")
        num_pairs = config.batch_size // config.trainer.accumulation
        if config.loss_args.get("num_auxiliary", 1) >= num_pairs > 1:
            raise ConfigError(
                f"loss_args.num_auxiliary = {config.loss_args['num_auxiliary']}, expected less "
                f"than the {num_pairs} pairs of a batch (batch_size = {config.batch_size}, "
                f"trainer.accumulation = {config.trainer.accumulation})"
            )
        backbone = build_backbone(config).to(run.device)
        if config.trainer.sync_batchnorm and run.world.size > 1 and run.device.type == "cuda":
            backbone = nn.SyncBatchNorm.convert_sync_batchnorm(backbone)
        start.load_backbone(backbone)
        optimizer = build_optimizer(config, backbone)
        loader, val_loader = make_loaders(config, train_set, val_set, run)
        return cls(
            backbone,
            optimizer,
            build_scheduler(config, optimizer, len(loader.batch_sampler)),
            loader,
            val_loader,
            run,
            warper=warper,
            loss=loss,
            augmented=train_set.do_augmentations,
        )

    def remarks(self):
        """Return {"loss_implementation": "fused" or "chunked"} on a GPU, and why it is chunked."""
        if self.device.type == "cpu":
            return {}
        found, reason = loss_implementation(
            self.run.config, self.device, self.model.num_output_channels
        )
        told = {"loss_implementation": found, "why_not_fused": reason}
        return {name: text for name, text in told.items() if text is not None}

    def train_step(self, batch, epoch):
        """Return the loss of a batch of warped, augmented pairs."""
        keys = sample_keys(self.seed, epoch, batch["index"])
        warps, augmentations = self.warper.draw_keyed(keys), []
        if self.augmented:
            augmentations = Augmentation.draw(keys, range(2), self.warper.side)
        # All random numbers of a step go to the device in one copy.
        drawn = [*map(tps_weights, warps), *(one.numbers for one in augmentations)]
        warp_a, warp_b, *numbers = send_together(drawn, self.device)
        images = send(batch["image"], self.device)
        no_keypts = torch.empty(len(images), 0, 2, device=self.device)
        pair = self.warper.warp(images, no_keypts, (warp_a, warp_b))
        views = pair.first, pair.second
        if self.augmented:
            views = augment_pair(views, numbers, [one.canvas for one in augmentations])
        else:
            views = [normalise(view) for view in views]
        return self._pair_loss(self.learner, views, pair, self.world)

    def _pair_loss(self, network, views, pair, world):
        """Return the loss of this process's share of a batch of pairs."""
        images = torch.cat(views).contiguous(memory_format=torch.channels_last)
        with self.precision.network():
            desc1, desc2 = network(images).chunk(2)
        more = {}
        if world.size > 1 and self.exchanges:
            maps = [desc1]
            for _ in range(self.run.config.loss_args.get("num_auxiliary", 1)):
                maps.append(world.next_samples(maps[-1]))
            more["desc_aux"] = maps[1:]
        if (unit_length := getattr(self.model, "unit_length", None)) is not None:
            more["scale"] = unit_length.scale
        with config_errors("batch_size, dataset.args"):
            return self.loss(desc1, desc2, pair.grid_1to2, **more)

    @torch.no_grad()
    def validate(self, epoch):
        """Return {"val_loss": value}, over the same warped pairs in every epoch."""
        self.model.eval()
        mean = RunningMean()
        for batch in self.val_loader:
            pair = self._warp(batch, self._validation_draws(batch["index"]))
            views = [normalise(pair.first), normalise(pair.second)]
            loss = self._pair_loss(self.model, views, pair, World(device=self.device))
            mean.add(loss, len(batch["index"]))
        return {"val_loss": mean.over(self.world, self.device).value}

    @torch.no_grad()
    def draw_pictures(self, epoch):
        """Return pictures of the descriptors of the first validation images."""
        if not self.pictures:
            return []
        self.model.eval()
        batch = next(iter(self.val_loader))
        pair = self._warp(batch, self._validation_draws(batch["index"]))
        with self.precision.network():
            descriptors = self.model(normalise(pair.first)).float()
        return embedding_pictures(self.pictures, pair.first, descriptors)

    def _validation_draws(self, indices):
        if not self.warp_val:
            return self.warper.draw_identity(len(indices))
        return self.warper.draw_keyed(sample_keys(self.seed, VALIDATION_EPOCH, indices))

    def _warp(self, batch, draws):
        image, keypts = (send(batch[name], self.device) for name in ("image", "keypts"))
        return self.warper(image, keypts, draws)
