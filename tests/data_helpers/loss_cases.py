"""Random descriptor maps and grids for the dense losses, and what comes back."""

import torch

ALIKE = 5  # keeps softmax off its corners, and gradients off 0, where logits reach 400


def random_case(B, C, h, w, stride, dtype=torch.float64, alike=0, requires_grad=False):
    """Return two descriptor maps and a grid that reaches a bit beyond the image.

    ``alike``: how large the part is that all descriptors share.
    """
    generator = torch.Generator().manual_seed(0)
    shared = alike * torch.randn(C, 1, 1, generator=generator, dtype=torch.float64)
    noise = torch.randn(2, B, C, h, w, generator=generator, dtype=torch.float64)
    descriptors = [(part + shared).to(dtype).requires_grad_(requires_grad) for part in noise]
    grid = 2.4 * torch.rand(B, stride * h, stride * w, 2, generator=generator) - 1.2
    return *descriptors, grid


def value_and_gradients(function, desc1, desc2, grid, **arguments):
    leaves = [desc.detach().clone().requires_grad_() for desc in (desc1, desc2)]
    value = function(*leaves, grid, **arguments)
    return value.detach(), torch.cat([g.flatten() for g in torch.autograd.grad(value, leaves)])


def relative_error(found, expected):
    return ((found - expected).norm() / expected.norm()).item()
