"""Evaluate a checkpoint for a report: errors of single images or pairs, and pictures of cases."""

from collections import defaultdict
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F

from data_loader.augmentation import normalise
from misc.reporting.pictures import colour_map, drawing, photo
from model.compute_descriptors import compute_descriptors
from trainer.datasets import build_dataset, evaluation_dataset
from trainer.evaluation.cases import MatchingGallery, dense_cases, pair_label, take_pixels
from trainer.evaluation.landmarks import landmark_figure
from trainer.evaluation.matching import describe_pairs, evaluation_pairs
from trainer.evaluation.results import evaluate, load_for_evaluation
from utils.config.mini_run import Limits
from utils.config.read import errors_of
from utils.drawing.galleries import (
    PrincipalColours,
    bare_landmarks_figure,
    bare_match_figure,
    bare_virtual_figure,
)
from utils.errors import EmptySplit, UserError
from utils.geometry.coordinates import to_pixels

NUM_PAIRS = 6
NUM_PAINTED = 12
NUM_RANKED = 12
# RGB of the top-left, top-right, bottom-left and bottom-right corner of ``place_chart``.
CORNERS = ((0.15, 0.35, 0.85), (0.98, 0.85, 0.30), (0.10, 0.62, 0.50), (0.85, 0.20, 0.30))


@dataclass(frozen=True)
class Findings:
    """The results of an evaluation.

    errors: {figure: (N,)}, one for each image or pair
    data: the name of the data set, its split and its gaps, for the page
    pictures: {kind: list of ``Picture``s, or of groups of them}
    """

    errors: dict
    num_images: int
    data: str
    pictures: dict = field(default_factory=dict)


class MatchingWatch(MatchingGallery):
    """A gallery that also keeps the errors of all pairs, {figure: [(m,), ...]}."""

    def __init__(self, dataset):
        super().__init__(dataset)
        self.errors = defaultdict(list)

    def __call__(self, found):
        super().__call__(found)
        for name, matches in found.items():
            self.errors[name].append(matches.errors.mean(dim=1).cpu())


def examine(config, checkpoint, device, max_images=None):
    """Return the ``Findings`` of a checkpoint of a config; raises ``UserError``."""
    config = replace(config, limits=Limits(evaluation_images=max_images))
    with errors_of(config):
        dataset, annotated = _test_images(config)
        model = load_for_evaluation(config, checkpoint, dataset, device)
        if config.is_landmark:
            found = _examine_landmarks(model, config, dataset, device)
        elif len(dataset) < 2:
            raise UserError("dataset: pairs take two images, but split 'test' has only one")
        else:
            found = _examine_embedding(model, config, dataset, device, annotated)
        if not all(errors.isfinite().all() for errors in found.errors.values()):
            raise UserError(f"{checkpoint}: its errors are not finite")
        return found


def _test_images(config):
    """Return the test split, and whether it has landmarks, which a regressor needs."""
    try:
        return evaluation_dataset(config), True
    except EmptySplit:
        if config.is_landmark:
            raise
        return build_dataset(config, "test"), False


def _examine_embedding(model, config, dataset, device, annotated):
    colours, watch = PrincipalColours(), MatchingWatch(dataset)
    seeing = colours.watch(model)
    if annotated:
        num_images = evaluate(model, config, dataset, device, watch).num_images
    else:  # describe images that have no landmarks
        options = config.limits.evaluation_images, config.num_workers
        pairs = evaluation_pairs(dataset, device, *options)
        num_images = sum(len(describe_pairs(model, pair)[0]) * 2 for pair in pairs)
    seeing.remove()
    pictures = {
        f"matches-{identity}-{kind}": list(_draw_matches(dataset, identity, case))
        for identity, cases in watch.cases.items()
        for kind, case in cases.kept.items()
    }
    pictures.update(_draw_dense(model, dataset, device))
    pictures["colours"] = list(_paint(model, dataset, device, colours))
    errors = {name: torch.cat(parts) for name, parts in watch.errors.items()}
    return Findings(errors, num_images, _describe(dataset), pictures)


def _draw_matches(dataset, identity, case):
    """Yield pictures of pairs whose landmarks were matched."""
    names = ("sources", "targets", "points", "matched", "truth")
    for m in range(min(NUM_PAIRS, len(case["errors"]))):
        label = pair_label(dataset, int(case["numbers"][m]), identity)
        alt = f"{label}: landmarks of one image joined to their matches in another"
        figure = bare_match_figure(*(case[name][m] for name in names))
        yield drawing(figure, alt, f"{label}: {float(case['errors'][m]):.1f}\u00a0px")


def _draw_dense(model, dataset, device):
    """Yield ("dense-<identity>", groups of the four pictures of a dense correspondence)."""
    for identity, sources, targets, places in dense_cases(model, dataset, device, NUM_PAIRS):
        chart = place_chart(sources.shape[-2:]).to(device).expand(len(sources), -1, -1, -1)
        rows = {
            "source": sources.cpu(),
            "target": targets.cpu(),
            "source, warped": take_pixels(sources, places).cpu(),
            "where from": take_pixels(chart, places).cpu(),
        }
        yield f"dense-{identity}", [
            [photo(images[m], f"Pair {m}: {name}", name) for name, images in rows.items()]
            for m in range(len(sources))
        ]


def place_chart(size):
    """Return a picture (1, 3, H, W) uint8 with a different colour at each place."""
    corners = torch.tensor(CORNERS).T.reshape(1, 3, 2, 2)
    chart = F.interpolate(corners, size, mode="bilinear", align_corners=True)
    return (255 * chart).round().byte()


@torch.no_grad()
def _paint(model, dataset, device, colours):
    """Yield groups of an image, of the first test images, and its descriptors as colours."""
    pairs = evaluation_pairs(dataset, device, max_images=NUM_PAINTED, num_workers=0)
    images = next(pairs).first
    painted = colours(compute_descriptors(model, normalise(images))).cpu()
    for n, (image, descriptors) in enumerate(zip(images.cpu(), painted)):
        label = dataset.label(n)
        yield [photo(image, label, label), colour_map(descriptors, f"Descriptors of {label}")]


def _examine_landmarks(model, config, dataset, device):
    seen = []
    evaluate(model, config, dataset, device, seen.append)
    errors = torch.cat([part.errors for part in seen]).cpu()
    defined = (~errors.isnan()).nonzero().flatten()
    ranks = torch.linspace(0, len(defined) - 1, min(NUM_RANKED, len(defined))).round().long()
    shown = defined[errors[defined].argsort(stable=True)[ranks]]
    images, predicted, truth = (
        torch.cat([getattr(part, name) for part in seen]).cpu()[shown]
        for name in ("images", "predicted", "truth")
    )
    with torch.no_grad():
        descriptors = compute_descriptors(model[:-1], normalise(images.to(device)))
        virtual = model[-1].virtual_keypoints(descriptors).cpu()  # (n, K, V, 2), normalised
    size = images.shape[-2:]
    predicted, truth, virtual = (to_pixels(p, *size) for p in (predicted, truth, virtual))
    unit = "%" if dataset.eye_indices else "px"
    pictures = {"landmarks": [], "virtual": []}
    for n, (index, rank) in enumerate(zip(shown.tolist(), ranks.tolist())):
        label = dataset.label(index)
        pictures["landmarks"].append(drawing(
            bare_landmarks_figure(images[n], predicted[n], truth[n]),
            f"{label}: predicted and true landmarks",
            f"{rank + 1} of {len(defined)}, {label}: {float(errors[index]):.1f}\u00a0{unit}",
        ))
        if n % 2 == 0:
            figure = bare_virtual_figure(images[n], virtual[n])
            alt = f"{label}: virtual keypoints, a colour for each landmark"
            pictures["virtual"].append(drawing(figure, alt, label))
    figures = {landmark_figure(dataset)[0]: errors[defined]}
    return Findings(figures, len(defined), _describe(dataset), pictures)


def _describe(dataset):
    note = f"; partial data: {dataset.partial_note}" if dataset.partial_note else ""
    return f"{type(dataset).__name__}, split {dataset.split}{note}"
