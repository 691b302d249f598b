"""The published matching evaluation once more: one image, one landmark and one cell at a time."""

import math
from itertools import product

import numpy as np
import torch

from tests.data_helpers.literal_warps import draw_warp, literal_pair

# Of both warps of an image: all and a subset of the controls, translation, scale, rotation.
PUBLISHED_DEVIATIONS = (0.0005, 0.005, 0.05, 0.05, 2.5)


def literal_pairs(dataset, discard=True):
    """Both views of each image with their landmarks, the last one dropped if it has no partner."""
    torch.manual_seed(0)
    if discard:
        torch.empty((), dtype=torch.int64).random_()
    views = []
    for index in range(len(dataset) // 2 * 2):
        warps = [draw_warp(*PUBLISHED_DEVIATIONS), draw_warp(*PUBLISHED_DEVIATIONS)]
        item = dataset[index]
        views.append(literal_pair(item["image"].numpy(), item["keypts"], warps, dataset.crop))
    return views


def literal_map(network, image):
    mean, sd = np.array([0.5084, 0.4224, 0.3769]), np.array([0.2599, 0.2371, 0.2323])
    inputs = (image / 255 - mean[:, None, None]) / sd[:, None, None]
    with torch.no_grad():
        return network(torch.from_numpy(inputs)[None])[0].numpy()


def literal_cell(coordinate, stride, cells):
    """Python rounds halves to even too; the float32 coordinate is halved exactly."""
    return min(max(round(float(coordinate) / stride), 0), cells - 1)


def literal_match(source, point, target, stride):
    """Return the pixel of the first cell with the largest dot product."""
    _, h, w = source.shape
    x, y = (literal_cell(p, stride, n) for p, n in zip(point, (w, h)))
    best, place = -math.inf, None
    for i, j in product(range(h), range(w)):
        score = float(source[:, y, x] @ target[:, i, j])
        if score > best:
            best, place = score, (stride * j, stride * i)
    return place


def literal_matching(network, dataset):
    """Return {"same" or "different": [(matched, true) for each landmark]}, in pixels."""
    network = network.double().eval()
    views = literal_pairs(dataset)
    found = {"same": [], "different": []}
    for (first, second, points1, points2, _), (_, other, _, other_points, _) in zip(
            views[0::2], views[1::2]):
        source, *targets = (literal_map(network, image) for image in (first, second, other))
        stride = first.shape[-1] // source.shape[-1]
        for name, target, truth in zip(found, targets, (points2, other_points)):
            found[name] += [(literal_match(source, point, target, stride), true.tolist())
                            for point, true in zip(points1, truth)]
    return found
