"""Fit a landmark regressor on a frozen embedding."""

import math
from functools import partial

import torch

from base.base_trainer import BaseTrainer
from base.running_mean import RunningMean
from trainer.datasets import left_out_line, without_error
from trainer.descriptors import CachedDescriptors, DescriptorExtractor, LiveDescriptors
from trainer.loaders import make_loaders
from trainer.optimisation import build_optimizer, build_scheduler
from trainer.parts import (
    build_landmark_model,
    build_loss,
    build_metrics,
    build_single_warper,
    checked_pictures,
)
from utils.drawing.visualizations import landmark_pictures
from utils.errors import ConfigError


class LandmarkTrainer(BaseTrainer):
    """Trains the last module of a ``landmark_model``; the others are frozen.

    loss: callable (predicted, target).
    metrics: {name: callable (predicted, target) -> (B,)}.

    The other arguments are those of ``BaseTrainer``; the loaders are ``DescriptorLoader``s.
    """

    def __init__(self, model, *shared, loss, metrics):
        super().__init__(model, model[-1], *shared)
        self.regressor, self.loss, self.metrics = model[-1], loss, metrics
        self.pictures = checked_pictures(self.run.config)

    @property
    def value_names(self):
        return ("loss", "val_loss", *(f"val_{name}" for name in self.metrics))

    @classmethod
    def from_config(cls, config, train_set, val_set, start, run):
        """Return the trainer of a config, its backbone initialised by a ``StartingPoint``."""
        if start.checkpoint is None:
            raise ConfigError(
                "a landmark config needs an embedding: give --resume <embedding>.pth, or "
                "finetune_from"
            )
        model = build_landmark_model(config, train_set.num_landmarks).to(run.device)
        if not start.continued:
            start.load_backbone(model[0].wrapped_module)
        metrics = build_metrics(config, train_set)
        run.remarks += [
            f"metrics: {name} is measured, in pixels of a 70x70 image, since no two landmarks "
            "normalise errors"
            for name in metrics.keys() - set(config.metrics)
        ]
        undefined = without_error(val_set) if "inter_ocular_error" in metrics else []
        run.warnings += [left_out_line(val_set, undefined)] if undefined else []
        optimizer = build_optimizer(config, model)
        warper = build_single_warper(config, train_set)
        extract = partial(DescriptorExtractor, model[:-1], train_set.crop, run.device, config.seed)
        extractors = (
            extract(warper, train_set.do_augmentations),
            extract(warper if config.warp_val else None),
        )
        kind = LiveDescriptors
        if config.cache_descriptors:
            kind = partial(CachedDescriptors, dtype=getattr(torch, config.descriptor_precision))
        loader, val_loader = map(kind, make_loaders(config, train_set, val_set, run), extractors)
        return cls(
            model,
            optimizer,
            build_scheduler(config, optimizer, len(loader.batch_sampler)),
            loader,
            val_loader,
            run,
            loss=build_loss(config, run.device),
            metrics=metrics,
        )

    def prepare(self):
        """Compute the descriptors that are cached."""
        for loader in (self.loader, self.val_loader):
            loader.prepare()

    def train_step(self, batch, epoch):
        """Return the loss of a batch of descriptors."""
        return self.loss(self.learner(batch["descriptors"]), batch["target"])

    @torch.no_grad()
    def validate(self, epoch):
        """Return {"val_loss": value, "val_<metric>": value for each metric}."""
        self.model.eval()
        means = {name: RunningMean() for name in ("loss", *self.metrics)}
        for batch in self.val_loader:
            predicted, weight = self.regressor(batch["descriptors"]), len(batch["index"])
            means["loss"].add(self.loss(predicted, batch["target"]), weight)
            for name, metric in self.metrics.items():
                means[name].add_each(metric(predicted, batch["target"]))
        means = {f"val_{name}": m.over(self.world, self.device) for name, m in means.items()}
        return {name: mean.value if mean.weight else math.nan for name, mean in means.items()}

    @torch.no_grad()
    def draw_pictures(self, epoch):
        """Return pictures of landmarks and virtual keypoints of the first validation images."""
        if not self.pictures:
            return []
        self.model.eval()
        part = self.val_loader.extract(next(iter(self.val_loader.images)), epoch=0)
        predicted = self.regressor(part["descriptors"])
        virtual = self.regressor.virtual_keypoints(part["descriptors"])
        return landmark_pictures(self.pictures, part["images"], predicted, part["target"], virtual)
