"""The cases an evaluation shows: which ones are kept, and what is drawn of them."""

import itertools

import pytest
import torch

from data_loader.base_dataset import ImageFileDataset
from data_loader.synthetic_faces import SyntheticFaces
from model.smallnet import SmallNet
from trainer.evaluation.cases import (
    Cases,
    LandmarkGallery,
    MatchingGallery,
    dense_match_figures,
    take_pixels,
)
from trainer.evaluation.landmarks import LandmarkPredictions
from trainer.evaluation.matching import Matches, evaluate_matching

CPU = torch.device("cpu")
ERRORS = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]


@pytest.mark.parametrize("batch_sizes", [[8], [3, 5], [1] * 8])
def test_the_first_the_best_and_the_worst_are_kept(batch_sizes):
    cases, all_errors = Cases(count=3), torch.tensor(ERRORS)
    for errors in all_errors.split(batch_sizes):
        cases.add(errors, tenfold=torch.stack([10 * errors, -errors], dim=1))
    numbers = {kind: case["numbers"].tolist() for kind, case in cases.kept.items()}
    assert numbers == {"first": [0, 1, 2], "best": [1, 3, 6], "worst": [5, 7, 4]}
    for case in cases.kept.values():
        assert torch.equal(case["errors"], all_errors[case["numbers"]])
        assert torch.equal(case["tenfold"][:, 0], 10 * case["errors"])


def test_fewer_cases_than_asked_for_are_all_kept():
    cases = Cases(count=5)
    cases.add(torch.tensor([2.0, 1.0]))
    assert cases.kept["worst"]["numbers"].tolist() == [0, 1]
    assert cases.kept["best"]["numbers"].tolist() == [1, 0]


def test_errors_of_matches_are_in_pixels_of_the_published_frame():
    images = torch.zeros(1, 3, 35, 35, dtype=torch.uint8)
    truth = torch.tensor([[[3.0, 4.0], [10.0, 1.0]]])
    matches = Matches(images, images, truth, truth + torch.tensor([3.0, 4.0]), truth)
    assert matches.errors.tolist() == [[10, 10]]


def test_matching_is_drawn_for_both_identities():
    dataset = SyntheticFaces("test", 40, 4, use_keypoints=True, num_images=6)
    gallery = MatchingGallery(dataset)
    figures, _ = evaluate_matching(SmallNet(8), dataset, CPU, watch=gallery)
    kinds = itertools.product(("same", "different"), ("first", "best", "worst"))
    drawn = dict(gallery.figures())
    assert list(drawn) == [f"matches-{identity}-{kind}" for identity, kind in kinds]
    for identity in ("same", "different"):
        kept = gallery.cases[identity].kept["first"]
        assert kept["errors"].mean().item() == pytest.approx(figures[f"{identity}_identity_px"])
        titles = [axes.get_title(loc="left") for axes in drawn[f"matches-{identity}-first"].axes]
        label = "image 0" if identity == "same" else "image 0, image 1"
        assert titles[0] == f"{label}: {kept['errors'][0]:.1f} px"


class Named(ImageFileDataset):
    """Images of which only the names are asked for."""

    def __init__(self, names):
        super().__init__("test", 32)
        self.paths = [f"/faces/{name}" for name in names]


def test_landmarks_are_drawn_in_pixels():
    images = torch.zeros(2, 3, 11, 21, dtype=torch.uint8)
    predicted = torch.tensor([[[-1.0, -1.0], [1.0, 1.0]], [[0.0, 0.0], [-1.0, 1.0]]])
    gallery = LandmarkGallery(Named(["a.jpg", "b.png"]))
    gallery(LandmarkPredictions(images, predicted, -predicted, torch.tensor([7.0, 3.0])))
    figures = dict(gallery.figures())
    assert list(figures) == ["landmarks-first", "landmarks-best", "landmarks-worst"]
    left, right = figures["landmarks-best"].axes
    assert left.get_title() == "b.png: 3.0 %" and right.get_title() == "a.jpg: 7.0 %"
    assert left.collections[1].get_offsets().tolist() == [[10, 5], [0, 10]]
    assert right.collections[0].get_offsets().tolist() == [[20, 10], [0, 0]]


def test_pixels_are_taken_from_their_places():
    images = torch.randint(0, 256, (2, 3, 5, 7), generator=torch.Generator().manual_seed(0))
    places = torch.stack([torch.randint(0, n, (2, 4, 6)) for n in (7, 5)], dim=-1)
    taken = take_pixels(images, places)
    for b, i, j in itertools.product(range(2), range(4), range(6)):
        x, y = places[b, i, j].tolist()
        assert torch.equal(taken[b, :, i, j], images[b, :, y, x])


class Colours(torch.nn.Module):
    """Describes each second pixel by its colour, on a sphere: alike colours, alike descriptors."""

    def forward(self, images):
        colours = images[..., ::2, ::2] / 20
        return torch.cat([colours, (1 - colours.square().sum(1, keepdim=True)).sqrt()], dim=1)


def test_the_warped_source_has_the_colours_of_the_target():
    dataset = SyntheticFaces("test", 40, 4, use_keypoints=True, num_images=4)
    figures = dict(dense_match_figures(Colours(), dataset, CPU))
    assert list(figures) == ["dense-same", "dense-different"]
    shown = [torch.tensor(axes.images[0].get_array()).float()
             for axes in figures["dense-different"].axes]
    sources, targets, warped = shown[0:2], shown[2:4], shown[4:6]
    for source, target, image in zip(sources, targets, warped):
        assert (image - target).abs().mean() < 0.5 * (source - target).abs().mean()
