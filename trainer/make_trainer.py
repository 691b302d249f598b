"""The two kinds of training, put together from a config."""

from functools import partial

import torch
from torch import nn

from data_loader.restricted import RestrictedAnnotations, repeated
from trainer import assembly
from trainer.batches import Batches
from trainer.descriptors import CachedDescriptors, DescriptorExtractor, LiveDescriptors
from trainer.embedding_trainer import EmbeddingTrainer, exchanges
from trainer.landmark_trainer import LandmarkTrainer
from utils.build import call
from utils.errors import ConfigError


def make_trainer(experiment, run, start, limits):
    """Return the trainer of a config, with its networks where ``start`` says.

    Nothing has run yet.
    """
    largest = max(1, experiment.batch_size // 2)
    if run.options.accumulation > largest:
        raise ConfigError(
            f"trainer.accumulation = {run.options.accumulation}, expected at most {largest}: each "
            f"part of a batch of {experiment.batch_size} needs two samples"
        )
    make = _make_landmark_trainer if experiment.is_landmark else _make_embedding_trainer
    trainer = make(experiment, run, start, limits)
    trainer.monitor.check(trainer.value_names)
    if start.continued:
        trainer.resume(start.checkpoint, start.path)
    return trainer


def _datasets(experiment, run):
    train_set, val_set = (
        assembly.build_dataset(experiment, split, run.world) for split in ("train", "val")
    )
    run.note_dataset(val_set)
    run.note_dataset(train_set)
    return train_set, val_set


def _make_embedding_trainer(experiment, run, start, limits):
    train_set, val_set = _datasets(experiment, run)
    warper = assembly.build_pair_warper(experiment, train_set)
    loss = assembly.build_loss(experiment, run.device)
    if len(val_set) < 2 and exchanges(loss):
        raise ConfigError(f"{experiment.loss} takes two images to validate on, found one")
    backbone = assembly.build_backbone(experiment).to(run.device)
    if run.options.sync_batchnorm and run.world.size > 1 and run.device.type == "cuda":
        backbone = nn.SyncBatchNorm.convert_sync_batchnorm(backbone)
    start.fill_backbone(backbone)
    optimizer = assembly.build_optimizer(experiment, backbone)
    batches = Batches(experiment, run, limits)
    return EmbeddingTrainer(
        backbone,
        optimizer,
        _scheduler(experiment, optimizer, run),
        batches.loader(_repeat(batches.cached(train_set), experiment), training=True),
        run,
        warper=warper,
        loss=loss,
        val_loader=batches.loader(batches.cached(val_set), training=False),
        augmented=train_set.do_augmentations,
        warp_val=experiment.warp_val,
        pictures=assembly.checked_pictures(experiment),
    )


def _make_landmark_trainer(experiment, run, start, limits):
    if start.checkpoint is None:
        raise ConfigError(
            "a landmark config needs an embedding: give --resume <embedding>.pth, or finetune_from"
        )
    train_set, val_set = _datasets(assembly.with_landmarks(experiment), run)
    model = assembly.build_landmark_model(experiment, train_set.num_landmarks).to(run.device)
    if not start.continued:
        start.fill_backbone(model[0].wrapped_module)
    optimizer = assembly.build_optimizer(experiment, model)
    source, val_source = _descriptor_sources(
        train_set, val_set, model[:-1], experiment, run, limits
    )
    return LandmarkTrainer(
        model,
        optimizer,
        _scheduler(experiment, optimizer, run),
        source,
        run,
        val_source=val_source,
        loss=assembly.build_loss(experiment, run.device),
        metrics=assembly.build_metrics(experiment, train_set),
        pictures=assembly.checked_pictures(experiment),
    )


def _descriptor_sources(train_set, val_set, frozen, experiment, run, limits):
    """Return the batches of descriptors for training and for validation."""
    crop, device, seed = train_set.crop, run.device, experiment.seed
    dtype = getattr(torch, experiment.descriptor_precision)
    cached = partial(CachedDescriptors, dtype=dtype)
    kind = cached if experiment.cache_descriptors else LiveDescriptors
    warper = assembly.build_single_warper(experiment, train_set)
    val_warper = warper if experiment.warp_val else None
    batches = Batches(experiment, run, limits)
    annotated = _repeat(_restrict(batches.cached(train_set), experiment), experiment)
    return (
        kind(
            batches.loader(annotated, training=True),
            DescriptorExtractor(frozen, crop, device, seed, warper, train_set.do_augmentations),
        ),
        kind(
            batches.loader(batches.cached(val_set), training=False),
            DescriptorExtractor(frozen, crop, device, seed, val_warper),
        ),
    )


def _scheduler(experiment, optimizer, run):
    """Return the schedule; the run's log will tell of steps that it never takes."""
    scheduler = assembly.build_scheduler(experiment, optimizer)
    run.warnings += assembly.unreached_milestones(experiment)
    return scheduler


def _repeat(dataset, experiment):
    return repeated(dataset, experiment.min_epoch_images)


def _restrict(dataset, experiment):
    if experiment.restrict_annos is None:
        return dataset
    return call(
        RestrictedAnnotations,
        {},
        "restrict_annos",
        dataset=dataset,
        num_annotations=experiment.restrict_annos,
        seed=experiment.seed,
    )
