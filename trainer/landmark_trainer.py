"""Fitting a landmark regressor on a frozen embedding."""

import torch

from base.base_trainer import BaseTrainer
from base.running_mean import RunningMean
from utils.visualization import landmark_pictures


class LandmarkTrainer(BaseTrainer):
    """Trains the last module of a ``landmark_model``; the others stay as they are.

    loader, val_source: batches of descriptors and targets (``trainer.descriptors``); loss: callable
    (predicted, target);
    metrics: {name: callable (predicted, target) -> (B,)}; pictures: names of visualizations.
    """

    def __init__(self, *shared, loss, val_source, metrics, pictures):
        model, *rest = shared
        super().__init__(model, model[-1], *rest)
        self.regressor = model[-1]
        self.loss, self.val_source, self.metrics = loss, val_source, metrics
        self.pictures = pictures

    @property
    def value_names(self):
        return ("loss", "val_loss", *(f"val_{name}" for name in self.metrics))

    def prepare(self):
        """Compute the descriptors that are kept."""
        for source in (self.loader, self.val_source):
            source.prepare()

    def train_step(self, batch, epoch):
        """Return the loss of a batch of descriptors."""
        return self.loss(self.gradient.learner(batch["descriptors"]), batch["target"])

    @torch.no_grad()
    def validate(self, epoch):
        """Return ``val_loss`` and ``val_<metric>`` for each metric."""
        self.model.eval()
        means = {"loss": RunningMean(), **{name: RunningMean() for name in self.metrics}}
        for batch in self.val_source:
            predicted, weight = self.regressor(batch["descriptors"]), len(batch["index"])
            means["loss"].add(self.loss(predicted, batch["target"]), weight)
            for name, metric in self.metrics.items():
                means[name].add(metric(predicted, batch["target"]).mean(), weight)
        return {
            f"val_{name}": mean.over(self.world, self.device).value for name, mean in means.items()
        }

    @torch.no_grad()
    def draw_pictures(self, epoch):
        """Return pictures of landmarks, predicted and true, and virtual keypoints of a few
        validation images.
        """
        if not self.pictures:
            return []
        self.model.eval()
        part = self.val_source.extract(next(iter(self.val_source.loader)), epoch=0)
        predicted = self.regressor(part["descriptors"])
        virtual = self.regressor.virtual_keypoints(part["descriptors"])
        return landmark_pictures(self.pictures, part["images"], predicted, part["target"], virtual)
