"""The loader: from image files, or a cache, to batches in memory, in the main process."""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from data_loader import LandmarkFolder
from data_loader.batches import make_loader
from data_loader.cache import CacheFolder, DeviceCache, ItemCache, in_memory
from misc.benchmarking.subject import Subject

NUM_IMAGES, BATCH, WIDTH = 1024, 32, 100
SIZE = (178, 218)  # of CelebA's files


def write_photographs(folder):
    """Write JPEG files with about as much detail as photographs have."""
    random = np.random.default_rng(0)
    for number in range(NUM_IMAGES):
        coarse = random.integers(0, 256, (28, 23, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize(SIZE, Image.BICUBIC)
        image.save(folder / f"{number:04d}.jpg", quality=90)


def make_epoch(cache, device):
    """Return a function that takes an epoch of batches; cache: of (dataset, root, device)."""
    folder = tempfile.TemporaryDirectory()
    root = Path(folder.name)
    write_photographs(root)
    dataset = LandmarkFolder(str(root), "train", WIDTH)
    dataset.paths = sorted(root.glob("*.jpg"))  # the images of all splits
    dataset = cache(dataset, root, device)
    on_device = isinstance(dataset, DeviceCache)
    loader = make_loader(dataset, BATCH, device, num_workers=0, training=True, on_device=on_device)

    def epoch():
        return sum(len(batch["index"]) for batch in loader)

    epoch.files = folder  # removed together with the function
    return epoch


CACHES = {
    f"decode and resize JPEG files of {SIZE[0]}x{SIZE[1]}": lambda dataset, root, device: dataset,
    "from the cache in memory": lambda dataset, root, device: ItemCache(dataset, in_memory),
    "from the cache on disk": lambda dataset, root, device: ItemCache(
        dataset, CacheFolder(root / "cache", dataset)
    ),
    "from the cache on the device": lambda dataset, root, device: DeviceCache(dataset, device),
}
SUBJECT = Subject(
    f"The loader: {NUM_IMAGES} images to batches of {BATCH}, {WIDTH}x{WIDTH}, one core",
    {name: partial(make_epoch, cache) for name, cache in CACHES.items()},
    count=NUM_IMAGES,
)
