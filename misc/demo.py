"""The whole story in a few minutes on a CPU: learn dense landmarks on generated faces without
labels, and show them.

    python misc/demo.py                            # what make demo runs
    python misc/demo.py --set trainer.epochs=1     # a quick look: both trainings in one epoch

Trains a DVE embedding on SyntheticFaces, matches landmarks with it, fits the landmark regressor on
it, writes pictures to saved/demo/. What is already there is used again: a finished training is not
repeated, an interrupted one goes on.
"""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_loader.augmentation import normalise  # noqa: E402
from model.loss import cell_stride  # noqa: E402
from model.matching import match_landmarks  # noqa: E402
from trainer.datasets import evaluation_dataset  # noqa: E402
from trainer.evaluation.cases import MatchingGallery  # noqa: E402
from trainer.evaluation.measures import evaluate_matching  # noqa: E402
from trainer.evaluation.results import load_for_evaluation  # noqa: E402
from trainer.figures import FIGURES  # noqa: E402
from trainer.training import train_seeds  # noqa: E402
from utils.cli import add_run_options, make_parser, run  # noqa: E402
from utils.config import read_config  # noqa: E402
from utils.device import select_device  # noqa: E402
from utils.distributed import World  # noqa: E402
from utils.gallery import overview_figure  # noqa: E402
from utils.run import newest_checkpoint  # noqa: E402
from utils.tps import to_pixels  # noqa: E402

EMBEDDING = "configs/synthetic/smallnet-64d-dve.json"
LANDMARKS = "configs/synthetic-keypoints/smallnet-64d-dve.json"
NUM_SHOWN = 7


def ensure_trained(path, device, overrides, start=None):
    """Return the config and the last checkpoint of its newest run; train what is missing."""
    config = read_config(path, overrides)
    checkpoint = newest_checkpoint(config.trainer.save_dir, config.name)
    if checkpoint is None or checkpoint.epoch < config.trainer.epochs:
        resume = str(checkpoint.path) if checkpoint else start
        train_seeds(config, resume, world=World(device=device))
        checkpoint = newest_checkpoint(config.trainer.save_dir, config.name)
    else:
        print(f"using {checkpoint.path}")
    return config, checkpoint.path


def most_typical_first(items):
    """Return data set items with the one first whose landmarks lie nearest to their average.

    The others are matched from it, and a face in profile, or far from the middle, is a poor source.
    """
    keypts = torch.stack([item["keypts"] for item in items])
    distances = (keypts - keypts.mean(dim=0)).norm(dim=-1).mean(dim=-1)
    typical = int(distances.argmin())
    return [items[typical], *items[:typical], *items[typical + 1 :]]


@torch.no_grad()
def draw_overview(backbone, model, dataset, device):
    """Return the overview of a few test images."""
    items = most_typical_first([dataset[index] for index in range(NUM_SHOWN)])
    inner = slice(dataset.crop, dataset.imwidth - dataset.crop)
    images = torch.stack([item["image"] for item in items])[..., inner, inner].to(device)
    truth = torch.stack([item["keypts"] for item in items]) - dataset.crop
    maps = backbone(normalise(images))
    size = images.shape[-2:]
    source = maps[:1].expand(len(maps), -1, -1, -1)
    query = truth[:1].expand(len(maps), -1, -1).to(device)
    matched = match_landmarks(source, query, maps, cell_stride(maps.shape[-2:], size))
    predicted = to_pixels(model(normalise(images)), *size)
    return overview_figure(
        images.cpu(), maps.cpu(), truth[0], matched.cpu(), predicted.cpu(), truth
    )


def draw_matches(backbone, dataset, device):
    """Return {name: figure} of matches within and across identities: first, best and worst."""
    gallery = MatchingGallery(dataset)
    evaluate_matching(backbone, dataset, device, watch=gallery)
    return dict(gallery.figures())


def print_table(figures, folder, checkpoints):
    """Print the figures, and where everything lies."""
    width = max(len(text.title) for text in FIGURES.values())
    print("\nerror on faces of people never seen")
    for name in filter(figures.__contains__, FIGURES):
        text = FIGURES[name]
        print(f"  {text.title:{width}}   {figures[name]:.2f} {text.unit}")
    print("\npictures:   ", *sorted(str(path) for path in folder.glob("*.png")), sep="\n  ")
    print("\ncheckpoints:", *checkpoints, sep="\n  ")
    print("\nTensorBoard: tensorboard --logdir saved/log")


def main():
    parser = make_parser(__doc__)
    add_run_options(parser)
    args = parser.parse_args()
    device = select_device(args.device)
    embedding, embedding_path = ensure_trained(EMBEDDING, device, args.overrides)
    landmarks, landmark_path = ensure_trained(
        LANDMARKS, device, args.overrides, start=str(embedding_path)
    )

    dataset = evaluation_dataset(landmarks)
    backbone = load_for_evaluation(embedding, embedding_path, dataset, device)
    model = load_for_evaluation(landmarks, landmark_path, dataset, device)
    folder = Path(embedding.trainer.save_dir) / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "overview": draw_overview(backbone, model, dataset, device),
        **draw_matches(backbone, dataset, device),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)

    results = {}
    for path in (embedding_path, landmark_path):
        results.update(json.loads((path.parent / "results.json").read_text()))
    print_table(results, folder, [embedding_path, landmark_path])


if __name__ == "__main__":
    sys.exit(run(main))
