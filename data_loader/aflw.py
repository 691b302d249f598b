"""AFLW faces, recropped (AFLW_R)."""

import numpy as np
from PIL import Image

from data_loader.annotation_files import read_matlab, read_names
from data_loader.published_dataset import PublishedDataset
from utils.errors import UserError

NUM_IMAGES = {"train": 10122, "test": 2991}


class AFLW(PublishedDataset):
    """AFLW faces, resized to squares without keeping their aspect.

    The validation set is the test split, unless ``use_minival``.

    use_minival: validate on the last tenth of the training list, and train on the rest.
    """

    per_image = (*PublishedDataset.per_image, "sizes")
    default_root = "data/aflw/aflw_release-2"
    archive = "aflw-recrop"

    def __init__(
        self,
        root: str,
        split: str,
        imwidth: int,
        crop: int = 0,
        use_keypoints: bool = False,
        do_augmentations: bool = False,
        use_minival: bool = False,
        allow_partial: bool = False,
    ):
        self.use_minival = use_minival
        super().__init__(root, split, imwidth, crop, use_keypoints, do_augmentations, allow_partial)

    def list_samples(self):
        part = "train" if self._from_training_list() else "test"
        names, landmarks, sizes = self._read_part(part)
        chosen = self._choose(len(names))
        paths = [f"{self.root}/output/{names[i]}" for i in chosen]
        kept = np.array(self.present(paths), dtype=int)
        self.sizes = sizes[chosen][kept]
        return [paths[i] for i in kept], landmarks[chosen][kept]

    def fit(self, image, keypts, index):
        """Resize an image; landmarks are scaled by the annotated size, which may differ from it."""
        S = self.imwidth
        return image.resize((S, S), Image.BILINEAR), keypts * (S / self.sizes[index])

    def _from_training_list(self):
        return self.split == "train" or self.split == "val" and self.use_minival

    def _choose(self, num_listed):
        if not (self.use_minival and self._from_training_list()):
            return np.arange(num_listed)
        num_train = num_listed - round(num_listed / 10)
        train, val = np.split(np.arange(num_listed), [num_train])
        return train if self.split == "train" else val

    def _read_part(self, part):
        """Return names, list of N; landmarks, (N, 5, 2), and sizes, (N, 2), (x, y) in pixels."""
        list_name, matlab_name = f"aflw_{part}_images.txt", f"aflw_{part}_keypoints.mat"
        names = read_names(self.find(list_name))
        self.require_count(list_name, len(names), NUM_IMAGES[part], "names")
        path = self.find(matlab_name)
        arrays = read_matlab(path, "gt", "hw")
        for name, array, shape in zip(("gt", "hw"), arrays, ((5, 2), (2,))):
            expected = (len(names), *shape)
            if array.shape != expected:
                raise UserError(
                    f"{path}: '{name}' is {_text(array.shape)}, "
                    f"expected {_text(expected)}, a row for each name in {list_name}"
                )
        landmarks, sizes = (array[..., ::-1].astype(np.float64) for array in arrays)
        if not (np.isfinite(landmarks).all() and np.isfinite(sizes).all() and (sizes > 0).all()):
            raise UserError(f"{path}: expected finite landmarks in 'gt', positive sizes in 'hw'")
        return names, landmarks, sizes


def _text(shape):
    return " x ".join(map(str, shape))
