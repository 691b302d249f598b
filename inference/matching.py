"""Match points of one image in others, on their descriptor maps."""

from functools import partial

from model.matching import best_cells, cosine_at_pixels, nearest_cells, read_cells

POINTS_AT_ONCE = 4096  # to bound memory: each is compared with every pixel


def match_maps(source, targets, points, stride, size, protocol):
    """Match points of a source in targets; returns points (B, K, 2) and scores (B, K).

    A point beyond the map is matched by its nearest cell.

    source: descriptors (1, C, h, w).
    targets: descriptors (B, C, h, w).
    points: (K, 2), in pixels of the network's input, as are the returned ones.
    size: (height, width) of the input.
    protocol: a key of ``PROTOCOLS``.
    """
    at, stride = PROTOCOLS[protocol](stride, size)
    source, targets = at(source), at(targets)
    queries = read_cells(source, nearest_cells(points[None], stride, source.shape[-2:]))
    queries = queries.expand(len(targets), -1, -1)
    places, scores = points.new_empty(*queries.shape[:2], 2), points.new_empty(queries.shape[:2])
    for first in range(0, len(points), POINTS_AT_ONCE):
        part = slice(first, first + POINTS_AT_ONCE)
        best = best_cells(queries[:, part], targets)
        places[:, part] = best * stride
        scores[:, part] = (queries[:, part] * read_cells(targets, best)).sum(dim=-1)
    return places, scores


def _cosine(stride, size):
    return partial(cosine_at_pixels, stride=stride, size=size), 1


def _published(stride, size):
    return lambda maps: maps, stride


# (stride, size) -> a function of maps that prepares them, and the stride of the prepared maps.
PROTOCOLS = {"cosine": _cosine, "published": _published}
