"""Find broken images before a training, and leave them out of its data set."""

import torch
from torch.utils.data import DataLoader, Dataset

from data_loader.base_dataset import ImageFileDataset
from utils.cores import num_readers
from utils.distributed import World
from utils.errors import UserError, one_line
from utils.progress import progress_bar

FEW = 64  # images that are read without worker processes


def leave_out_broken(dataset, world=World()):
    """Read all images of a data set once, and keep those that can be read.

    The errors of the others go to ``dataset.broken``. Of several processes each reads a share, and
    all keep the same images.
    """
    if not isinstance(dataset, ImageFileDataset):
        return
    N = len(dataset)
    share = ImageFaults(dataset, world.share(range(N)))
    faults = [fault for part in world.everyones(list(examine(share))) for fault in part]
    kept = [index for index, fault in enumerate(faults) if not fault]
    if not kept:
        raise UserError(f"all {N} images of split '{dataset.split}' are broken: {faults[0]}")
    dataset.keep(kept)
    dataset.broken = [fault for fault in faults if fault]


class ImageFaults(Dataset):
    """The errors of image files at ``indices`` of a data set, as texts, empty for sound files."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices, self.split = dataset, indices, dataset.split

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, index):
        try:
            self.dataset.open(self.indices[index])
        except UserError as error:
            return one_line(error)
        return ""


def examine(findings, num_workers=None):
    """Yield the items of a data set of findings in order, with a progress bar.

    num_workers: processes that read; None: one per core, none for a few images.
    """
    if num_workers is None:
        num_workers = num_readers() if len(findings) > FEW else 0
    loader = DataLoader(
        findings,
        batch_size=16,
        num_workers=num_workers,
        collate_fn=list,
        generator=torch.Generator(),  # its own: reading must not draw from the global one
    )
    title = f"reading {findings.split}"
    with progress_bar(len(findings), title) as bar:
        for part in loader:
            yield from part
            bar.update(len(part))
