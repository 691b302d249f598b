"""300-W: faces with 68 landmarks, cropped around their annotated boxes."""

import math
import os

import numpy as np
from PIL import Image

from data_loader.annotation_files import posix, read_matlab, read_pts
from data_loader.published_dataset import PublishedDataset
from utils.errors import UserError

FOLDERS = {
    "train": ("afw", "helen/trainset", "lfpw/trainset"),
    "test": ("helen/testset", "lfpw/testset", "ibug"),
}
NUM_IMAGES = {"train": 3148, "test": 689}
FACE_WIDTH = 52  # width of the box in the crop, in pixels
WINDOW = 100
CENTRE_COLUMN, CENTRE_ROW = 50, 52  # of the box, in the window
FIRST_RESIZES = {"nearest": Image.NEAREST, "bicubic": Image.BICUBIC}


class ThreeHundredW(PublishedDataset):
    """Faces of AFW, Helen, LFPW and iBUG; the validation set is the test split.

    first_resize: interpolation when the whole image is scaled to the size of its face: "nearest",
        as in the published runs, or "bicubic", the default of later versions of Pillow.
    """

    per_image = (*PublishedDataset.per_image, "boxes")
    default_root = "data/300w/300w"
    archive = "300w"
    eye_indices = (36, 45)
    num_landmarks = 68

    def __init__(
        self,
        root: str,
        split: str,
        imwidth: int,
        crop: int = 0,
        use_keypoints: bool = False,
        do_augmentations: bool = True,
        first_resize: str = "nearest",
        allow_partial: bool = False,
    ):
        if first_resize not in FIRST_RESIZES:
            raise ValueError(
                f"first_resize = {first_resize!r}, expected one of {', '.join(FIRST_RESIZES)}"
            )
        self.first_resize = FIRST_RESIZES[first_resize]
        super().__init__(root, split, imwidth, crop, use_keypoints, do_augmentations, allow_partial)

    def list_samples(self):
        part = "train" if self.split == "train" else "test"
        folders = FOLDERS[part]
        samples = [self._read_boxes(folder) for folder in folders]
        counts = [len(boxes) for boxes in samples]
        self.require_count(
            f"Bounding Boxes/bounding_boxes_{{{','.join(map(_underscored, folders))}}}.mat",
            sum(counts),
            NUM_IMAGES[part],
            f"images ({' + '.join(map(str, counts))})",
        )
        samples = [sample for boxes in samples for sample in boxes]
        kept = self.present([path for path, _ in samples])
        paths = [samples[i][0] for i in kept]
        self.boxes = np.array([samples[i][1] for i in kept])
        return paths, self._read_landmarks(paths) if self.use_keypoints else None

    def fit(self, image, keypts, index):
        """Scale the image so that its box is FACE_WIDTH wide, crop a window, resize that.

        keypts: (68, 2), 1-based like the box.
        """
        scale, start = window_of(self.boxes[index])
        size = (int(scale * image.width), int(scale * image.height))
        if min(size) < 1:
            raise UserError(f"{self.paths[index]}: its box is far larger than the image")
        corner = (start[0] + WINDOW, start[1] + WINDOW)
        window = image.resize(size, self.first_resize).crop((*start, *corner))  # zero outside
        return super().fit(window, scale * keypts - start - 1, index)

    def _read_boxes(self, folder):
        """Return a list of (image path, box), in the order of the file."""
        path = self.find(f"Bounding Boxes/bounding_boxes_{_underscored(folder)}.mat")
        (cells,) = read_matlab(path, "bounding_boxes")
        samples = []
        for number, cell in enumerate(cells.ravel(), start=1):
            name, box = _parse_cell(cell, f"{path}, cell {number}")
            if folder != "ibug" or name.startswith("image"):
                samples.append((f"{self.root}/{folder}/{name}", box))
        return samples

    def _read_landmarks(self, paths):
        return np.stack(
            [read_pts(os.path.splitext(path)[0] + ".pts", self.num_landmarks) for path in paths]
        )


def window_of(box):
    """Return the scale of an image, and the start (column, row) of its face's window once scaled.

    The start is 0-based and may lie outside of the image. box: xmin, ymin, xmax, ymax, 1-based,
    both ends included.
    """
    xmin, ymin, xmax, ymax = box
    width, height = xmax - xmin + 1, ymax - ymin + 1
    scale = FACE_WIDTH / width
    centre_x, centre_y = xmin + (width + 1) / 2, ymin + (height + 1) / 2
    column = math.floor(scale * centre_x) - CENTRE_COLUMN
    row = math.floor(scale * centre_y) - CENTRE_ROW
    return scale, (column, row)


def _parse_cell(cell, where):
    """Return the image name and the box, (4,) float64, in a 1 x 1 struct."""
    try:
        name = posix(str(cell["imgName"][0, 0][0]))
        box = np.array(cell["bb_ground_truth"][0, 0][0], dtype=np.float64)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{where}: expected a struct with imgName and bb_ground_truth ({error})"
        ) from error
    if box.shape != (4,) or not np.isfinite(box).all() or not (box[2:] > box[:2]).all():
        raise UserError(f"{where}: box {box.tolist()}, expected xmin ymin xmax ymax")
    return name, box


def _underscored(folder):
    return folder.replace("/", "_")
