"""Dense landmarks without labels: trained networks in any program.

    import dve

    model = dve.load("saved/models/<run>/<time>")             # or a checkpoint, a published one too
    embedding = model.embed("a.jpg")                           # .descriptors (C, h, w), .places()
    points, scores = model.match("a.jpg", "b.jpg", [[120, 85]])    # (1, 2), (1,)
    landmarks = dve.load("<landmark checkpoint>.pth").landmarks("a.jpg")    # (K, 2)

``dve.inference`` says more. Invalid input raises ``dve.UserError``.
"""

from utils.errors import UserError

__all__ = ["Embedding", "Model", "UserError", "load"]


def __getattr__(name):
    """Import what needs torch when it is asked for: torch takes seconds, which ``dve --help`` need
    not wait for.
    """
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    import inference

    return getattr(inference, name)
