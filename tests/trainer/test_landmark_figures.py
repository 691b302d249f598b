"""The figure of a landmark regressor where some images have no distance to divide by, or none has:
from the training to results.json, pictures and the report.
"""

import json
import math

import pytest
import torch

from data_loader.augmentation import normalise
from tests.data_helpers.tiny_runs import write_landmark_folder
from trainer.datasets import evaluation_dataset
from trainer.evaluation.results import load_for_evaluation
from utils.config.read import read_config

CPU = torch.device("cpu")
COINCIDING = ("017.jpg", "020.jpg")  # of the test images 016 to 023
ONE_EPOCH = ("--set", "trainer.epochs=1")
SIDE = 32 - 2 * 4


@pytest.fixture
def root(tmp_path):
    return write_landmark_folder(tmp_path / "faces", 16, 8)


def rewrite(root, change):
    """Change the rows of landmarks.csv, lists of texts, header included."""
    path = root / "landmarks.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("".join(",".join(change(row)) + "\n" for row in rows))


def with_coinciding_eyes(row, names=COINCIDING):
    return [*row[:4], *row[2:4], *row[6:]] if row[0] in names else row


def strict_json(path):
    def refuse(constant):
        raise ValueError(f"{path}: {constant}")

    return json.loads(path.read_text(), parse_constant=refuse)


def pixel_points(run, checkpoint):
    """Return predicted and true points of the test images, in pixels of the network's frame: lists
    by image.
    """
    config = read_config(run.folder / "config.json")
    dataset = evaluation_dataset(config)
    model = load_for_evaluation(config, checkpoint, dataset, CPU)
    found = []
    for index in range(len(dataset)):
        item = dataset[index]
        image = item["image"][None, :, 4:-4, 4:-4]
        with torch.no_grad():
            predicted = model(normalise(image))[0].double()
        points = ((predicted + 1) / 2 * (SIDE - 1)).tolist(), (item["keypts"] - 4).tolist()
        found.append((dataset.label(index), *points))
    return found


# Of a mean error, for images in another batch: descriptors in float32 are off by 1e-5, times 100
# before the softmax, and so virtual keypoints by 1e-3 of a cell. One image more moves it further.
ROUNDED = 1e-3


def mean_distance(predicted, truth):
    return sum(map(math.dist, predicted, truth)) / len(truth)


def test_images_whose_eyes_coincide_are_left_out_of_the_mean_and_named(
        root, train, call_program, landmark_config, trained_embedding, tmp_path):
    rewrite(root, with_coinciding_eyes)
    run = train(landmark_config(root), "--resume", trained_embedding.checkpoint(3), *ONE_EPOCH)
    line = ("left out of the mean error of split '{}': 2 images in which landmarks 0 and 1, by "
            "whose distance errors are divided, coincide: 017.jpg, 020.jpg\n")
    assert line.format("val") in run.log and line.format("test") in run.log
    points = pixel_points(run, run.checkpoint(1))
    errors = [100 * mean_distance(predicted, truth) / math.dist(truth[0], truth[1])
              for name, predicted, truth in points if name not in COINCIDING]
    results = strict_json(run.folder / "results.json")
    assert results["inter_ocular_error_pct"] == pytest.approx(sum(errors) / 6, rel=ROUNDED)
    assert results["num_images"] == 6 and results["left_out"] == list(COINCIDING)
    (told,) = [float(line.split(": ")[1]) for line in run.log.splitlines()
               if "val_inter_ocular_error" in line][-1:]
    assert told == pytest.approx(sum(errors) / 6, rel=1e-2)  # of float16 descriptors

    output = tmp_path / "again.json"
    done = call_program("test.py", "--config", run.folder / "config.json", "--resume",
                        run.checkpoint(1), "--vis", "--output", output)
    assert done.code == 0, done.stderr
    again = strict_json(output)
    assert again["inter_ocular_error_pct"] == pytest.approx(sum(errors) / 6, rel=ROUNDED)
    assert again["left_out"] == list(COINCIDING)
    done = call_program("misc/report.py", run.folder, "--output", tmp_path / "report.html")
    assert done.code == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert "6 of 6, " in page and "017.jpg" not in page.partition("From the best")[2]


def test_where_they_coincide_in_every_test_image_nothing_is_trained(
        root, train, landmark_config, trained_embedding, call_program):
    names = [f"{number:03d}.jpg" for number in range(16, 24)]
    rewrite(root, lambda row: with_coinciding_eyes(row, names))
    done = call_program("train.py", "--config", landmark_config(root), "--resume",
                        trained_embedding.checkpoint(3))
    assert done.code == 2 and len(done.stderr.splitlines()) == 1
    assert "landmarks 0 and 1, by whose distance errors are divided, coincide in every image of " \
        "split 'test' (016.jpg for one)" in done.stderr


def only_one(row):
    return row[:4]


@pytest.mark.parametrize("change, eyes", [(only_one, None), (list, [])])
def test_without_a_pair_to_normalise_by_errors_are_in_pixels(
        root, train, call_program, landmark_config, trained_embedding, tmp_path, change, eyes):
    rewrite(root, change)
    path = landmark_config(root)
    raw = json.loads(path.read_text())
    raw["dataset"]["args"]["eye_indices"] = eyes
    path.write_text(json.dumps({**raw, "visualizations": ["keypoints_intermediate"]}))
    run = train(path, "--resume", trained_embedding.checkpoint(3), *ONE_EPOCH)
    assert "metrics: landmark_pixel_error is measured, in pixels of a 70x70 image" in run.log
    errors = [mean_distance(predicted, truth) * 70 / SIDE
              for _, predicted, truth in pixel_points(run, run.checkpoint(1))]
    expected = sum(errors) / len(errors)
    results = strict_json(run.folder / "results.json")
    assert results["pixel_error_px"] == pytest.approx(expected, rel=ROUNDED)
    assert results["unit"] == "pixels of a 70x70 image" and results["num_images"] == 8
    assert "normalised_by" not in results and "inter_ocular_error_pct" not in results
    assert f"Mean Pixel Error (landmarks): {results['pixel_error_px']:.4f}" in run.log
    assert "val_landmark_pixel_error: " in run.log

    done = call_program("test.py", "--config", run.folder / "config.json", "--resume",
                        run.checkpoint(1), "--vis")
    assert done.code == 0 and "Mean Pixel Error (landmarks): " in done.stdout, done.stderr
    done = call_program("misc/report.py", run.folder, "--output", tmp_path / "report.html")
    assert done.code == 0, done.stderr
    assert f"{max(errors):.1f}\u00a0px" in (tmp_path / "report.html").read_text()


def test_a_figure_that_is_not_finite_is_an_error_and_writes_nothing(
        root, call_program, landmark_config, trained_embedding, train):
    run = train(landmark_config(root), "--mini_train", "--resume", trained_embedding.checkpoint(3))
    path = run.checkpoint(1)
    content = torch.load(path, weights_only=True)
    content["state_dict"]["1.reg_conv.weight"].fill_(torch.nan)
    torch.save(content, path)
    done = call_program("test.py", "--config", run.folder / "config.json", "--resume", path)
    assert done.code == 2
    assert done.stderr.splitlines()[-1].endswith(
        f"{path}: inter_ocular_error_pct is inf: its predictions are not finite")
