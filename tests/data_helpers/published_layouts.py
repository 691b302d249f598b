"""Write the annotation files of the published data sets as their archives hold them."""

import csv
from functools import cache

import numpy as np
from scipy.io import savemat


def write_text(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def write_celeba(root, partition, landmarks, training, testing):
    """partition: {name: 0, 1 or 2}; landmarks: {name: tuple of ten}; training, testing: names."""
    write_text(root / "Eval/list_eval_partition.txt", (f"{n} {p}" for n, p in partition.items()))
    header = (
        "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y "
        "leftmouth_x leftmouth_y rightmouth_x rightmouth_y "
    )
    rows = (f"{name} {_aligned(values)}" for name, values in landmarks.items())
    write_text(
        root / "Anno/list_landmarks_align_celeba.txt", [str(len(landmarks)), header, *rows]
    )
    write_text(root / "MAFL/training.txt", training)
    write_text(root / "MAFL/testing.txt", testing)


@cache
def _aligned(values):
    return " ".join(f"{value:4d}" for value in values)


def write_aflw(root, part, names, points, sizes):
    """points: (N, 5, 2) and sizes: (N, 2), both (x, y)."""
    write_text(root / f"aflw_{part}_images.txt", names)
    arrays = {"gt": np.asarray(points)[..., ::-1], "hw": np.asarray(sizes)[..., ::-1]}
    savemat(root / f"aflw_{part}_keypoints.mat", arrays)


def write_crop_table(root, rows):
    """rows: (original, set, file of the crop, points (5, 2) from 1) of AFLW-MTFL's csv."""
    path = root / "aflw_cropped/facedata_cropped.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    points = [f"{axis}_{place}" for place in "ABCDE" for axis in "xy"]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", "face_id", "image_file", "sex", *points, "set", "yaw", "crop_file"])
        for number, (original, part, crop, xy) in enumerate(rows):
            xy = np.ravel(xy).tolist()
            writer.writerow([number, 39000 + number, original, "m", *xy, part, 0.25, crop])


def write_mtfl_testing(root, rows):
    """rows: (path, points (5, 2) from 1) of MTFL's test list, which has x before y."""
    lines = (
        f" {path} {' '.join(f'{v:.4f}' for v in np.transpose(points).ravel())} 1 2 2 3"
        for path, points in rows
    )
    write_text(root / "MTFL/testing.txt", lines)


def write_boxes(root, folder, boxes):
    """boxes: (name, (xmin, ymin, xmax, ymax)) of one of 300-W's folders."""
    cells = np.empty((1, len(boxes)), dtype=object)
    for i, (name, box) in enumerate(boxes):
        box = np.array([box], dtype=np.float64)
        cells[0, i] = {"imgName": name, "bb_detector": box + 3, "bb_ground_truth": box}
    path = root / f"Bounding Boxes/bounding_boxes_{folder.replace('/', '_')}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"bounding_boxes": cells})


def write_pts(path, points):
    lines = [f"{x:.3f} {y:.3f}" for x, y in points]
    write_text(path, ["version: 1", f"n_points:  {len(lines)}", "{", *lines, "}"])
