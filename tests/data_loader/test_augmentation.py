"""Augmentation against Pillow, torchvision and loops; draws against the published distributions."""

import io
from itertools import permutations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import stats
from torchvision.transforms import functional as reference

from data_loader import augmentation
from utils.keyed_random import sample_keys


def smooth_images(count, H=40, W=40, seed=0):
    coarse = torch.rand(count, 3, 7, 7, generator=torch.Generator().manual_seed(seed))
    images = F.interpolate(40 + 180 * coarse, (H, W), mode="bicubic", align_corners=False)
    return images.clamp(0, 255).to(torch.uint8)


def keys_of(*indices):
    return sample_keys(0, 1, torch.tensor(indices))


def pillow_noise(image, side, quality):
    """Return what Pillow makes of an image (3, H, W): smaller, to JPEG, back."""
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    file = io.BytesIO()
    picture.resize((side, side), Image.BILINEAR).save(file, "JPEG", quality=quality)
    back = Image.open(file).convert("RGB").resize(picture.size, Image.BILINEAR)
    return torch.from_numpy(np.array(back)).permute(2, 0, 1).float()


# JPEG noise

@pytest.mark.parametrize("H, W", [(40, 40), (34, 48)])
@pytest.mark.parametrize("side, quality",
                         [(32, 30), (33, 45), (40, 49), (41, 50), (44, 51), (64, 70), (75, 98)])
def test_jpeg_noise_is_that_of_pillow(H, W, side, quality):
    images = smooth_images(6, H, W)
    sides, qualities = torch.full((6,), side), torch.full((6,), quality)
    noisy = augmentation.jpeg_noise(images, sides, qualities)
    expected = torch.stack([pillow_noise(image, side, quality) for image in images])
    difference, noise = (noisy - expected).abs(), (expected - images).abs()
    assert noisy.shape == images.shape and noisy.dtype == torch.float32
    assert difference.mean() < 2  # of 255
    assert difference.mean() < noise.mean() / 3
    assert difference.flatten().quantile(0.99) < 14  # where a DCT coefficient is nearly a tie


def test_jpeg_noise_grows_as_the_quality_falls():
    images, sides = smooth_images(8), torch.full((8,), 40)
    noise = [
        (augmentation.jpeg_noise(images, sides, torch.full((8,), q)) - images).abs().mean().item()
        for q in (98, 75, 50, 30)
    ]
    assert noise == sorted(noise) and noise[-1] > 2 * noise[0]


@pytest.mark.parametrize("quality", [30, 50, 75, 98])
def test_quantisation_tables_are_those_of_libjpeg(quality):
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG", quality=quality)
    written = Image.open(file).quantization
    for number, table in enumerate((augmentation.LUMA_TABLE, augmentation.CHROMA_TABLE)):
        ours = augmentation._quantisation_table(table, torch.tensor([quality]))
        assert ours.flatten().int().tolist() == list(written[number])


def test_a_constant_image_survives_jpeg():
    images = torch.tensor([200, 30, 90], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 32, 48)
    noisy = augmentation.jpeg_noise(images, torch.tensor([37]), torch.tensor([98]))
    assert (noisy - images).abs().max() <= 2


@pytest.mark.parametrize("sides", [(41, 80), (47, 50), (48, 80), (64, 65)])
def test_jpeg_noise_of_an_image_does_not_depend_on_its_neighbours(sides):
    images = torch.randint(256, (2, 3, 40, 40), generator=torch.Generator().manual_seed(0),
                           dtype=torch.uint8)
    sides, qualities = torch.tensor(sides), torch.tensor([40, 60])
    together = augmentation.jpeg_noise(images, sides, qualities)
    for n in range(2):
        part = slice(n, n + 1)
        alone = augmentation.jpeg_noise(images[part], sides[part], qualities[part])
        changed = (together[part] - alone).abs() > 1  # level
        # A coefficient between two steps is rounded to either, and its block with it. With the
        # neighbour's side or quality all blocks differ.
        assert changed.float().mean() < 0.2


# Resizing

@pytest.mark.parametrize("in_size, out_size", [(40, 32), (40, 40), (40, 61), (17, 40), (50, 9)])
def test_resizing_matrix_is_pillows_bilinear_filter(in_size, out_size):
    column = np.random.default_rng(0).uniform(0, 255, in_size).astype(np.float32)
    picture = Image.fromarray(np.tile(column[:, None], (1, 3)))
    expected = np.asarray(picture.resize((3, out_size), Image.BILINEAR))[:, 0]
    sizes = torch.tensor([in_size]), torch.tensor([out_size])
    matrix = augmentation.resize_matrices(*sizes, rows=out_size, cols=in_size)[0]
    np.testing.assert_allclose(matrix.numpy() @ column, expected, atol=1e-3)


def test_resizing_matrices_of_several_sizes_share_a_canvas():
    in_sizes, out_sizes = torch.tensor([10, 16, 7]), torch.tensor([14, 12, 16])
    shared = augmentation.resize_matrices(in_sizes, out_sizes, rows=16, cols=16)
    for n, (size, out_size) in enumerate(zip(in_sizes, out_sizes)):
        own = augmentation.resize_matrices(
            in_sizes[n : n + 1], out_sizes[n : n + 1], rows=int(out_size), cols=int(size))[0]
        # Each row is divided by its sum, whose order depends on the canvas.
        torch.testing.assert_close(shared[n, :out_size, :size], own, rtol=0, atol=1e-6)
        assert (shared[n, :, size:] == 0).all()
        assert (shared[n, out_size:] == shared[n, out_size - 1]).all()


def test_resize_equals_pillow_within_its_rounding():
    images = smooth_images(1, 30, 44)
    sizes = {"rows": (30, 25), "columns": (44, 37)}
    matrices = {
        name: augmentation.resize_matrices(torch.tensor([a]), torch.tensor([b]), rows=b, cols=a)
        for name, (a, b) in sizes.items()
    }
    resized = augmentation.resize(images.float(), **matrices)[0].permute(1, 2, 0)
    picture = Image.fromarray(images[0].permute(1, 2, 0).numpy())
    expected = np.asarray(picture.resize((37, 25), Image.BILINEAR)).astype(float)
    assert np.abs(resized.numpy() - expected).max() <= 1
    assert torch.equal(resized, resized.round())


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
    counts = np.bincount(draws["qualities"].numpy())
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
