"""Descriptors of annotated images, computed live or kept."""

import time
from functools import partial

import pytest
import torch

from data_loader.augmentation import normalise
from data_loader.batches import make_loader
from data_loader.cache import ItemCache, in_memory
from data_loader.few_annotations import RestrictedAnnotations
from data_loader.synthetic_faces import SyntheticFaces
from model.keypoint_regressor import FrozenBackbone
from model.smallnet import SmallNet
from trainer.descriptors import CachedDescriptors, DescriptorExtractor, LiveDescriptors, _place
from trainer.resume import StartingPoint
from trainer.training import build_trainer
from utils.config.read import read_config
from utils.geometry.warper import WarperSingle
from utils.run import Run

CPU = torch.device("cpu")


def faces(count=7):
    return SyntheticFaces("train", imwidth=24, crop=4, use_keypoints=True, num_images=count)


# In a batch of another size, as a part of the largest descriptor: six layers of sums of up to 10^3
# products, in another order, are off by 6 * sqrt(10^3) * 6e-8 = 1e-5; a few times that is allowed.
ROUNDED = 5e-5


@pytest.fixture
def frozen():
    torch.manual_seed(0)
    return FrozenBackbone(SmallNet(4))


def both_sources(dataset, frozen, training=True, dtype=torch.float16, **extraction):
    extract = DescriptorExtractor(frozen, 4, CPU, 5, **extraction)
    return [source(make_loader(dataset, 3, CPU, seed=1, training=training), extract)
            for source in (LiveDescriptors, partial(CachedDescriptors, dtype=dtype))]


def assert_same_batches(live, cached):
    for batch, same in zip(live, cached, strict=True):
        assert torch.equal(same["index"], batch["index"])
        torch.testing.assert_close(same["target"], batch["target"])
        difference = (same["descriptors"] - batch["descriptors"]).abs()
        assert difference.mean() < 1e-3 * batch["descriptors"].abs().mean()


@pytest.mark.parametrize("training", [True, False])
def test_cached_descriptors_are_the_live_ones_in_every_epoch(frozen, training):
    live, cached = both_sources(faces(10), frozen, training)
    for epoch in (1, 2):
        live.batch_sampler.epoch = cached.batch_sampler.epoch = epoch
        assert_same_batches(live, cached)


@pytest.mark.parametrize("dtype, precision", [(torch.float16, 2**-11), (torch.float32, 0)])
def test_cached_descriptors_are_rounded_as_asked(frozen, dtype, precision):
    _, cached = both_sources(faces(9), frozen, training=False, dtype=dtype)
    (expected,) = make_loader(faces(9), 9, CPU)
    expected = DescriptorExtractor(frozen, 4, CPU, 5)(expected, epoch=0)["descriptors"]
    found = torch.cat([batch["descriptors"] for batch in cached])
    assert cached.descriptors.dtype == dtype and found.dtype == torch.float32
    error = (found - expected).abs()
    largest = expected.abs().max()
    assert (error <= precision * expected.abs() + ROUNDED * largest).all()
    assert (error.max() > ROUNDED * largest) == bool(precision)


def test_descriptors_too_many_for_a_device_stay_on_the_host(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 2000))
    gpu = torch.device("cuda:0")
    assert [_place(size, gpu) for size in (500, 501)] == [gpu, CPU]
    assert _place(10**15, CPU) == CPU


def test_cache_fixes_the_warps_of_epoch_0(frozen):
    live, cached = both_sources(faces(6), frozen, warper=WarperSingle(24, 24, 4, rotsd=20))
    assert_same_batches(live, cached)
    fixed = {int(n): row for batch in cached for n, row in zip(batch["index"], batch["target"])}
    live.batch_sampler.epoch = cached.batch_sampler.epoch = 1
    for batch, again in zip(live, cached, strict=True):
        assert all(torch.equal(row, fixed[int(n)])
                   for n, row in zip(again["index"], again["target"]))
        assert (again["target"] - batch["target"]).abs().max() > 0.02


def test_descriptors_of_augmented_images_differ_from_epoch_to_epoch(frozen):
    live, plain = (both_sources(faces(6), frozen, augmented=augmented)[0]
                   for augmented in (True, False))
    first, unchanged = ([batch["descriptors"] for batch in source] for source in (live, plain))
    again = [batch["descriptors"] for batch in live]
    live.batch_sampler.epoch = 1
    later = torch.cat([batch["descriptors"][batch["index"].argsort()] for batch in live])
    assert torch.equal(torch.cat(first), torch.cat(again))
    for other in (torch.cat(unchanged), later):
        assert (torch.cat(first) - other).abs().mean() > 0.01 * other.abs().mean()


def test_copies_of_few_annotations_get_warps_of_their_own(frozen):
    copies = RestrictedAnnotations(faces(), 1, 0)
    _, cached = both_sources(copies, frozen, False, warper=WarperSingle(24, 24, 4, rotsd=20))
    targets = torch.cat([batch["target"] for batch in cached])
    assert len(targets.flatten(1).unique(dim=0)) == len(copies) == 7


def test_descriptors_are_computed_once(frozen):
    calls = []
    frozen.register_forward_hook(lambda module, inputs, output: calls.append(len(output)))
    _, cached = both_sources(ItemCache(faces(40), in_memory), frozen)
    for epoch in (1, 2):
        cached.batch_sampler.epoch = epoch
        assert len(list(cached)) == 13
    assert sum(calls) == 40


def test_extraction_crops_normalises_and_moves_landmarks(frozen):
    dataset = faces(3)
    (batch,) = make_loader(dataset, 3, CPU)
    part = DescriptorExtractor(frozen, 4, CPU)(batch, epoch=9)
    for n, item in enumerate(dataset[n] for n in range(3)):
        window = item["image"][:, 4:20, 4:20]
        assert torch.equal(part["images"][n], window)
        expected = frozen(normalise(window[None]))[0]
        difference = (part["descriptors"][n] - expected).abs().max()
        assert difference <= ROUNDED * expected.abs().max()
        assert part["target"][n].numpy() == pytest.approx(
            (item["keypts"].numpy() - 4) / 15 * 2 - 1, abs=1e-5)
    assert not part["descriptors"].requires_grad


def test_the_time_of_no_epoch_counts_the_descriptors_that_are_kept(
        landmark_config, trained_embedding, monkeypatch):
    config = read_config(landmark_config(trainer={"epochs": 2}))
    start = StartingPoint.read(config, trained_embedding.checkpoint(3))
    trainer = build_trainer(config, start, Run(start.folder(config), config))
    events, train_epoch = [], trainer.train_epoch
    monkeypatch.setattr(trainer, "train_epoch",
                        lambda epoch: events.append("epoch") or train_epoch(epoch))
    clock = time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: events.append("clock") or clock())
    trainer.model[0].register_forward_hook(lambda *passed: events.append("descriptors"))
    with trainer.run.open([]):
        trainer.fit()
    last = max(n for n, event in enumerate(events) if event == "descriptors")
    assert events[last + 1 : last + 3] == ["clock", "epoch"] and events.index("epoch") == last + 2
    assert events.count("epoch") == 2 and events.count("descriptors") >= 2
