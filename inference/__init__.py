"""Use a trained network: descriptors, matches and landmarks of any images.

    import inference

    model = inference.load("saved/models/<run>/<time>")       # or a checkpoint, a published one too
    embedding = model.embed("a.jpg")                           # .descriptors (C, h, w), .places()
    points, scores = model.match("a.jpg", "b.jpg", [[120, 85]])    # (1, 2), (1,)
    model = inference.load("<landmark checkpoint>.pth")
    landmarks = model.landmarks("a.jpg")                       # (K, 2)

All points are (x, y) in pixels of the image as it was given, the centre of its top-left pixel at
(0, 0). Invalid input raises ``utils.errors.UserError``.
"""

from inference.loading import load
from inference.model import Embedding, Model

__all__ = ["Embedding", "Model", "load"]
