"""Keep and draw the first, best and worst cases of an evaluation, and its dense matches."""

import torch

from model.matching import cosine_at_pixels, dense_matches
from trainer.evaluation.matching import describe_pairs, evaluation_pairs
from utils.drawing.galleries import dense_figure, landmarks_figure, match_figure
from utils.geometry.coordinates import to_pixels

NUM_SHOWN = 8
IDENTITIES = ("same", "different")


class Cases:
    """Keeps the first, best and worst of many cases.

    kept: {"first", "best", "worst": {name: tensor (n, ...)}}, n <= count. The names are those given
    to ``add``, "errors", and "numbers", the indices of the cases.
    """

    def __init__(self, count=NUM_SHOWN):
        self.count, self.seen = count, 0
        self.kept = {}

    def add(self, errors, **tensors):
        """Add m cases: errors (m,), NaN where undefined; tensors (m, ...)."""
        numbers = torch.arange(self.seen, self.seen + len(errors))
        self.seen += len(errors)
        measured = ~errors.isnan().cpu()
        news = {"errors": errors.cpu(), "numbers": numbers}
        news.update({name: tensor.cpu() for name, tensor in tensors.items()})
        news = {name: tensor[measured] for name, tensor in news.items()}
        for kind, order in (("first", "numbers"), ("best", "errors"), ("worst", "errors")):
            old = self.kept.get(kind)
            pool = news if old is None else {n: torch.cat([old[n], news[n]]) for n in news}
            chosen = pool[order].argsort(descending=kind == "worst", stable=True)[: self.count]
            self.kept[kind] = {name: tensor[chosen] for name, tensor in pool.items()}


class MatchingGallery:
    """Collects the cases of ``evaluate_matching`` in the published protocol, and draws them."""

    def __init__(self, dataset):
        self.dataset = dataset
        self.cases = {identity: Cases() for identity in IDENTITIES}

    def __call__(self, found):
        for identity, cases in self.cases.items():
            matches = found[f"{identity}_identity_px"]
            cases.add(matches.errors.mean(dim=1), **vars(matches))

    def figures(self):
        """Yield (name, figure)."""
        for identity, cases in self.cases.items():
            for kind, case in cases.kept.items():
                names = ("sources", "targets", "points", "matched", "truth")
                labels = [pair_label(self.dataset, m, identity) for m in case["numbers"].tolist()]
                yield f"matches-{identity}-{kind}", match_figure(
                    *(case[name] for name in names), titles=_titles(labels, case["errors"], "px")
                )


def pair_label(dataset, number, identity):
    """Return the label of a pair of images; a pair of the same identity is one image, twice."""
    first, second = dataset.label(2 * number), dataset.label(2 * number + 1)
    return first if identity == "same" else f"{first}, {second}"


class LandmarkGallery:
    """Collects the cases of ``evaluate_landmarks``, and draws them."""

    def __init__(self, dataset):
        self.dataset = dataset
        self.cases = Cases()
        self.unit = "%" if dataset.eye_indices else "px"

    def __call__(self, predictions):
        size = predictions.images.shape[-2:]
        self.cases.add(
            predictions.errors,
            images=predictions.images,
            predicted=to_pixels(predictions.predicted, *size),
            truth=to_pixels(predictions.truth, *size),
        )

    def figures(self):
        """Yield (name, figure)."""
        for kind, case in self.cases.kept.items():
            names = ("images", "predicted", "truth")
            labels = map(self.dataset.label, case["numbers"].tolist())
            yield f"landmarks-{kind}", landmarks_figure(
                *(case[name] for name in names), titles=_titles(labels, case["errors"], self.unit)
            )


def _titles(labels, errors, unit):
    return [f"{label}: {error:.1f} {unit}" for label, error in zip(labels, errors.tolist())]


def dense_cases(backbone, dataset, device, count=NUM_SHOWN):
    """Yield (identity, sources, targets, places) of the first ``count`` test pairs.

    sources, targets: (count, 3, H, W) uint8.
    places: (count, H, W, 2) int64, the match (x, y) in the source of each pixel of the target, by
    cosine similarity at every pixel.
    """
    pair = next(evaluation_pairs(dataset, device, max_images=2 * count, num_workers=0))
    *maps, stride = describe_pairs(backbone, pair)
    source, *targets = (cosine_at_pixels(m, stride, pair.first.shape[-2:]) for m in maps)
    for offset, (identity, target) in enumerate(zip(IDENTITIES, targets)):
        places = dense_matches(source, target)
        yield identity, pair.first[0::2], pair.second[offset::2], places


def dense_match_figures(backbone, dataset, device):
    """Yield (name, figure): sources, targets, and sources warped by their dense matches."""
    for identity, sources, targets, places in dense_cases(backbone, dataset, device):
        rows = sources, targets, take_pixels(sources, places)
        yield f"dense-{identity}", dense_figure(*(images.cpu() for images in rows))


def take_pixels(images, places):
    """Return the pixels of images (B, 3, H, W) at places (x, y), int64 (B, h, w, 2), as images
    (B, 3, h, w).
    """
    flat = places[..., 1] * images.shape[-1] + places[..., 0]
    index = flat.flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, index).unflatten(2, places.shape[1:3])
