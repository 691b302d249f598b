"""Base class of the published data sets: files below a root, in the published numbers."""

import glob
import os

from data_loader.base_dataset import ImageFileDataset
from data_loader.find_images import root_folder
from utils.errors import UserError
from utils.project import destination
from utils.text import command


class PublishedDataset(ImageFileDataset):
    """Images and lists as a published archive unpacks them.

    Counts that differ from the published ones are an error, unless ``allow_partial``; then
    ``partial_note`` says what was found. Only then is every image looked for on disk: there may be
    200,000.

    root: the folder that the archive unpacks to.
    allow_partial: use the listed images that exist, and say so in log and results.

    A subclass defines ``list_samples()``.
    """

    archive = None  # the data set's name in misc/fetch_datasets.py
    images_hint = ""  # which arguments choose among folders of images, for messages

    def __init__(
        self,
        root: str,
        split: str,
        imwidth: int,
        crop: int = 0,
        use_keypoints: bool = False,
        do_augmentations: bool = True,
        allow_partial: bool = False,
    ):
        super().__init__(split, imwidth, crop, use_keypoints, do_augmentations)
        self.root, self.allow_partial = root_folder(root), allow_partial
        self._deviations = []
        self.paths, self.landmarks = self.list_samples()
        self.partial_note = "; ".join(self._deviations) or None

    def list_samples(self):
        """Return N image paths and their landmarks, (N, K, 2), or None unless ``use_keypoints``."""
        raise NotImplementedError

    def find(self, name):
        """Return the path of an annotation file below the root."""
        path = self.root / name
        if path.is_file():
            return path
        places = [self.root.parent / name, *sorted(self.root.glob(f"*/{name}"))]
        shifted = next((str(place) for place in places if place.is_file()), None)
        elsewhere = self._found_elsewhere(name, ending=".*")
        if shifted:
            root = shifted.removesuffix(f"/{name}")
            elsewhere = f", but {shifted} is there (did you mean dataset.args.root = {root}?)"
        raise UserError(
            f"{path}: no such file{elsewhere}; README, 'Data', says how to get it "
            f"({command('misc/fetch_datasets.py', '--dataset', self.archive, *destination())})"
        )

    def _found_elsewhere(self, name, ending=None):
        """Return ", but ... is there" for a file found at another depth below the root, or "".

        ending: a glob for its suffix, None for its own.
        """
        folder, file = os.path.split(glob.escape(name))
        file = file if ending is None else os.path.splitext(file)[0] + ending
        folders = (folder, f"*/{folder}", f"{folder}/*", "", "*", "*/*", "*/*/*")
        patterns = (os.path.normpath(os.path.join(deep, file)) for deep in folders)
        found = next((path for p in patterns for path in self.root.glob(p.lstrip("/"))), None)
        return f", but {found} is there" if found else ""

    def require_count(self, name, count, expected, unit):
        """Check the number of ``unit`` (a plural) in the file ``name`` of the root."""
        if count != expected:
            self.deviate(name, f"{count} {unit}, expected {expected}")

    def deviate(self, name, finding):
        """Note a deviation of a file from the published one; an error unless ``allow_partial``."""
        if not self.allow_partial:
            raise UserError(
                f"{self.root / name}: {finding} "
                "(dataset.args.allow_partial = true takes a partial copy)"
            )
        self._deviations.append(f"{name}: {finding}")

    def present(self, paths):
        """Return the indices of the images to keep: all, or those that exist if ``allow_partial``.

        Raises ``UserError`` if none is left.
        """
        kept = range(len(paths))
        if self.allow_partial:
            kept = [i for i, path in enumerate(paths) if os.path.isfile(path)]
        if not kept:
            self._refuse_absent(paths)
        if len(kept) < len(paths):
            held = {os.path.dirname(paths[i]) for i in kept}
            empty = sorted({os.path.dirname(path) for path in paths} - held)
            folders = [os.path.relpath(folder, self.root) for folder in empty]
            more = f" and {len(folders) - 3} more folders" if len(folders) > 3 else ""
            whole = f", all of {', '.join(folders[:3])}{more} among them" if folders else ""
            self._deviations.append(
                f"{len(paths) - len(kept)} of {len(paths)} listed images are absent{whole}"
            )
        return kept

    def require_files(self):
        """Raise ``UserError`` if the first listed image of any folder is missing."""
        first = {}
        for path in self.paths:
            first.setdefault(os.path.dirname(path), path)
        absent = [path for path in first.values() if not os.path.isfile(path)]
        if absent:
            self._refuse_absent(absent)

    def _refuse_absent(self, paths):
        """Raise ``UserError`` for listed images of which none exists."""
        if not paths:
            raise UserError(f"{self.root}: no images of split '{self.split}'")
        folder, name = os.path.split(paths[0])
        lack = "is not in it" if os.path.isdir(folder) else "should be in it: no such folder"
        elsewhere = self._found_elsewhere(os.path.relpath(paths[0], self.root))
        raise UserError(
            f"{folder}: {name} of split '{self.split}' {lack}{elsewhere}{self.images_hint}"
        )
