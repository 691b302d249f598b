"""The crop: pixels cut from every side of an image, after it was warped, and from its landmarks."""

from utils.geometry.coordinates import half_frame


def crop_images(images, crop):
    """Return images (..., H, W) without ``crop`` pixels on every side."""
    H, W = images.shape[-2:]
    return images[..., crop : H - crop, crop : W - crop]


def crop_points(points, crop):
    """Return points (..., 2), in pixels of an image, in pixels of the cropped one."""
    return points - crop


def crop_grid(grid, crop):
    """Return the sampling grid (B, h, w, 2) of the cropped image, normalised there, of a grid
    (B, H, W, 2) over the whole one.
    """
    H, W = grid.shape[1:3]
    inner = grid[:, crop : H - crop, crop : W - crop]
    # The middle, 0, stays where it is: both sides lose as much.
    return inner * (half_frame(H, W, grid) / half_frame(H - 2 * crop, W - 2 * crop, grid))
