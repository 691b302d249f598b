"""The order in which images are annotated: those first from which most is learned."""

import torch
import torch.nn.functional as F

MOST_ORDERED = 1000  # images: later ones are annotated by hardly anybody


def farthest_first(features, done=()):
    """Return the numbers of all images, each as far as possible from those before it.

    The first is the most average one. Images of ``done`` come first, in their order; after
    ``MOST_ORDERED`` images the rest follow as they are.

    features: (N, C), whose cosines say how alike images are.
    """
    features = F.normalize(features, dim=1)
    order = list(done) or [int((features @ features.mean(dim=0)).argmax())]
    features = F.normalize(features - features.mean(dim=0), dim=1)
    likeness = (features @ features[order].T).amax(dim=1)  # to the most alike one so far
    likeness[order] = torch.inf
    while len(order) < min(len(features), MOST_ORDERED):
        order.append(int(likeness.argmin()))
        likeness = torch.maximum(likeness, features @ features[order[-1]])
        likeness[order[-1]] = torch.inf
    return order + [n for n, alike in enumerate(likeness.tolist()) if alike != torch.inf]
