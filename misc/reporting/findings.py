"""Evaluate a checkpoint for a report: errors of single images or pairs, and cases to draw."""

from collections import defaultdict
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F

from data_loader.augmentation import normalise
from data_loader.base_dataset import KeypointDataset
from model.compute_descriptors import compute_descriptors
from trainer.datasets import build_dataset, evaluation_dataset
from trainer.evaluation.cases import MatchingGallery, dense_cases, take_pixels
from trainer.evaluation.landmarks import landmark_figure
from trainer.evaluation.matching import describe_pairs, evaluation_pairs
from trainer.evaluation.results import evaluate, load_for_evaluation
from utils.config.mini_run import Limits
from utils.config.read import errors_of
from utils.drawing.galleries import PrincipalColours
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
    cases: {kind of picture: arguments of its drawing}, tensors on the CPU
    """

    errors: dict
    num_images: int
    data: str
    dataset: KeypointDataset
    cases: dict = field(default_factory=dict)


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
    cases = {
        **{f"matches-{name}": cases.kept for name, cases in watch.cases.items() if cases.kept},
        **_dense(model, dataset, device),
        "colours": _painted(model, dataset, device, colours),
    }
    errors = {name: torch.cat(parts) for name, parts in watch.errors.items()}
    return Findings(errors, num_images, _words(dataset), dataset, cases)


def _dense(model, dataset, device):
    """Return {"dense-<identity>": {"source", "target", "warped", "field": (n, 3, H, W)}}."""
    found = {}
    for identity, sources, targets, places in dense_cases(model, dataset, device, NUM_PAIRS):
        chart = place_chart(sources.shape[-2:]).to(device).expand(len(sources), -1, -1, -1)
        rows = {
            "source": sources,
            "target": targets,
            "warped": take_pixels(sources, places),
            "field": take_pixels(chart, places),
        }
        found[f"dense-{identity}"] = {name: images.cpu() for name, images in rows.items()}
    return found


def place_chart(size):
    """Return a picture (1, 3, H, W) uint8 with a different colour at each place."""
    corners = torch.tensor(CORNERS).T.reshape(1, 3, 2, 2)
    chart = F.interpolate(corners, size, mode="bilinear", align_corners=True)
    return (255 * chart).round().byte()


@torch.no_grad()
def _painted(model, dataset, device, colours):
    """Return {"images": (n, 3, H, W) uint8, "colours": (n, 3, h, w)} of the first test images."""
    images = next(evaluation_pairs(dataset, device, max_images=NUM_PAINTED)).first
    painted = colours(compute_descriptors(model, normalise(images)))
    return {"images": images.cpu(), "colours": painted.cpu()}


def _examine_landmarks(model, config, dataset, device):
    seen = []
    evaluate(model, config, dataset, device, seen.append)
    errors = torch.cat([part.errors for part in seen]).cpu()
    defined = (~errors.isnan()).nonzero().flatten()
    ranks = torch.linspace(0, len(defined) - 1, min(NUM_RANKED, len(defined))).round().long()
    shown = defined[errors[defined].argsort(stable=True)[ranks]]
    images, predicted, truth = (
        torch.cat([getattr(part, name) for part in seen])[shown]
        for name in ("images", "predicted", "truth")
    )
    with torch.no_grad():
        descriptors = compute_descriptors(model[:-1], normalise(images.to(device)))
        virtual = model[-1].virtual_keypoints(descriptors)  # (n, K, V, 2), normalised
    places = {"predicted": predicted, "truth": truth, "virtual": virtual}
    size = images.shape[-2:]
    case = {
        "images": images.cpu(),
        "errors": errors[shown],
        "numbers": shown,
        "ranks": ranks + 1,
        **{name: to_pixels(points, *size).cpu() for name, points in places.items()},
    }
    figures = {landmark_figure(dataset)[0]: errors[defined]}
    return Findings(figures, len(defined), _words(dataset), dataset, {"landmarks": case})


def _words(dataset):
    note = f"; partial data: {dataset.partial_note}" if dataset.partial_note else ""
    return f"{type(dataset).__name__}, split {dataset.split}{note}"
