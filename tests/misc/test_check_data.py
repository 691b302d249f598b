"""The program that reads all images and lists what is wrong, against folders made wrong."""

import csv
import os

import pytest
from PIL import Image

from data_loader.landmark_folder import LandmarkFolder
from data_loader.splits import assign_splits
from misc.check_data import main
from tests.data_helpers.tiny_runs import (
    EMBEDDING,
    LANDMARKS,
    write_image,
    write_landmark_folder,
    write_tiny_config,
)
from utils.cli import run_program


@pytest.fixture
def check(tmp_path, capsys):
    """Return a function that checks a folder of images; returns exit code and output."""

    def call(root, *args, kind=EMBEDDING, **changes):
        config = write_tiny_config(
            tmp_path / "configs" / "tiny" / "tiny.json", kind, root, tmp_path, **changes)
        arguments = ["--config", str(config), "--num_workers", "0", *args]
        return run_program(lambda: main(arguments)), capsys.readouterr()

    return call


@pytest.fixture
def root(tmp_path):
    return write_landmark_folder(tmp_path / "faces", 6, 3)


def told(printed):
    """Return what was printed after the lines on what was found."""
    return [line for line in printed.out.splitlines() if not line.startswith("data: ")]


def set_landmarks(root, number, text):
    """Replace the coordinates of an image in landmarks.csv."""
    path = root / "landmarks.csv"
    lines = path.read_text().splitlines()
    file, split, *_ = lines[1 + number].split(",")
    lines[1 + number] = f"{file},{split},{text}"
    path.write_text("\n".join(lines) + "\n")


def test_good_images_are_counted(check, root):
    code, printed = check(root)
    assert (code, printed.err) == (0, "")
    assert printed.out.splitlines() == [
        f"data: 9 images below {root / 'images'}: 6 train, 3 test; the test images validate, too "
        "(as their list says)",
        "data: all 40 x 48 pixels; made square (square = auto): 9 resized, 0 cut to their centre",
        f"data: 3 landmarks of 9 images in {root / 'landmarks.csv'}: 6 train, 3 test; "
        "the test images validate, too",
        "train: 6 images, 0 of them with something wrong",
        "test: 3 images, 0 of them with something wrong",
        "val: the test images",
    ]


def test_validation_images_of_their_own_are_counted(check, root):
    path = root / "landmarks.csv"
    path.write_text(path.read_text().replace("000.jpg,train", "000.jpg,val"))
    code, printed = check(root)
    assert code == 0 and [line.split(",")[0] for line in told(printed)] == [
        "train: 5 images", "test: 3 images", "val: 1 image"]


def test_everything_wrong_is_told_in_one_pass(check, root):
    (root / "images" / "001.jpg").write_bytes(b"")
    whole = (root / "images" / "002.jpg").read_bytes()
    (root / "images" / "002.jpg").write_bytes(whole[: len(whole) // 2])
    set_landmarks(root, 4, "10,10,39,47,45,20")
    code, printed = check(root, "--split", "train")
    assert code == 2
    folder, table = root / "images", root / "landmarks.csv"
    empty, cut, *others = told(printed)
    assert empty == f"{folder / '001.jpg'}: cannot read this image (the file is empty)"
    assert cut.startswith(f"{folder / '002.jpg'}: cannot read this image (")
    assert others == [
        f"{table}, line 6: landmark 3, (45, 20), is outside {folder / '004.jpg'}: 40 x 48 pixels",
        "train: 6 images, 3 of them with something wrong",
    ]


def test_a_landmark_outside_the_square_in_the_centre_is_told_as_its_list_has_it(check, root):
    write_image(root / "images" / "004.jpg", 4, size=(400, 200))
    set_landmarks(root, 4, "110,10,310.25,150,99.25,0")
    code, printed = check(root, "--split", "train")
    assert code == 2 and told(printed)[0] == (
        f"{root / 'landmarks.csv'}, line 6: landmark 2, (310.25, 150), is outside "
        f"{root / 'images' / '004.jpg'}: 400 x 200 pixels, of which x = 100 to 299, y = 0 to 199 "
        "are used")


def test_workers_find_the_same(check, root):
    (root / "images" / "007.jpg").write_bytes(b"no image")
    alone, helped = (check(root, "--split", "test", "--num_workers", n) for n in ("0", "2"))
    assert alone == helped and alone[0] == 2


def test_images_without_landmarks_are_read_too(check, tmp_path):
    for number in range(30):
        Image.new("RGB", (20, 20)).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    code, printed = check(tmp_path)
    assert code == 2 and printed.out.count("broken.png") >= 1


def test_what_two_splits_share_is_told_once(check, root):
    (root / "images" / "008.jpg").write_bytes(b"no image")
    code, printed = check(root)
    assert code == 2 and printed.out.count("008.jpg: cannot read") == 1
    assert [line for line in told(printed) if "008.jpg" not in line] == [
        "train: 6 images, 0 of them with something wrong",
        "test: 3 images, 1 of them with something wrong",
        "val: the test images",
    ]


def test_an_unknown_data_set(check, root):
    code, printed = check(root, "--set", "dataset.type=LandmarkFoldr")
    assert code == 2 and "did you mean 'LandmarkFolder'" in printed.err


def test_a_negative_number_of_workers(check, root, capsys):
    with pytest.raises(SystemExit) as stopped:
        check(root, "--num_workers", "-1")
    assert stopped.value.code == 2
    assert "--num_workers: -1, expected at least 0" in capsys.readouterr().err


def test_faulty_lines_and_broken_images_are_told_together(check, root):
    set_landmarks(root, 1, "10,10,nan,3,20,20")
    set_landmarks(root, 2, "10,10,20,20")
    with open(root / "landmarks.csv", "a") as file:
        file.write("gone.jpg,train,1,2,3,4,5,6\n000.jpg,train,1,2,3,4,5,6\n")
    (root / "images" / "001.jpg").write_bytes(b"no image")  # whose line has a fault
    code, printed = check(root, "--split", "train")
    table, images = root / "landmarks.csv", root / "images"
    assert code == 2 and told(printed) == [
        f"{table}, line 3: expected finite coordinates, x and y of each landmark",
        f"{table}, line 4: 6 columns, expected 8 as in the header",
        f"{table}, line 12: 000.jpg is listed twice",
        *[line for line in told(printed) if "gone.jpg" in line or str(images) in line],
        "train: 7 images, 2 of them with something wrong",
    ]
    gone = f"{table}, line 11: lists gone.jpg, but {images / 'gone.jpg'} does not exist"
    assert gone in told(printed)
    assert f"{images / '001.jpg'}: cannot read this image" in printed.out


def test_images_that_a_training_leaves_out_are_no_faults(check, root):
    images = root / "images"
    (images / "001.jpg").write_bytes(b"no image")
    code, printed = check(root, "--split", "train", on_broken_image="skip")
    note, summary = told(printed)
    assert code == 0 and note.startswith(f"note: left out: {images / '001.jpg'}: cannot read this")
    assert summary == "train: 6 images, 0 of them with something wrong, 1 left out"
    set_landmarks(root, 2, "10,10,20,20,4000,20")
    code, printed = check(root, "--split", "train", on_broken_image="skip")
    assert code == 2 and "landmark 3, (4000, 20), is outside" in printed.out
    for path in images.iterdir():
        path.write_bytes(b"no image")
    code, printed = check(root, "--split", "train", on_broken_image="skip")
    assert code == 2 and told(printed)[-2] == "none of the 6 images of split 'train' can be read"


def test_a_list_without_a_sound_line_is_told_and_not_what_follows_of_it(check, root):
    table = root / "landmarks.csv"
    table.write_text("file,x,y\n000.jpg,a,1\n001.jpg,b,1\n")
    code, printed = check(root, "--split", "train", kind=LANDMARKS)
    assert code == 2 and told(printed)[:2] == [
        f"{table}, line 2: expected numbers ('a' is no number)",
        f"{table}, line 3: expected numbers ('b' is no number)"]
    assert "annotate one" not in printed.out and "no landmarks yet" not in printed.out


def test_folders_that_cannot_be_read_are_told_with_the_rest(check, root, locked):
    folders = [locked(root / "images" / name) for name in ("a", "b")]
    set_landmarks(root, 1, "10,10,nan,3,20,20")
    code, printed = check(root, "--split", "train")
    assert code == 2 and told(printed) == [
        *(f"{folder}: cannot read this folder (Permission denied)" for folder in folders),
        f"{root / 'landmarks.csv'}, line 3: expected finite coordinates, x and y of each landmark",
        "train: 6 images, 0 of them with something wrong",
    ]


def test_images_that_no_list_names_are_read_besides(check, root):
    for number in range(30):
        Image.new("RGB", (20, 20)).save(root / "images" / f"more{number}.png")
    (root / "images" / "broken.png").write_bytes(b"no image")
    code, printed = check(root)
    assert code == 2 and printed.out.count("broken.png: cannot read this image") == 1
    train, test, val = told(printed)[1:]
    assert int(train.split()[1]) + int(test.split()[1]) == 9 + 31
    assert val == "val: the test images"


def test_what_may_surprise_is_a_note(check, root):
    Image.new("RGB", (40, 48)).save(root / "images" / "004.jpg", format="PNG")
    code, printed = check(root)
    note = f"note: {root / 'images' / '004.jpg'}: is a PNG by its content, and read as one"
    assert code == 0 and told(printed)[0] == note
    code, printed = check(root, "--no_notes")
    assert code == 0 and "note" not in printed.out


# ---- which image is of which split


def test_the_splits_of_a_folder_are_a_csv_that_a_list_of_landmarks_may_begin_with(check, root):
    for number in range(30):
        Image.new("RGB", (20, 20)).save(root / "images" / f"more, {number}.png")
    (root / "images" / "empty.jpg").write_bytes(b"")
    code, printed = check(root, "--list_splits")
    header, *rows = csv.reader(printed.out.splitlines())
    assert (code, printed.err, header) == (0, "", ["file", "split"])
    found = {split: {str(path.relative_to(root / "images"))
                     for path in LandmarkFolder(str(root), split, 20).paths}
             for split in ("train", "test")}
    assert rows == sorted([name, split] for split, names in found.items() for name in names)
    (root / "landmarks.csv").write_text("".join(
        f"{line},{end}\n" for line, end in zip(printed.out.splitlines(), ["x,y"] + 40 * ["1,2"])))
    again, listed = check(root, "--list_splits")
    assert (again, listed.out) == (0, printed.out)


def test_a_folder_that_no_one_listed_is_split_by_names(check, root):
    (root / "landmarks.csv").unlink()
    _, printed = check(root, "--list_splits", "--set", "dataset.args.pattern=00[0-4].jpg")
    splits = assign_splits([f"00{n}.jpg" for n in range(5)], {})
    assert printed.out.splitlines() == ["file,split", *map(",".join, sorted(splits.items()))]


def test_names_that_are_no_text_are_listed_byte_for_byte(tmp_path, capsysbinary):
    for name in (b"a\xff.jpg", b"b.jpg"):
        (tmp_path / os.fsdecode(name)).write_bytes(b"")
    config = write_tiny_config(tmp_path / "embedding.json", EMBEDDING, tmp_path, tmp_path)
    assert run_program(lambda: main(["--config", str(config), "--list_splits"])) == 0
    names = [line.partition(b",")[0] for line in capsysbinary.readouterr().out.splitlines()]
    assert names == [b"file", b"a\xff.jpg", b"b.jpg"]


def test_splits_that_cannot_be_listed(check, root):
    set_landmarks(root, 1, "10,10,nan,3,20,20")
    code, printed = check(root, "--list_splits")
    assert code == 2 and printed.out == ""
    assert f"{root / 'landmarks.csv'}, line 3: expected finite coordinates" in printed.err
    code, printed = check(root, "--list_splits", "--set", "dataset.type=SyntheticFaces")
    assert code == 2 and "--list_splits: SyntheticFaces is split as it was pub" in printed.err


def test_normalising_landmarks_that_coincide_are_told_as_in_training(check, root):
    set_landmarks(root, 6, "10,10,10,10,20,20")
    code, printed = check(root, kind=LANDMARKS)
    assert (code, told(printed)[1]) == (0, (
        "note: left out of the mean error of split 'test': 1 image in which landmarks 0 and 1, by "
        "whose distance errors are divided, coincide: 006.jpg"))
    for number in (7, 8):
        set_landmarks(root, number, "10,10,10,10,20,20")
    code, printed = check(root, kind=LANDMARKS)
    assert code == 2 and "coincide in every image of split 'test' (006.jpg" in printed.out
    assert check(root)[0] == 0  # an embedding needs none
