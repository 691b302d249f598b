"""Images of one dot, and where it is."""

import torch


def dot_images(points, H, W):
    """Return black images, each with a soft white dot at its point (N, 2)."""
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    squared = (x - points[:, :1, None]) ** 2 + (y - points[:, 1:, None]) ** 2
    return (250 * torch.exp(-squared / 4.5))[:, None].expand(-1, 3, -1, -1).to(torch.uint8)


def centres_of_light(images):
    """Return the mean place of light of images (N, 3, H, W), weighted by it: (N, 2)."""
    light = images[:, 0].double()
    y, x = torch.meshgrid(*map(torch.arange, light.shape[1:]), indexing="ij")
    return torch.stack([(light * axis).sum(dim=(1, 2)) for axis in (x, y)], 1) \
        / light.sum(dim=(1, 2))[:, None]
