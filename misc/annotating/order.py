"""The order in which images are annotated: those first from which most is learned."""

import torch
import torch.nn.functional as F

MOST_CHOSEN = 200  # images that are chosen; the others follow as they are
TEST_EVERY = 5  # images one is of the test split, so that a few annotations serve both splits


def representative_first(features, done=()):
    """Return the numbers of all images: the one that is most like all, then always the one by which
    the others are best represented, each by the most alike image so far.

    Images of ``done`` come first, in their order.

    features: (N, F), whose deviations from their mean are alike in alike images.
    """
    features = F.normalize(features - features.mean(dim=0), dim=1)
    alike = features @ features.T
    order = list(done)
    best = alike[order].amax(dim=0) if order else torch.full_like(alike[0], -1)
    is_open = torch.ones_like(best, dtype=torch.bool)
    is_open[order] = False
    for _ in range(min(MOST_CHOSEN, int(is_open.sum()))):
        gains = torch.maximum(alike, best).sum(dim=1).where(is_open, -torch.inf)
        order.append(int(gains.argmax()))
        best, is_open[order[-1]] = torch.maximum(best, alike[order[-1]]), False
    return order + is_open.nonzero()[:, 0].tolist()


def with_test_images(names, tests):
    """Return names in their order, but such that one of ``TEST_EVERY`` is in ``tests``, a set, as
    long as there are any.
    """
    ordered, since = {}, 0  # images since the last one of the tests
    waiting = (name for name in names if name in tests and name not in ordered)
    for name in names:
        if since == TEST_EVERY - 1 and (test := next(waiting, None)) is not None:
            ordered[test], since = None, 0
        if name not in ordered:
            ordered[name], since = None, 0 if name in tests else since + 1
    return list(ordered)
