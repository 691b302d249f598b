"""Augmentation against torchvision and loops; draws against the published distributions."""

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import functional as reference

from data_loader import augmentation
from tests.data_helpers.pictures import smooth_images
from tests.data_helpers.pretend_gpu import PretendGpu
from utils.keyed_random import sample_keys


def keys_of(*indices):
    return sample_keys(0, 1, torch.tensor(indices))


# Colours

@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_colour_jitter_is_that_of_torchvision(order):
    images = torch.rand(4, 3, 9, 13, generator=torch.Generator().manual_seed(0))
    factors = torch.tensor([[0.6, 1.4, 0.8], [1.3, 0.7, 1.4], [1, 1, 1], [1.4, 1.2, 0.6]])
    jittered = augmentation.colour_jitter(images, torch.tensor([order] * 4), factors)
    adjust = (reference.adjust_brightness, reference.adjust_contrast, reference.adjust_saturation)
    for image, factor, found in zip(images, factors, jittered):
        for kind in order:
            image = adjust[kind](image, factor[kind].item())
        torch.testing.assert_close(found, image, rtol=0, atol=1e-3)  # luma .2989 there, .299 here


def test_colour_jitter_of_an_image_does_not_depend_on_its_neighbours():
    images = torch.rand(3, 3, 9, 13)
    order, factors = torch.tensor([[0, 1, 2], [2, 1, 0], [1, 0, 2]]), torch.rand(3, 3) + 0.5
    together = augmentation.colour_jitter(images, order, factors)
    alone = [augmentation.colour_jitter(images[n : n + 1], order[n : n + 1], factors[n : n + 1])
             for n in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-6)


def test_lighting_adds_one_colour_along_the_principal_components():
    values = (0.2175, 0.0188, 0.0045)
    vectors = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
    images = torch.rand(2, 3, 4, 5)
    alphas = torch.tensor([[0.1, -0.2, 0.05], [-0.3, 0.0, 0.2]])
    lit = augmentation.pca_lighting(images, alphas)
    for b in range(2):
        for channel in range(3):
            shift = sum(vectors[channel][k] * values[k] * alphas[b, k].item() for k in range(3))
            torch.testing.assert_close(lit[b, channel], images[b, channel] + shift)


def test_normalisation_constants():
    images = torch.tensor([0, 128, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 2, 4)
    means, deviations = (0.5084, 0.4224, 0.3769), (0.2599, 0.2371, 0.2323)
    found = augmentation.normalise(images)
    assert found.dtype == torch.float32
    for n, value in enumerate((0, 128 / 255, 1)):
        for channel, (mean, sd) in enumerate(zip(means, deviations)):
            expected = torch.full((2, 4), (value - mean) / sd)
            torch.testing.assert_close(found[n, channel], expected)


# The whole

def test_augmentation_of_an_image_does_not_depend_on_its_neighbours():
    images, keys = smooth_images(5), keys_of(*range(5))
    together = augmentation.augment(images, keys, view=0)
    for n in range(5):
        alone = augmentation.augment(images[n : n + 1], keys[n : n + 1], view=0)
        # Rounding to levels goes either way where a sum ends between two of them: less than half
        # a level on average. With draws of another image it is eight levels and more.
        assert (together[n] - alone[0]).abs().mean() < 0.5 / 255 / 0.23


def test_views_samples_and_nothing_else_get_draws_of_their_own():
    images = smooth_images(1).expand(2, -1, -1, -1)
    first, second = (augmentation.augment(images, keys_of(0, 1), view) for view in (0, 1))
    assert torch.equal(augmentation.augment(images, keys_of(0, 1), 0), first)
    for one, other in ((first[0], second[0]), (first[0], first[1]), (first[1], second[1])):
        assert (one - other).abs().mean() > 0.02


def test_both_views_of_a_pair_are_augmented_as_each_alone():
    views = smooth_images(8).split(4)
    keys = keys_of(*range(4))
    drawn = augmentation.Augmentation.draw(keys, range(2), width=40)
    numbers, canvases = [one.numbers for one in drawn], [one.canvas for one in drawn]
    together = augmentation.augment_pair(views, numbers, canvases)
    for number, (view, found) in enumerate(zip(views, together, strict=True)):
        assert torch.equal(found, augmentation.augment(view, keys, number))
    with PretendGpu() as gpu:
        sent = ([one.to(gpu.device) for one in tensors] for tensors in (views, numbers))
        for found, expected in zip(augmentation.augment_pair(*sent, canvases), together):
            # Here rounding to levels may go either way.
            assert (found.cpu() - expected).abs().mean() < 0.01


@pytest.fixture(scope="module")
def draws():
    """What the steps are called with for many images of width 100."""
    images, found = torch.zeros(20_000, 3, 1, 100, dtype=torch.uint8), {}

    def record(names, images, *values):
        found.update(zip(names, values))
        return images

    with pytest.MonkeyPatch.context() as patch:
        for step, names in (("jpeg_noise", ("sides", "qualities")),
                            ("colour_jitter", ("order", "factors")),
                            ("pca_lighting", ("alphas",))):
            patch.setattr(augmentation, step,
                          lambda *args, names=names: record(names, *args))
        augmentation.augment(images, keys_of(*range(20_000)), view=1)
    return found


def test_sides_are_normal_around_the_width_and_at_least_four_fifths(draws):
    sides = draws["sides"].numpy()
    assert sides.min() == 80
    assert (sides == 80).mean() == pytest.approx(stats.norm.cdf(81, 100, 50), abs=0.015)
    above = sides[sides > 80] + 0.5  # truncated: in the middle of a pixel on average
    expected = stats.truncnorm((81 - 100) / 50, np.inf, 100, 50)
    assert stats.kstest(above, expected.cdf).statistic < 0.02


def test_qualities_are_uniform_from_30_to_98(draws):
    counts = np.bincount(draws["qualities"].int().numpy())
    assert counts[:30].sum() == 0 and len(counts) == 99
    assert stats.chisquare(counts[30:]).pvalue > 1e-3


def test_colour_factors_are_uniform_and_every_order_is_as_likely(draws):
    factors = draws["factors"].numpy()
    for column in factors.T:
        assert stats.kstest(column, stats.uniform(0.6, 0.8).cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(factors.T)[np.triu_indices(3, 1)]).max() < 4 / np.sqrt(len(factors))
    _, counts = np.unique(draws["order"].numpy(), axis=0, return_counts=True)
    assert len(counts) == 6 and stats.chisquare(counts).pvalue > 1e-3


def test_lighting_deviates_by_a_tenth(draws):
    for column in draws["alphas"].numpy().T:
        assert stats.kstest(column, stats.norm(0, 0.1).cdf).pvalue > 1e-3
