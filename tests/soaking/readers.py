"""What reads the files of strangers: for each kind of file a valid one, and its reader."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.io import savemat

from data_loader.annotation_files import (
    parse_table,
    read_csv,
    read_lines,
    read_matlab,
    read_names,
    read_pts,
)
from data_loader.images import read_image
from data_loader.landmark_folder import LandmarkFolder
from tests.data_helpers.tiny_runs import EMBEDDING, write_image
from utils.checkpoint.save_and_load import read_checkpoint, save_checkpoint
from utils.config.read import read_config

NUM_POINTS = 5


@dataclass(frozen=True)
class Reader:
    """write(path) makes a valid file, read(path) reads it."""

    file_name: str
    write: Callable
    read: Callable

    def valid_file(self, folder):
        """Write a valid file; returns its content."""
        path = folder / self.file_name
        self.write(path)
        return path.read_bytes()


def write_csv(path):
    rows = ["file,split,a_x,a_y,b_x,b_y", "000.jpg,train,1,2,3.5,4", '"001.jpg",,5,6,7,8']
    path.write_text("\n".join(rows) + "\n")


def write_coco(path):
    keypoints = [[1, 2, 2, 3.5, 4, 1], [5, 6, 2, 7, 8, 2]]
    path.write_text(json.dumps({
        "images": [{"id": n, "file_name": f"{n:03d}.jpg", "width": 40, "height": 48}
                   for n in range(2)],
        "annotations": [{"id": n, "image_id": n, "category_id": 1, "keypoints": keypoints[n],
                         "num_keypoints": 2, "bbox": [0, 0, 9, 9], "area": 81} for n in range(2)],
        "categories": [{"id": 1, "name": "face", "keypoints": ["a", "b"]}],
    }))


def write_imglab(path):
    images = "".join(
        f"<image file='{n:03d}.jpg'><box top='1' left='1' width='9' height='9'>"
        f"<part name='a' x='{n}' y='2'/><part name='b' x='3' y='4'/></box></image>"
        for n in range(2))
    path.write_text(f"<?xml version='1.0'?><dataset><images>{images}</images></dataset>")


def read_list(path):
    """Read a list of landmarks as training does."""
    if not (path.parent / "images").is_dir():
        for number in range(2):
            write_image(path.parent / "images" / f"{number:03d}.jpg", number)
    return LandmarkFolder(str(path.parent), "train", imwidth=16, use_keypoints=True,
                          annotation=path.name)


def write_points(path):
    points = "\n".join(f"{k}.5 {k * 2}" for k in range(NUM_POINTS))
    path.write_text(f"version: 1\nn_points:  {NUM_POINTS}\n{{\n{points}\n}}\n")


def write_table(path):
    path.write_text("".join(f"{n:06d}.jpg  {n} {n + 1} {n + 2} {n + 3}\n" for n in range(9)))


def write_matlab(path, compressed):
    boxes = np.empty((1, 2), object)
    for number in range(2):
        boxes[0, number] = {"imgName": f"image_{number}.png",
                            "bb_ground_truth": np.array([[1.0, 2, 30, 40]])}
    savemat(path, {"bounding_boxes": boxes, "gt": np.random.rand(3, 5, 2),
                   "hw": np.full((3, 2), 150)}, do_compression=compressed)


def write_checkpoint(path, zip_format):
    state = {"state_dict": {"w": torch.ones(5), "b": torch.zeros(2)}, "epoch": 3,
             "config": {"a": [1, 2.5, None, "text"]}}
    if zip_format:
        save_checkpoint(path, state)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=False)


def write_config(path):
    path.write_text(json.dumps(EMBEDDING, indent=1))


READERS = {
    "config": Reader("config.json", write_config, read_config),
    "landmarks.csv": Reader("landmarks.csv", write_csv, read_list),
    "COCO": Reader("coco.json", write_coco, read_list),
    "imglab": Reader("imglab.xml", write_imglab, read_list),
    "csv": Reader("any.csv", write_csv, read_csv),
    "pts": Reader("one.pts", write_points, lambda path: read_pts(path, NUM_POINTS)),
    "table": Reader("table.txt", write_table, lambda path: parse_table(read_lines(path), 4, path)),
    "names": Reader("names.txt", write_table, read_names),
    "mat": Reader("plain.mat", lambda path: write_matlab(path, False),
                  lambda path: read_matlab(path, "bounding_boxes", "gt", "hw")),
    "mat, compressed": Reader("packed.mat", lambda path: write_matlab(path, True),
                              lambda path: read_matlab(path, "bounding_boxes", "gt", "hw")),
    "JPEG": Reader("image.jpg", lambda path: write_image(path, 0),
                   lambda path: read_image(path, as_seen=True)),
    "PNG": Reader("image.png", lambda path: write_image(path, 0),
                  lambda path: read_image(path, as_seen=True)),
    "checkpoint, zip": Reader("new.pth", lambda path: write_checkpoint(path, True),
                              read_checkpoint),
    "checkpoint, legacy": Reader("old.pth", lambda path: write_checkpoint(path, False),
                                 read_checkpoint),
}
