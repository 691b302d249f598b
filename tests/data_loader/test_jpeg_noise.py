"""JPEG noise and resizing against Pillow, image by image."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from data_loader.jpeg_noise import (
    canvas_for,
    jpeg_noise,
    quantisation_tables,
    resize,
    resize_matrices,
)
from tests.data_helpers.pictures import smooth_images


def noise_of(images, sides, qualities):
    return jpeg_noise(images, sides, qualities, canvas_for(sides))


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
    noisy = noise_of(images, sides, qualities)
    expected = torch.stack([pillow_noise(image, side, quality) for image in images])
    difference, noise = (noisy - expected).abs(), (expected - images).abs()
    assert noisy.shape == images.shape and noisy.dtype == torch.float32
    assert difference.mean() < 2  # of 255
    assert difference.mean() < noise.mean() / 3
    assert difference.flatten().quantile(0.99) < 14  # where a DCT coefficient is nearly a tie


def test_jpeg_noise_grows_as_the_quality_falls():
    images, sides = smooth_images(8), torch.full((8,), 40)
    noise = [
        (noise_of(images, sides, torch.full((8,), q)) - images).abs().mean().item()
        for q in (98, 75, 50, 30)
    ]
    assert noise == sorted(noise) and noise[-1] > 2 * noise[0]


@pytest.mark.parametrize("quality", [30, 50, 75, 98])
def test_quantisation_tables_are_those_of_libjpeg(quality):
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG", quality=quality)
    written = Image.open(file).quantization
    for number, ours in enumerate(quantisation_tables(torch.tensor([float(quality)]))[0]):
        assert ours.flatten().tolist() == list(written[number])


def test_a_constant_image_survives_jpeg():
    images = torch.tensor([200, 30, 90], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 32, 48)
    noisy = noise_of(images, torch.tensor([37]), torch.tensor([98]))
    assert (noisy - images).abs().max() <= 2


@pytest.mark.parametrize("sides", [(41, 80), (47, 50), (48, 80), (64, 65)])
def test_jpeg_noise_of_an_image_does_not_depend_on_its_neighbours(sides):
    images = torch.randint(256, (2, 3, 40, 40), generator=torch.Generator().manual_seed(0),
                           dtype=torch.uint8)
    sides, qualities = torch.tensor(sides), torch.tensor([40, 60])
    together = noise_of(images, sides, qualities)
    for n in range(2):
        part = slice(n, n + 1)
        alone = noise_of(images[part], sides[part], qualities[part])
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
    matrix = resize_matrices(*sizes, rows=out_size, cols=in_size)[0]
    np.testing.assert_allclose(matrix.numpy() @ column, expected, atol=1e-3)


def test_resizing_matrices_of_several_sizes_share_a_canvas():
    in_sizes, out_sizes = torch.tensor([10, 16, 7]), torch.tensor([14, 12, 16])
    shared = resize_matrices(in_sizes, out_sizes, rows=16, cols=16)
    for n, (size, out_size) in enumerate(zip(in_sizes, out_sizes)):
        own = resize_matrices(
            in_sizes[n : n + 1], out_sizes[n : n + 1], rows=int(out_size), cols=int(size))[0]
        # Each row is divided by its sum, whose order depends on the canvas.
        torch.testing.assert_close(shared[n, :out_size, :size], own, rtol=0, atol=1e-6)
        assert (shared[n, :, size:] == 0).all()
        assert (shared[n, out_size:] == shared[n, out_size - 1]).all()


def test_resize_equals_pillow_within_its_rounding():
    images = smooth_images(1, 30, 44)
    sizes = {"rows": (30, 25), "columns": (44, 37)}
    matrices = {
        name: resize_matrices(torch.tensor([a]), torch.tensor([b]), rows=b, cols=a)
        for name, (a, b) in sizes.items()
    }
    resized = resize(images.float(), **matrices)[0].permute(1, 2, 0)
    picture = Image.fromarray(images[0].permute(1, 2, 0).numpy())
    expected = np.asarray(picture.resize((37, 25), Image.BILINEAR)).astype(float)
    assert np.abs(resized.numpy() - expected).max() <= 1
    assert torch.equal(resized, resized.round())
