"""Photometric augmentation of a batch on its device, with separate random draws for each image.

Order as published: JPEG noise, colour jitter, to [0, 1], PCA lighting. There is no loop over
images: resizing each image to its own size is a pair of matrix products, and JPEG compression is
computed directly (colour transform, chroma at half resolution, 8x8 DCT, quantisation) without its
lossless entropy coding.
"""

import math

import torch
import torch.nn.functional as F

from utils import keyed_random

MEAN = (0.5084, 0.4224, 0.3769)
STD = (0.2599, 0.2371, 0.2323)
LIGHTING_ALPHA_SD = 0.1
LIGHTING_EIGENVALUES = (0.2175, 0.0188, 0.0045)
LIGHTING_EIGENVECTORS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)
JITTER = 0.4
JPEG_QUALITIES = (30, 98)
JPEG_SIDE_SD, JPEG_LEAST_SIDE = 0.5, 0.8

# Streams of keyed random numbers, far from those of the warps; a block for each image of a pair.
FIRST_STREAM, STREAMS_PER_IMAGE = 1000, 16
SIDE, QUALITY, ORDER, FACTORS, LIGHTING = range(5)

LUMA = (0.299, 0.587, 0.114)
RGB_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
YCC_TO_RGB = ((1, 0, 1.402), (1, -0.344136, -0.714136), (1, 1.772, 0))
# Tables K.1 and K.2 of the JPEG standard (ITU-T T.81), which libjpeg scales by the quality.
LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
) + ((99,) * 8,) * 4


def normalise(images):
    """Return images (B, 3, H, W) in 0..255 as float32, with the published mean and deviation."""
    mean, std = (torch.tensor(v, device=images.device).view(3, 1, 1) * 255 for v in (MEAN, STD))
    return (images - mean) / std


def denormalise(images):
    """Return normalised images (B, 3, H, W) as uint8, rounded, and clipped where they exceed it."""
    mean, std = (torch.tensor(v, device=images.device).view(3, 1, 1) * 255 for v in (MEAN, STD))
    return (images * std + mean).round().clamp(0, 255).to(torch.uint8)


def augment(images, keys, view):
    """Return images (B, 3, H, W) uint8 augmented and normalised, float32.

    keys: (B,), keys of the samples' random numbers; view: 0 or 1, which image of a pair.
    """
    H, W = images.shape[-2:]
    stream = FIRST_STREAM + view * STREAMS_PER_IMAGE
    sides = (W * (1 + JPEG_SIDE_SD * keyed_random.normal(keys, stream + SIDE))).long()
    low, high = JPEG_QUALITIES
    qualities = low + (keyed_random.uniform(keys, stream + QUALITY) * (high - low + 1)).long()
    noisy = jpeg_noise(images, sides.clamp(min=int(JPEG_LEAST_SIDE * W)), qualities)

    order = keyed_random.uniform(keys, stream + ORDER, (3,)).argsort(dim=1)
    factors = 1 - JITTER + 2 * JITTER * keyed_random.uniform(keys, stream + FACTORS, (3,))
    jittered = colour_jitter(noisy / 255, order.to(images.device), factors.to(images.device))
    alphas = keyed_random.normal(keys, stream + LIGHTING, (3,)) * LIGHTING_ALPHA_SD
    return normalise(pca_lighting(jittered, alphas.to(images.device)) * 255)


def resize_matrices(in_sizes, out_sizes, rows, cols):
    """Return matrices (B, rows, cols) that resize ``in_sizes`` to ``out_sizes`` samples, both (B,).

    Bilinear, antialiased, with the weights of Pillow's filter. Rows past the out size repeat its
    last row, columns past the in size are zero, so that different sizes share one canvas.
    """
    in_sizes, out_sizes = in_sizes[:, None, None].float(), out_sizes[:, None, None].float()
    i = torch.minimum(torch.arange(rows)[:, None], out_sizes - 1)
    j = torch.arange(cols)
    scale = in_sizes / out_sizes
    support = scale.clamp(min=1)
    weights = (1 - ((j + 0.5 - (i + 0.5) * scale) / support).abs()).clamp(min=0) * (j < in_sizes)
    return weights / weights.sum(dim=-1, keepdim=True)


def resize(images, rows, columns):
    """Return images (B, 3, H, W) resized by matrices (B, H', H) and (B, W', W).

    Values are rounded to 8 bits, as in an image file.
    """
    resized = rows[:, None] @ images @ columns[:, None].mT
    return resized.round().clamp(0, 255)


def jpeg_noise(images, sides, qualities):
    """Return images resized to squares, compressed as JPEG, and resized back.

    images: (B, 3, H, W) uint8; the result is float32 in 0..255.
    sides, qualities: (B,) int64 on the CPU, side of the square and JPEG quality of each image.
    """
    H, W = images.shape[-2:]
    canvas = math.ceil(int(sides.max()) / 16) * 16  # whole 16x16 blocks of 4:2:0 JPEG
    heights, widths = torch.full_like(sides, H), torch.full_like(sides, W)
    there = [
        resize_matrices(size, sides, canvas, n).to(images.device)
        for size, n in ((heights, H), (widths, W))
    ]
    back = [
        resize_matrices(sides, size, n, canvas).to(images.device)
        for size, n in ((heights, H), (widths, W))
    ]
    return resize(jpeg(resize(images.float(), *there), sides, qualities), *back)


def jpeg(images, sides, qualities):
    """Return images (B, 3, h, w), 0..255, after 4:2:0 JPEG compression; h, w are multiples of 16.

    qualities: (B,); sides: (B,), beyond which an image repeats its last row and column.
    """
    ycc = torch.einsum("cd,bdhw->bchw", torch.tensor(RGB_TO_YCC, device=images.device), images)
    luma, chroma = ycc[:, :1] - 128, F.avg_pool2d(ycc[:, 1:], 2)
    luma = _quantise(luma, _quantisation_table(LUMA_TABLE, qualities).to(images.device)) + 128
    chroma = _quantise(chroma, _quantisation_table(CHROMA_TABLE, qualities).to(images.device))
    halves, canvas = (sides + 1) // 2, images.shape[-1]
    up = resize_matrices(halves, 2 * halves, canvas, canvas // 2).to(images.device)
    chroma = up[:, None] @ chroma @ up[:, None].mT  # ends at each image's own edge, as in libjpeg
    ycc = torch.cat([luma, chroma], dim=1)
    rgb = torch.einsum("cd,bdhw->bchw", torch.tensor(YCC_TO_RGB, device=images.device), ycc)
    return rgb.round_().clamp_(0, 255)


def _quantisation_table(table, qualities):
    """Return a table scaled to each quality (B,), as in libjpeg; (B, 8, 8) float32."""
    percent = torch.where(qualities < 50, 5000 // qualities, 200 - 2 * qualities)
    scaled = (torch.tensor(table) * percent[:, None, None] + 50) // 100
    return scaled.clamp(1, 255).float()


def _dct_matrix(device):
    """Return the orthonormal 8-point DCT-II as a matrix."""
    k, n = torch.arange(8, device=device)[:, None], torch.arange(8, device=device)
    matrix = torch.cos((2 * n + 1) * k * math.pi / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix


def _quantise(planes, table):
    """Return planes (B, C, h, w) with their 8x8 DCT rounded to multiples of a table (B, 8, 8)."""
    B, C, h, w = planes.shape
    dct = _dct_matrix(planes.device)
    blocks = planes.view(B, C, h // 8, 8, w // 8, 8).transpose(3, 4)
    table = table.view(B, 1, 1, 1, 8, 8)
    coefficients = ((dct @ blocks @ dct.T) / table).round_() * table
    return (dct.T @ coefficients @ dct).transpose(3, 4).reshape(B, C, h, w)


def colour_jitter(images, order, factors):
    """Return images with changed brightness, contrast and saturation, in random order.

    The changes are blends with black, with the mean grey, and with the grey image.
    images: (B, 3, H, W) in [0, 1].
    order: (B, 3), which change (0, 1, 2) comes first, second, third.
    factors: (B, 3), of brightness, contrast, saturation.
    """
    luma = torch.tensor(LUMA, device=images.device).view(1, 3, 1, 1)
    for step in range(3):
        kind = order[:, step].view(-1, 1, 1, 1)
        factor = factors.gather(1, order[:, step : step + 1]).view(-1, 1, 1, 1)
        grey = (images * luma).sum(dim=1, keepdim=True)
        other = torch.where(kind == 1, grey.mean(dim=(2, 3), keepdim=True), grey) * (kind > 0)
        images = (factor * images + (1 - factor) * other).clamp(0, 1)
    return images


def pca_lighting(images, alphas):
    """Return images (B, 3, H, W) in [0, 1] plus alphas (B, 3) times the principal colours."""
    vectors = torch.tensor(LIGHTING_EIGENVECTORS, device=images.device)
    values = torch.tensor(LIGHTING_EIGENVALUES, device=images.device)
    return images + ((alphas * values) @ vectors.T)[:, :, None, None]
