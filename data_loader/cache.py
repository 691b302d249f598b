"""Caches of decoded images: in memory, in files that later runs map, or on the device."""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL
import torch
from torch.utils.data import Dataset

from data_loader.batches import make_loader
from utils.cores import num_readers
from utils.disk import disk_errors, require_space, size_text
from utils.errors import UserError
from utils.progress import progress_bar
from utils.transfer import send

FILL_BATCH = 64
MOST_OF_MEMORY = 0.8  # of a GPU, that images may take
LATER = ("crop", "do_augmentations")  # attributes that act after the cache
ASIDE = ("listing", "broken", "warnings")  # attributes that no item depends on


class ItemCache(Dataset):
    """Keeps each decoded item of a data set in arrays that worker processes share.

    The first process that needs an item decodes it; two may do so at the same time.

    array: callable (name, shape, dtype) -> tensor of zeros.
    """

    def __init__(self, dataset, array):
        self.dataset, self._array = dataset, array
        self._open_arrays()

    def _open_arrays(self):
        array, N, S = self._array, len(self.dataset), self.dataset.imwidth
        self._images = array("images", (N, 3, S, S), torch.uint8)
        self._keypts = array("keypts", (N, num_keypts(self.dataset), 2), torch.float32)
        self._filled = array("filled", (N,), torch.bool)

    def __getstate__(self):
        """Return the state for a worker process that is spawned: it maps the files itself."""
        state = dict(vars(self))
        if isinstance(self._array, CacheFolder):
            for name in ("_images", "_keypts", "_filled"):
                del state[name]
        return state

    def __setstate__(self, state):
        vars(self).update(state)
        if "_images" not in state:
            self._open_arrays()

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        batch = self.__getitems__([index])
        return {"image": batch["image"][0], "keypts": batch["keypts"][0], "index": index}

    def __getitems__(self, indices):
        wanted = torch.tensor(indices)
        for index in wanted[~self._filled[wanted]].tolist():
            item = self.dataset[index]
            self._images[index], self._keypts[index] = item["image"], item["keypts"]
            self._filled[index] = True  # last: another process may be reading
        return {"image": self._images[wanted], "keypts": self._keypts[wanted], "index": wanted}


class DeviceCache(Dataset):
    """Holds all items of a data set on a device, decoded at the start by several processes."""

    def __init__(self, dataset, device, num_workers=None):
        N, S = len(dataset), dataset.imwidth
        _require_memory(N * 3 * S * S, device)
        self._images = torch.empty(N, 3, S, S, dtype=torch.uint8, device=device)
        self._keypts = torch.empty(N, num_keypts(dataset), 2, device=device)
        num_workers = num_readers() if num_workers is None else num_workers
        loader = make_loader(dataset, FILL_BATCH, torch.device("cpu"), num_workers=num_workers)
        with progress_bar(N, "decoding") as bar:
            for batch in loader:
                self._images[batch["index"]] = batch["image"].to(device)
                self._keypts[batch["index"]] = batch["keypts"].to(device)
                bar.update(len(batch["index"]))

    def __len__(self):
        return len(self._images)

    def __getitems__(self, indices):
        index = torch.tensor(indices)
        wanted = send(index, self._images.device)
        return {"image": self._images[wanted], "keypts": self._keypts[wanted], "index": index}


def in_memory(name, shape, dtype):
    """Return zeros in memory shared with worker processes."""
    return torch.zeros(shape, dtype=dtype).share_memory_()


class CacheFolder:
    """Arrays as files in a folder below ``parent``, whose name is a hash of what they contain: the
    data set, its arguments, and its files' names, sizes and times.

    A new folder is made under another name, with all of its disk space allocated, then renamed:
    it is never incomplete, and several processes may make it at the same time.
    """

    def __init__(self, parent, dataset):
        name = f"{type(dataset).__name__}-{dataset.split}-{dataset.imwidth}-{fingerprint(dataset)}"
        self.folder = Path(parent) / name
        if not self.folder.is_dir():
            self._make(dataset)

    def _make(self, dataset):
        N, S = len(dataset), dataset.imwidth
        sizes = {"images": N * 3 * S * S, "keypts": N * num_keypts(dataset) * 8, "filled": N}
        require_space(self.folder, sum(sizes.values()), "the cache of decoded images")
        aside = self.folder.with_name(f"{self.folder.name}.{os.getpid()}")
        try:
            with disk_errors(aside):
                aside.mkdir(parents=True)
                for name, size in sizes.items():
                    _take_room(aside / name, size)
                with suppress(OSError):  # another process was quicker
                    aside.rename(self.folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def __call__(self, name, shape, dtype):
        path, count = self.folder / name, int(np.prod(shape))
        if count == 0:
            return torch.zeros(shape, dtype=dtype)
        with disk_errors(path):
            return torch.from_file(str(path), shared=True, size=count, dtype=dtype).view(shape)


def _take_room(path, size):
    """Write a file of zeros, so that a full disk fails here and not in the mapped memory."""
    with open(path, "wb") as file:
        if size:
            os.posix_fallocate(file.fileno(), 0, size)


def fingerprint(dataset):
    """Return a hash of all that a data set's items depend on, 16 hexadecimal digits."""
    digest = hashlib.sha256(f"Pillow {PIL.__version__}".encode())
    for name, value in sorted(vars(dataset).items()):
        if name not in LATER + ASIDE:
            content = value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
            digest.update(f"{name}:{len(content)}:".encode() + content)
    for path in dataset.source_files():
        try:
            status = os.stat(path)
        except OSError as error:
            raise UserError(f"{path}: cannot read this file ({error.strerror})") from error
        digest.update(f"{path}:{status.st_size}:{status.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def num_keypts(dataset):
    """Return K, the number of landmarks of each item."""
    return dataset.num_landmarks if dataset.use_keypoints else 0


def _require_memory(size, device):
    if device.type != "cuda":
        return
    free, _ = torch.cuda.mem_get_info(device)
    if size > MOST_OF_MEMORY * free:
        raise UserError(
            f"cache = 'device': the images take {size_text(size)}, and {size_text(free)} are free "
            f"on {device}; expected room for them and for the training, or cache = 'memory' or "
            "'disk'"
        )
