"""The noise of resizing and JPEG compression, of a batch of images on its device.

Resizing each image to its own size is a pair of matrix products. JPEG compression is computed
directly (colour transform, chroma at half resolution, 8x8 DCT, quantisation) without its lossless
entropy coding.
"""

import math

import torch
import torch.nn.functional as F

from utils.transfer import constant

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


def resize_matrices(in_sizes, out_sizes, rows, cols):
    """Return matrices (B, rows, cols) that resize ``in_sizes`` to ``out_sizes`` samples, both (B,).

    Bilinear, antialiased, with the weights of Pillow's filter. Rows past the out size repeat its
    last row, columns past the in size are zero, so that different sizes share one canvas.
    """
    in_sizes, out_sizes = in_sizes[:, None, None].float(), out_sizes[:, None, None].float()
    # Centres of the pixels of both, whose left edges are at 0.
    out = torch.arange(0.5, rows, device=in_sizes.device)[:, None]
    within = torch.arange(0.5, cols, device=in_sizes.device)
    scale = in_sizes / out_sizes
    centres = torch.minimum(out, out_sizes - 0.5) * scale
    weights = (scale.clamp(min=1) - (within - centres).abs()).clamp_(min=0) * (within < in_sizes)
    return weights / weights.sum(dim=-1, keepdim=True)


def resize(images, rows, columns):
    """Return images (B, 3, H, W) resized by matrices (B, H', H) and (B, W', W).

    Values are rounded to 8 bits, as in an image file.
    """
    narrow = images.flatten(1, 2) @ columns.mT  # one product for all colours
    return (rows[:, None] @ narrow.unflatten(1, images.shape[1:3])).round_().clamp_(0, 255)


def canvas_for(sides):
    """Return a side that holds squares of all sides (B,), on the CPU: whole 16x16 blocks of 4:2:0
    JPEG.
    """
    return math.ceil(int(sides.max()) / 16) * 16


def jpeg_noise(images, sides, qualities, canvas):
    """Return images resized to squares, compressed as JPEG, and resized back.

    images: (B, 3, H, W) uint8; the result is float32 in 0..255.
    sides, qualities: (B,), side of the square and JPEG quality of each image, whole numbers.
    canvas: of ``canvas_for``.
    """
    there, back = [], []
    for n in dict.fromkeys(images.shape[-2:]):  # a matrix for both axes of a square
        size = torch.full_like(sides, n)
        there.append(resize_matrices(size, sides, canvas, n))
        back.append(resize_matrices(sides, size, n, canvas))
    small = resize(images.float(), there[0], there[-1])
    return resize(jpeg(small, sides, qualities), back[0], back[-1])


def jpeg(images, sides, qualities):
    """Return images (B, 3, h, w), 0..255, after 4:2:0 JPEG compression; h, w are multiples of 16.

    qualities: (B,); sides: (B,), beyond which an image repeats its last row and column.
    """
    ycc = _mix_channels(images, RGB_TO_YCC)
    luma, chroma = ycc[:, :1] - 128, F.avg_pool2d(ycc[:, 1:], 2)
    tables = quantisation_tables(qualities)
    luma, chroma = _quantise(luma, tables[:, 0]) + 128, _quantise(chroma, tables[:, 1])
    halves, canvas = (sides + 1) // 2, images.shape[-1]
    up = resize_matrices(halves, 2 * halves, canvas, canvas // 2)
    chroma = up[:, None] @ chroma @ up[:, None].mT  # ends at each image's own edge, as in libjpeg
    rgb = _mix_channels(torch.cat([luma, chroma], dim=1), YCC_TO_RGB)
    return rgb.round_().clamp_(0, 255)


def _mix_channels(images, matrix):
    """Return images (B, 3, h, w) whose channels are mixtures of the given ones."""
    mixture = constant(matrix, images.device).expand(len(images), 3, 3)
    return (mixture @ images.flatten(2)).view_as(images)


def quantisation_tables(qualities):
    """Return the tables of luma and chroma scaled to each quality (B,), a whole number, as in
    libjpeg; (B, 2, 8, 8) float32.
    """
    percent = torch.where(qualities < 50, 5000 // qualities, 200 - 2 * qualities)
    tables = constant((LUMA_TABLE, CHROMA_TABLE), qualities.device)
    return ((tables * percent[:, None, None, None] + 50) // 100).clamp(1, 255)


def _dct_matrix():
    """Return the orthonormal 8x8-point DCT-II as a matrix, (64, 64)."""
    k, n = torch.arange(8)[:, None], torch.arange(8)
    matrix = torch.cos((2 * n + 1) * k * math.pi / 16) / 2
    matrix[0] /= math.sqrt(2)
    return torch.kron(matrix, matrix)


DCT = tuple(map(tuple, _dct_matrix().tolist()))


def _quantise(planes, table):
    """Return planes (B, C, h, w) with their 8x8 DCT rounded to multiples of a table (B, 8, 8)."""
    B, C, h, w = planes.shape
    dct, table = constant(DCT, planes.device), table.view(B, 1, 64)
    blocks = planes.view(B, C, h // 8, 8, w // 8, 8).transpose(3, 4).reshape(B, -1, 64)
    blocks = ((blocks @ dct.T) / table).round_().mul_(table) @ dct
    return blocks.view(B, C, h // 8, w // 8, 8, 8).transpose(3, 4).reshape(B, C, h, w)
