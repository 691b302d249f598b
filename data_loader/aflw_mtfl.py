"""AFLW faces as split and cropped for the MTFL benchmark (AFLW_M)."""

import numpy as np
from PIL import Image

from data_loader.annotation_files import parse_number, posix, read_csv, read_lines
from data_loader.published_dataset import PublishedDataset
from utils.errors import UserError

TRAIN_LIST = "aflw_cropped/facedata_cropped.csv"
TEST_LIST = "MTFL/testing.txt"
NUM_IMAGES = {"train": 10122, "test": 2995}
CROP_SIDE = 150  # side of the frame of the landmarks, which are 1-based, at any size of the file
NUM_ATTRIBUTES = 4


class AFLW_MTFL(PublishedDataset):
    """AFLW faces; the validation set is the test split."""

    default_root = "data/aflw-mtfl"
    archive = "aflw-mtfl"

    def list_samples(self):
        path = self.find(TRAIN_LIST)
        table = CropTable(path, read_csv(path))
        if self.split == "train":
            folder, name = "aflw_cropped", TRAIN_LIST
            files, landmarks = table.training_samples()
        else:
            folder, name = "MTFL", TEST_LIST
            files, landmarks = self._read_test_list(table)
        part = "train" if self.split == "train" else "test"
        self.require_count(name, len(files), NUM_IMAGES[part], f"{part} images")
        paths = [f"{self.root}/{folder}/{file}" for file in files]
        kept = self.present(paths)
        return [paths[i] for i in kept], np.array([landmarks[i] for i in kept])

    def fit(self, image, keypts, index):
        S = self.imwidth
        return image.resize((S, S), Image.BILINEAR), (keypts - 1) * (S / CROP_SIDE)

    def _read_test_list(self, table):
        path = self.find(TEST_LIST)
        files, landmarks = [], []
        for number, line in enumerate(read_lines(path), start=1):
            file, points = _parse_test_line(line, f"{path}, line {number}")
            files.append(file)
            landmarks.append(points)
        originals = [file.rpartition("-")[2] for file in files]
        for original in originals:
            if original in table.training_images:
                raise UserError(f"{path}: {original} is a training image in {table.path}")
        unknown = [original for original in originals if original not in table.images]
        if unknown:
            self.deviate(TEST_LIST, f"{len(unknown)} images ({unknown[0]}) are not in {TRAIN_LIST}")
        return files, landmarks


class CropTable:
    """The table of crops: original image, set (1 is training), file of the crop, landmarks."""

    columns = ("image_file", "set", "crop_file")
    landmark_columns = slice(4, 14)  # x and y of five landmarks; their names differ

    def __init__(self, path, rows):
        self.path = path
        header = [name.strip() for name in rows[0]] if rows else []
        absent = [name for name in self.columns if name not in header]
        if absent or len(header) < self.landmark_columns.stop:
            raise UserError(
                f"{path}: expected a header with {', '.join(self.columns)}, and x and y of five "
                f"landmarks in columns 5 to 14; found {','.join(header)!r}"
            )
        self._image, self._set, self._crop = (header.index(name) for name in self.columns)
        self._rows = rows[1:]
        for number, row in enumerate(self._rows, start=2):
            if len(row) != len(header):
                raise UserError(f"{path}, row {number}: {len(row)} columns, expected {len(header)}")
        self._training = [
            (number, row) for number, row in enumerate(self._rows, start=2) if self._is_train(row)
        ]
        self.images = {row[self._image].strip() for row in self._rows}
        self.training_images = {row[self._image].strip() for _, row in self._training}

    def _is_train(self, row):
        return row[self._set].strip() in ("1", "1.0")

    def training_samples(self):
        """Return the files of the training crops, N, and their landmarks, N arrays (5, 2)."""
        files = [posix(row[self._crop]) for _, row in self._training]
        landmarks = [
            _numbers(row[self.landmark_columns], f"{self.path}, row {number}").reshape(5, 2)
            for number, row in self._training
        ]
        return files, landmarks


def _parse_test_line(line, where):
    """Return file and landmarks, (5, 2), of a line: path, five x, five y, attributes."""
    columns = line.strip().rsplit(None, 10 + NUM_ATTRIBUTES)
    if len(columns) != 1 + 10 + NUM_ATTRIBUTES:
        raise UserError(
            f"{where}: expected a path and {10 + NUM_ATTRIBUTES} numbers, "
            f"found {len(columns)} columns"
        )
    return posix(columns[0]), _numbers(columns[1:11], where).reshape(2, 5).T


def _numbers(texts, where):
    try:
        values = np.array([parse_number(text) for text in texts])
    except ValueError as error:
        raise UserError(f"{where}: expected numbers ({error})") from error
    if not np.isfinite(values).all():
        raise UserError(f"{where}: expected finite coordinates, found {' '.join(texts)!r}")
    return values
