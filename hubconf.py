"""Entry points for ``torch.hub``.

    torch.hub.load("<this repository>", "model", "saved/models/<run>/<time>", source="local")
    torch.hub.load("<this repository>", "smallnet", num_output_channels=64, source="local")
"""

import inference
import model as _networks

dependencies = ["torch", "numpy", "PIL", "scipy", "matplotlib", "tqdm"]


def smallnet(num_output_channels=64, **args):
    """SmallNet with fresh weights: normalised images (B, 3, H, W) to descriptors (B, C, H // 2,
    W // 2). ``args`` are those of the config's section ``arch``.
    """
    return _networks.SmallNet(num_output_channels, **args)


def hourglass(num_output_channels=64, **args):
    """HourglassNet with fresh weights: normalised images (B, 3, H, W) to descriptors (B, C,
    ceil(H / 2), ceil(W / 2)). ``args`` are those of the config's section ``arch``.
    """
    return _networks.HourglassNet(num_output_channels, **args)


def model(path, device="cpu", config=None, whole=False):
    """A trained network from a checkpoint or the folder of a run, with ``embed``, ``match`` and
    ``landmarks``: see ``inference.load``, whose arguments these are.
    """
    return inference.load(path, device, config, whole)
