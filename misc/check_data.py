"""Read every image that a config names, and list what is wrong with them, all in one pass.

    python misc/check_data.py --config configs/real_faces/smallnet-64d.json
    python misc/check_data.py --config configs/celeba/smallnet-64d-dve.json --split train

Told are images that cannot be read, and landmarks that are no numbers or lie outside their image.
The exit code is 0 if there are none, else 2.
"""

import os
import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python misc/check_data.py`

from trainer import assembly  # noqa: E402
from utils.cli import add_overrides, make_parser, run  # noqa: E402
from utils.config import read_config  # noqa: E402
from utils.errors import UserError, one_line  # noqa: E402

SPLITS = ("train", "val", "test")


class Findings(Dataset):
    """What is wrong with each item of a data set: a text, empty for nothing."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        try:
            keypts = self.dataset[index]["keypts"]
        except UserError as error:
            return one_line(error)
        S = self.dataset.imwidth
        for number, point in enumerate(keypts, 1):
            if not torch.isfinite(point).all():
                return f"{self._name(index)}: landmark {number} is no number"
            if point.min() < -0.5 or point.max() > S - 0.5:  # the edges of the outer pixels
                x, y = point.tolist()
                return (
                    f"{self._name(index)}: landmark {number} is outside the image: "
                    f"({x:.1f}, {y:.1f}) of {S} x {S}"
                )
        return ""

    def _name(self, index):
        files = self.dataset.source_files()
        return files[index] if len(files) == len(self.dataset) else f"item {index}"


def check(dataset, num_workers):
    """Yield what is wrong with the items of a data set."""
    loader = DataLoader(Findings(dataset), batch_size=16, num_workers=num_workers, collate_fn=list)
    with tqdm(
        total=len(dataset), desc=dataset.split, unit="image", leave=False, disable=None
    ) as bar:
        for texts in loader:
            yield from filter(None, texts)
            bar.update(len(texts))


def annotated(experiment):
    """Return the experiment with landmarks asked for, where its data set has any."""
    with_landmarks = assembly.with_landmarks(experiment)
    kind = assembly.DATASETS[experiment.dataset["type"]]
    return with_landmarks if kind.is_annotated(**with_landmarks.dataset["args"]) else experiment


def main(argv=None):
    parser = make_parser(__doc__)
    parser.add_argument("--config", required=True, metavar="FILE", help="whose data to check")
    parser.add_argument("--split", choices=SPLITS, help="only this one (default: all)")
    parser.add_argument(
        "--num_workers", type=int, default=os.cpu_count(), help="processes (default: %(default)s)"
    )
    add_overrides(parser)
    args = parser.parse_args(argv)
    if args.num_workers < 0:
        parser.error(f"argument --num_workers: {args.num_workers}, expected at least 0")
    experiment = read_config(args.config, args.overrides).experiment
    assembly.look_up(experiment.dataset["type"], assembly.DATASETS, "dataset.type")
    experiment = annotated(experiment)
    told = set()
    for split in [args.split] if args.split else SPLITS:
        dataset, count = assembly.build_dataset(experiment, split), 0
        for finding in check(dataset, args.num_workers):
            count += 1
            if finding not in told:  # splits may share images
                tqdm.write(finding)
            told.add(finding)
        print(f"{split}: {len(dataset)} images, {count} of them with something wrong")
    return 2 if told else 0


if __name__ == "__main__":
    sys.exit(run(main))
