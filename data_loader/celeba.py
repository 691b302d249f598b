"""CelebA without MAFL's images, for embeddings, and MAFL, its annotated subset."""

import numpy as np

from data_loader.annotation_files import (
    parse_table,
    read_lines,
    read_names,
    require_unique,
    without_heading,
)
from data_loader.published_dataset import PublishedDataset
from utils.errors import UserError

PARTITION = "Eval/list_eval_partition.txt"
LANDMARKS = "Anno/list_landmarks_align_celeba.txt"
NUM_IMAGES = 202599
NUM_MAFL = {"training": 19000, "testing": 1000}
TRAIN_PARTITION, TEST_PARTITION = 0, 2
IMAGE_SIZE = (178, 218)
SQUARE = (0, 30, 178, 208)  # the crop: left, top, right, bottom
VAL_SPLITS = ("celeba", "mafl")


class CelebAFaces(PublishedDataset):
    """Aligned CelebA faces in the order of the partition file, cropped to a square.

    Both data sets take the same arguments, since embeddings learned on one are evaluated on the
    other. A subclass defines ``choose(partition, in_mafl)``.

    use_hq_ims: read Img/img_align_celeba_hq rather than Img/img_align_celeba.
    val_split: validate on images of "celeba" or of "mafl"; MAFLAligned ignores it.
    val_size: number of validation images from "celeba"; at least 1. MAFLAligned ignores it.
    """

    default_root = "data/celeba"
    archive = "celeba"
    images_hint = "; dataset.args.use_hq_ims: img_align_celeba_hq or img_align_celeba"

    def __init__(
        self,
        root: str,
        split: str,
        imwidth: int,
        crop: int = 0,
        use_keypoints: bool = False,
        do_augmentations: bool = True,
        use_hq_ims: bool = True,
        val_split: str = "celeba",
        val_size: int = 2000,
        allow_partial: bool = False,
    ):
        if val_split not in VAL_SPLITS:
            raise ValueError(f"val_split = {val_split!r}, expected one of {', '.join(VAL_SPLITS)}")
        if val_size < 1:
            raise ValueError(f"val_size = {val_size}, expected at least 1")
        self.val_split, self.val_size = val_split, val_size
        self.image_folder = "img_align_celeba_hq" if use_hq_ims else "img_align_celeba"
        super().__init__(root, split, imwidth, crop, use_keypoints, do_augmentations, allow_partial)

    def choose(self, partition, in_mafl):
        """Return the indices of the images of this split.

        partition: (N,), 0, 1 or 2; in_mafl: {"training", "testing"} -> (N,) bool.
        """
        raise NotImplementedError

    def list_samples(self):
        names, partition = self._read_partition()
        in_mafl = self._read_mafl(names)
        rows, landmarks = self._read_landmarks(names)
        chosen = self.choose(partition, in_mafl)
        chosen = chosen[rows[chosen] >= 0]
        folder = f"{self.root}/Img/{self.image_folder}"
        paths = [f"{folder}/{names[i]}" for i in chosen.tolist()]
        kept = self.present(paths)
        return [paths[i] for i in kept], landmarks[rows[chosen[kept]]].astype(np.float32)

    def fit(self, image, keypts, index):
        if image.size != IMAGE_SIZE:
            raise UserError(
                f"{self.paths[index]}: {image.width} x {image.height} pixels, "
                f"expected {IMAGE_SIZE[0]} x {IMAGE_SIZE[1]} as in aligned CelebA"
            )
        return super().fit(image.crop(SQUARE), keypts - np.array(SQUARE[:2]), index)

    @classmethod
    def window(cls, size, **args):
        return SQUARE if tuple(size) == IMAGE_SIZE else super().window(size)

    def _read_partition(self):
        """Return names, list of N, and partitions, (N,)."""
        path = self.find(PARTITION)
        lines, first = without_heading(read_lines(path))
        names, table = parse_table(lines, 1, path, first)
        require_unique(names, path, first)
        self.require_count(PARTITION, len(names), NUM_IMAGES, "rows")
        unknown = np.flatnonzero(~np.isin(table[:, 0], (0, 1, 2)))
        if len(unknown):
            i = unknown[0]
            found = f"partition {table[i, 0]}, expected 0, 1 or 2"
            raise UserError(f"{path}, line {i + first}: {found}")
        return names, table[:, 0].astype(np.int8)

    def _read_mafl(self, names):
        """Return {"training", "testing"} -> (N,) bool, whether that list of MAFL has each name."""
        index_of = {name: i for i, name in enumerate(names)}
        in_mafl = {part: self._read_mafl_list(part, index_of) for part in NUM_MAFL}
        both = np.flatnonzero(in_mafl["training"] & in_mafl["testing"])
        if len(both):
            raise UserError(
                f"{self.root}/MAFL/testing.txt: {names[both[0]]} is in MAFL/training.txt too"
            )
        return in_mafl

    def _read_mafl_list(self, part, index_of):
        list_name = f"MAFL/{part}.txt"
        path = self.find(list_name)
        listed = read_names(path)
        require_unique(listed, path)
        self.require_count(list_name, len(listed), NUM_MAFL[part], "names")
        unknown = [name for name in listed if name not in index_of]
        if unknown:
            self.deviate(list_name, f"{len(unknown)} names ({unknown[0]}) are not in {PARTITION}")
        mask = np.zeros(len(index_of), dtype=bool)
        mask[[index_of[name] for name in listed if name in index_of]] = True
        return mask

    def _read_landmarks(self, names):
        """Return each name's row, (N,), -1 if it has none, and the landmarks, (rows, 5, 2)."""
        path = self.find(LANDMARKS)
        lines, first = without_heading(read_lines(path))
        row_names, table = parse_table(lines, 10, path, first)
        self.require_count(LANDMARKS, len(row_names), NUM_IMAGES, "rows")
        landmarks = table.reshape(-1, 5, 2)
        if row_names == names:
            return np.arange(len(names)), landmarks
        require_unique(row_names, path, first)
        row_of = {name: row for row, name in enumerate(row_names)}
        rows = np.array([row_of.get(name, -1) for name in names])
        absent = np.flatnonzero(rows < 0)
        if len(absent):
            self.deviate(
                LANDMARKS, f"{len(absent)} images of {PARTITION} ({names[absent[0]]}) are not in it"
            )
        return rows, landmarks


class CelebAPrunedAligned_MAFLVal(CelebAFaces):
    """CelebA's training partition without any MAFL image.

    Validation images are, with ``val_split`` "celeba", the first ``val_size`` of CelebA's test
    partition outside MAFL, and with "mafl" MAFL's test images. Embeddings are evaluated on
    ``MAFLAligned``.
    """

    evaluated_on = "MAFLAligned"

    def choose(self, partition, in_mafl):
        if self.split == "test" or self.split == "val" and self.val_split == "mafl":
            return np.flatnonzero(in_mafl["testing"])
        outside = ~(in_mafl["training"] | in_mafl["testing"])
        if self.split == "train":
            return np.flatnonzero(outside & (partition == TRAIN_PARTITION))
        candidates = np.flatnonzero(outside & (partition == TEST_PARTITION))
        if self.val_size > len(candidates) and not self.allow_partial:
            raise ValueError(
                f"val_size = {self.val_size}, but CelebA's test partition has {len(candidates)} "
                "images outside MAFL"
            )
        return candidates[: self.val_size]


class MAFLAligned(CelebAFaces):
    """MAFL: its training images; its test images for both validation and test."""

    def choose(self, partition, in_mafl):
        return np.flatnonzero(in_mafl["training" if self.split == "train" else "testing"])
