"""The program that reads all images and lists what is wrong, against folders made wrong."""

import pytest
from PIL import Image

from misc.check_data import main
from tests.data_helpers.tiny_runs import EMBEDDING, write_landmark_folder, write_tiny_config
from utils.cli import run


@pytest.fixture
def check(tmp_path, capsys):
    """Return a function that checks a folder of images; returns exit code and output."""

    def call(root, *args, **changes):
        config = write_tiny_config(
            tmp_path / "configs" / "tiny" / "embedding.json", EMBEDDING, root, tmp_path, **changes)
        arguments = ["--config", str(config), "--num_workers", "0", *args]
        return run(lambda: main(arguments)), capsys.readouterr()

    return call


@pytest.fixture
def root(tmp_path):
    return write_landmark_folder(tmp_path / "faces", 6, 3)


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
        "train: 6 images, 0 of them with something wrong",
        "val: 3 images, 0 of them with something wrong",
        "test: 3 images, 0 of them with something wrong",
    ]


def test_everything_wrong_is_told_in_one_pass(check, root):
    (root / "images" / "001.jpg").write_bytes(b"")
    whole = (root / "images" / "002.jpg").read_bytes()
    (root / "images" / "002.jpg").write_bytes(whole[: len(whole) // 2])
    set_landmarks(root, 4, "10,10,39,47,45,20")
    code, printed = check(root, "--split", "train")
    assert code == 2
    *told, last = printed.out.splitlines()
    folder = root / "images"
    assert [line.partition(": ")[0] for line in told] == [
        str(folder / "001.jpg"), str(folder / "002.jpg"), str(folder / "004.jpg")]
    assert told[2].endswith(
        "landmark 3 is outside the 32 x 32 square that the image becomes: (36.0, 13.3)")
    assert last == "train: 6 images, 3 of them with something wrong"


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
    assert printed.out.count("1 of them with something wrong") == 2  # val is test here


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
    assert code == 2 and printed.out.splitlines() == [
        f"{table}, line 3: expected finite coordinates",
        f"{table}, line 4: 6 columns, expected 8 as in the header",
        f"{table}, line 12: 000.jpg is listed twice",
        *[line for line in printed.out.splitlines() if str(images) in line],
        "train: 7 images, 2 of them with something wrong",
    ]
    assert f"{images / 'gone.jpg'}: cannot read this image" in printed.out
    assert f"{images / '001.jpg'}: cannot read this image" in printed.out


def test_folders_that_cannot_be_read_are_told_with_the_rest(check, root, locked):
    folders = [locked(root / "images" / name) for name in ("a", "b")]
    set_landmarks(root, 1, "10,10,nan,3,20,20")
    code, printed = check(root, "--split", "train")
    assert code == 2 and printed.out.splitlines() == [
        *(f"{folder}: cannot read this folder (Permission denied)" for folder in folders),
        f"{root / 'landmarks.csv'}, line 3: expected finite coordinates",
        "train: 6 images, 0 of them with something wrong",
    ]


def test_images_that_no_list_names_are_read_besides(check, root):
    for number in range(30):
        Image.new("RGB", (20, 20)).save(root / "images" / f"more{number}.png")
    (root / "images" / "broken.png").write_bytes(b"no image")
    code, printed = check(root)
    assert code == 2 and printed.out.count("broken.png: cannot read this image") == 1
    assert sum(int(line.split()[1]) for line in printed.out.splitlines()[1:]
               if not line.startswith("val")) == 9 + 31


def test_what_may_surprise_is_a_note(check, root):
    Image.new("RGB", (40, 48)).save(root / "images" / "004.jpg", format="PNG")
    code, printed = check(root)
    note = f"note: {root / 'images' / '004.jpg'}: is a PNG by its content, and read as one"
    assert code == 0 and printed.out.splitlines()[0] == note
    code, printed = check(root, "--no_notes")
    assert code == 0 and "note" not in printed.out
