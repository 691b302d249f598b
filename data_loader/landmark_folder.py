"""A folder of the user's own images, of any object, with or without landmarks."""

import csv
import hashlib
from pathlib import Path, PurePosixPath

import numpy as np

from data_loader.base_dataset import ImageFileDataset
from utils.errors import UserError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
TEST_SHARE = 0.1  # of the images whose split no one named


class LandmarkFolder(ImageFileDataset):
    """Images below ``root/images`` (or ``root``), in nested folders too; landmarks, if any, in
    ``root/landmarks.csv``.

    The csv has a header ``file[,split],x0,y0,x1,y1,...``: file relative to the image folder, split
    "train", "val" or "test", then x and y of each landmark in pixels of that image. Images that it
    does not list, or lists without a split, fall by a
    hash of their name: a tenth to "test", the rest to "train". Without "val" rows the validation
    set is the test split. With ``use_keypoints`` the data set holds the listed images only.

    root: the folder.
    eye_indices: the two landmarks whose distance landmark errors are divided by; null: the first
        two.
    """

    def __init__(
        self,
        root: str,
        split: str,
        imwidth: int,
        crop: int = 0,
        use_keypoints: bool = False,
        do_augmentations: bool = True,
        eye_indices: list | None = None,
    ):
        super().__init__(split, imwidth, crop, use_keypoints, do_augmentations)
        root = Path(root)
        folder = root / "images" if (root / "images").is_dir() else root
        if not root.is_dir():
            raise UserError(
                f"dataset.args.root = {str(root)!r}: no such folder; expected images in it, "
                "and landmarks.csv (README, 'Your own images')"
            )
        annotation = root / "landmarks.csv"
        table = read_landmark_csv(annotation) if annotation.is_file() else {}
        if use_keypoints and not table:
            raise UserError(f"{annotation}: no such file, but 'use_keypoints' asks for landmarks")
        names = list(table) if use_keypoints else _all_names(folder, table)
        names = _of_split(names, table, split)
        if not names:
            raise UserError(
                f"{folder}: no images of split '{split}' (suffixes {' '.join(IMAGE_SUFFIXES)}); "
                "a column 'split' in landmarks.csv says which image belongs to which"
            )
        self.paths = [folder / name for name in names]
        if use_keypoints:
            self._take_landmarks(names, table, eye_indices, annotation)

    @classmethod
    def is_annotated(cls, root, **args):
        root = Path(root)
        return (root / "landmarks.csv").is_file() or not root.is_dir()  # told when built

    def _take_landmarks(self, names, table, eye_indices, annotation):
        missing = next((path for path in self.paths if not path.is_file()), None)
        if missing is not None:
            raise UserError(f"{annotation}: lists {missing.name}, but {missing} does not exist")
        self.landmarks = np.stack([table[name][1] for name in names])
        self.num_landmarks = self.landmarks.shape[1]
        if eye_indices is None:
            eye_indices = (0, 1) if self.num_landmarks > 1 else ()
        elif len(eye_indices) != 2 or not all(0 <= i < self.num_landmarks for i in eye_indices):
            raise ValueError(
                f"eye_indices = {eye_indices}, expected two of the "
                f"{self.num_landmarks} landmarks, 0 to {self.num_landmarks - 1}"
            )
        self.eye_indices = tuple(eye_indices)


def read_landmark_csv(path):
    """Return {file: (split or None, landmarks (K, 2))} in the order of the file."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot read this csv ({error})") from error
    if not rows or not rows[0] or rows[0][0].strip() != "file":
        raise UserError(f"{path}: expected a header that begins with 'file'")
    header = [name.strip() for name in rows[0]]
    first = 2 if header[1:2] == ["split"] else 1
    if len(header) == first or (len(header) - first) % 2:
        raise UserError(
            f"{path}: {len(header) - first} coordinate columns, expected x and y for each landmark"
        )
    table = {}
    for number, row in enumerate(rows[1:], start=2):
        if row:
            name, entry = _parse_row(row, header, first, f"{path}, line {number}")
            if name in table:
                raise UserError(f"{path}, line {number}: {name} is listed twice")
            table[name] = entry
    if not table:
        raise UserError(f"{path}: lists no images")
    return table


def _parse_row(row, header, first, where):
    if len(row) != len(header):
        raise UserError(f"{where}: {len(row)} columns, expected {len(header)} as in the header")
    split = row[1].strip() or None if first == 2 else None
    if split not in (None, *LandmarkFolder.splits):
        raise UserError(
            f"{where}: split '{split}', "
            f"expected one of {', '.join(LandmarkFolder.splits)}, or nothing"
        )
    try:
        values = np.array(row[first:], dtype=np.float64).reshape(-1, 2)
    except ValueError as error:
        raise UserError(f"{where}: expected numbers ({error})") from error
    if not np.isfinite(values).all():
        raise UserError(f"{where}: expected finite coordinates")
    return PurePosixPath(row[0].strip()).as_posix(), (split, values)


def _all_names(folder, table):
    """The listed images that exist, in the order of the list, then the others by name."""
    found = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
    )
    present = set(found)
    return [name for name in table if name in present] + [
        name for name in found if name not in table
    ]


def _of_split(names, table, split):
    splits = [_split_of(name, table) for name in names]
    if split == "val" and "val" not in splits:
        split = "test"
    return [name for name, its_split in zip(names, splits) if its_split == split]


def _split_of(name, table):
    named = table.get(name, (None,))[0]
    digest = int.from_bytes(hashlib.sha1(name.encode()).digest()[:4], "big")
    return named or ("test" if digest < TEST_SHARE * (1 << 32) else "train")
