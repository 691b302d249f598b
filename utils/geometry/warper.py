"""Random warps named in configs: ``Warper`` makes training pairs, ``WarperSingle`` augments."""

from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch

from utils.geometry import coordinates, tps
from utils.geometry.crop import crop_grid, crop_images, crop_points
from utils.keyed_random import Stream, draw, to_normal
from utils.transfer import send_together

# Streams of keyed random numbers; each warp of a pair has its own block of them.
STREAMS_PER_WARP = 8
CONTROLS_ALL, CONTROLS_SUBSET, SUBSET_MASK, ROTATION, SCALE, TRANSLATION = range(6)


@dataclass(frozen=True)
class WarpDeviations:
    """Standard deviations of one random warp, named as in configs (see ``RandomWarp``)."""

    warpsd_all: float
    warpsd_subset: float
    transsd: float
    scalesd: float
    rotsd: float

    def __post_init__(self):
        for name, value in vars(self).items():
            if value < 0:
                raise ValueError(f"{name} = {value}, expected a number >= 0")

    def times(self, bend, affine):
        """Return deviations multiplied by ``bend`` (control points) and ``affine`` (all others)."""
        return WarpDeviations(
            self.warpsd_all * bend,
            self.warpsd_subset * bend,
            self.transsd * affine,
            self.scalesd * affine,
            self.rotsd * affine,
        )

    def scaled(self, controls, subset, mask, rotation, scale, translation):
        """Return the ``WarpParameters`` of random numbers, those of ``warp_streams``."""
        in_subset = mask > 0.5
        normal = to_normal(torch.where(in_subset, subset, controls))
        return tps.WarpParameters(
            control_weights=normal * torch.where(in_subset, self.warpsd_subset, self.warpsd_all),
            rotation_deg=rotation * self.rotsd,
            scale=1 + scale * self.scalesd,
            translation=translation * self.transsd,
        )

    def draw_published(self, generator):
        """Draw one warp from a CPU generator, in the order of calls of the published runs."""
        shape, normal = (tps.NUM_CONTROLS, 2), partial(torch.randn, generator=generator)
        controls = normal(shape) * self.warpsd_all
        in_subset = torch.rand(shape, generator=generator) > 0.5
        controls[in_subset] = normal(int(in_subset.sum())) * self.warpsd_subset
        rotation = normal(1) * self.rotsd
        scale = 1 + normal(1) * self.scalesd
        translation = torch.cat([normal(1), normal(1)]) * self.transsd
        return tps.WarpParameters(controls[None], rotation, scale, translation[None])


def warp_streams(warp_number):
    """Return the streams of one warp of a sample, in the order of ``WarpDeviations.scaled``.

    Two uniform numbers for each control point's coordinate, and the mask that chooses the one to
    make normal; then rotation, scale and translation.
    """
    first, shape = warp_number * STREAMS_PER_WARP, (tps.NUM_CONTROLS, 2)
    return [
        Stream(first + CONTROLS_ALL, shape),
        Stream(first + CONTROLS_SUBSET, shape),
        Stream(first + SUBSET_MASK, shape),
        Stream(first + ROTATION, is_normal=True),
        Stream(first + SCALE, is_normal=True),
        Stream(first + TRANSLATION, (2,), is_normal=True),
    ]


@dataclass(frozen=True)
class WarpedPair:
    """Two views of each image, cropped to h x w.

    ``grid_1to2``, normalised, maps each pixel of ``first`` to its point in ``second``: sampling
    ``second`` there gives ``first``.
    """

    first: torch.Tensor  # (B, 3, h, w) uint8
    second: torch.Tensor  # (B, 3, h, w) uint8
    grid_1to2: torch.Tensor  # (B, h, w, 2)
    keypts_first: torch.Tensor  # (B, K, 2), pixels
    keypts_second: torch.Tensor  # (B, K, 2), pixels


class RandomWarp:
    """Base of both warpers: random warps of a whole batch, on the device of its images.

    H, W: size of the images before the crop.
    crop: pixels cut from every side after warping.
    deviations: ``WarpDeviations`` of the warps of a sample, in order.

    warpsd_all: standard deviation of the control points' weights, normalised coordinates.
    warpsd_subset: that of a random half of their coordinates, in place of ``warpsd_all``.
    transsd: standard deviation of the translation, normalised coordinates.
    scalesd: standard deviation of the scale, a factor around 1.
    rotsd: standard deviation of the rotation, degrees.
    """

    def __init__(self, H, W, crop, deviations):
        if crop < 0 or 2 * crop >= min(H, W):
            raise ValueError(
                f"crop = {crop}, expected 0 <= crop < {(min(H, W) + 1) // 2}, "
                f"half of the {W}x{H} image"
            )
        self.H, self.W, self.crop, self.deviations = H, W, crop, deviations
        self.side = W - 2 * crop  # of the cropped image
        self._basis = tps.tps_basis(coordinates.lattice(H, W))

    def draw_keyed(self, keys):
        """Return the warps of a batch, a list of ``WarpParameters``, drawn from keys (B,)."""
        warps = [warp_streams(number) for number in range(len(self.deviations))]
        numbers = iter(draw(keys, sum(warps, [])))
        return [
            deviations.scaled(*islice(numbers, len(streams)))
            for deviations, streams in zip(self.deviations, warps)
        ]

    def draw_published(self, num_images, generator):
        """Return the warps of a batch, drawn from a CPU generator, image by image, as published."""
        draws = [
            [deviation.draw_published(generator) for deviation in self.deviations]
            for _ in range(num_images)
        ]
        return [tps.WarpParameters.stack(warps) for warps in zip(*draws)]

    def draw_identity(self, num_images):
        """Return the identity warps of a batch."""
        zero = torch.zeros(num_images)
        still = tps.WarpParameters(
            zero.new_zeros(num_images, tps.NUM_CONTROLS, 2),
            zero,
            zero + 1,
            zero.new_zeros(num_images, 2),
        )
        return [still] * len(self.deviations)

    def __call__(self, images, keypts, draws):
        """Return what ``warp`` returns of images, landmarks, and a list of ``WarpParameters``."""
        weights = send_together([tps.tps_weights(warp) for warp in draws], images.device)
        return self.warp(images, keypts, weights)

    def _grid(self, weights):
        if self._basis.device != weights.device:
            self._basis = self._basis.to(weights.device)
        return tps.sampling_grid(self._basis, weights, self.H, self.W)

    def _finish_images(self, warped):
        # Truncated, not rounded, as the published runs did.
        return crop_images(warped, self.crop).clamp(0, 255).to(torch.uint8)

    def _finish_keypts(self, points):
        return crop_points(coordinates.to_pixels(points, self.H, self.W), self.crop)


class Warper(RandomWarp):
    """Warps each image twice, A then B, for a training pair (see ``WarpedPair``).

    The deviations are B's, at least 0. A's are multiples of them:

    im1_multiplier: factor of A's control points; at least 0.
    im1_multiplier_aff: factor of A's translation, scale and rotation; at least 0.
    """

    def __init__(
        self,
        H: int,
        W: int,
        crop: int = 0,
        warpsd_all: float = 0.001,
        warpsd_subset: float = 0.01,
        transsd: float = 0.1,
        scalesd: float = 0.1,
        rotsd: float = 5,
        im1_multiplier: float = 0.5,
        im1_multiplier_aff: float = 1,
    ):
        second = WarpDeviations(warpsd_all, warpsd_subset, transsd, scalesd, rotsd)
        if min(im1_multiplier, im1_multiplier_aff) < 0:
            raise ValueError("im1_multiplier and im1_multiplier_aff: expected numbers >= 0")
        first = second.times(im1_multiplier, im1_multiplier_aff)
        super().__init__(H, W, crop, [first, second])

    def warp(self, images, keypts, weights):
        """Return the ``WarpedPair`` of images (B, 3, H, W) uint8 and landmarks (B, K, 2) in pixels.

        weights: those of both warps (``tps.tps_weights``), on the device of the images.
        """
        grid_a, grid_b = map(self._grid, weights)
        second = tps.sample(images.float(), grid_a)
        first = tps.sample(second, grid_b)
        points_second = tps.nearest_lattice_points(
            coordinates.to_normalised(keypts, self.H, self.W), grid_a
        )
        points_first = tps.nearest_lattice_points(points_second, grid_b)
        return WarpedPair(
            self._finish_images(first),
            self._finish_images(second),
            crop_grid(grid_b, self.crop),
            self._finish_keypts(points_first),
            self._finish_keypts(points_second),
        )


class WarperSingle(RandomWarp):
    """Warps each image once, to augment annotated images."""

    def __init__(
        self,
        H: int,
        W: int,
        crop: int = 0,
        warpsd_all: float = 0.0005,
        warpsd_subset: float = 0,
        transsd: float = 0.02,
        scalesd: float = 0.02,
        rotsd: float = 2,
    ):
        super().__init__(
            H, W, crop, [WarpDeviations(warpsd_all, warpsd_subset, transsd, scalesd, rotsd)]
        )

    def warp(self, images, keypts, weights):
        """Return warped images (B, 3, h, w) uint8 and their landmarks (B, K, 2), in pixels.

        images: (B, 3, H, W) uint8; keypts: (B, K, 2), in pixels of these images.
        weights: a list of one, the warp's (``tps.tps_weights``), on the device of the images.
        """
        grid = self._grid(*weights)
        points = tps.nearest_lattice_points(coordinates.to_normalised(keypts, self.H, self.W), grid)
        return self._finish_images(tps.sample(images.float(), grid)), self._finish_keypts(points)
