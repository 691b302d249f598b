"""The store of the annotator: lists of all formats in, landmarks.csv out, at each change."""

import os
from contextlib import ExitStack

import numpy as np
import pytest
from PIL import Image

from data_loader import LandmarkFolder
from data_loader.annotation_files import read_csv
from data_loader.folder_listing import FolderListing
from misc.annotating.store import AnnotationStore
from tests.data_helpers import landmark_lists
from tests.data_helpers.landmark_lists import POINTS, SIZE, write_images
from utils.errors import UserError

NAMES = ["heel", "toe"]
NOWHERE = [np.nan, np.nan]


@pytest.fixture
def root(tmp_path):
    """A folder of three images, two of them in a folder of theirs."""
    write_images(tmp_path)
    return tmp_path


def rows(root):
    return read_csv(root / "landmarks.csv")


def test_a_confirmed_image_is_on_the_disk_to_a_tenth_of_a_pixel(root):
    store = AnnotationStore(root, NAMES)
    store.confirm("deep/b.jpg", [[0.04, 39.96], [-0.5, 47.5]])
    assert rows(root) == [["file", "width", "height", "heel_x", "heel_y", "toe_x", "toe_y"],
                          ["deep/b.jpg", "40", "48", "0", "40", "-0.5", "47.5"]]


def test_the_next_start_goes_on(root):
    AnnotationStore(root, NAMES).confirm("a.jpg", [[1, 2], NOWHERE])
    for names in (NAMES, None):
        store = AnnotationStore(root, names)
        assert store.labels == NAMES and list(store.points) == ["a.jpg"]
        np.testing.assert_array_equal(store.points["a.jpg"], [[1, 2], NOWHERE])
    store.confirm("deep/c.jpg", [[3, 4], [5, 6.5]])
    assert rows(root)[1:] == [["a.jpg", "40", "48", "1", "2", "-1", "-1"],
                              ["deep/c.jpg", "40", "48", "3", "4", "5", "6.5"]]


def test_an_image_without_any_visible_point_stays_confirmed(root):
    AnnotationStore(root, NAMES).confirm("a.jpg", [NOWHERE, NOWHERE])
    store = AnnotationStore(root)
    assert list(store.points) == ["a.jpg"] and np.isnan(store.points["a.jpg"]).all()


def test_a_row_of_empty_cells_is_still_to_be_annotated(root):
    (root / "landmarks.csv").write_text("file,split,x0,y0\na.jpg,test,,\ndeep/b.jpg,train,1,2\n")
    store = AnnotationStore(root)
    assert list(store.points) == ["deep/b.jpg"]
    store.confirm("deep/c.jpg", [[7, 7]])
    listing = FolderListing(root)
    assert listing.splits["a.jpg"] == "test" and listing.splits["deep/b.jpg"] == "train"
    assert listing.annotated == ["deep/b.jpg", "deep/c.jpg"]


def test_what_is_written_is_a_data_set(root):
    store = AnnotationStore(root, ["a", "b", "c"])
    for name, points in POINTS.items():
        store.confirm(name, points)
    for split in ("train", "test"):
        dataset = LandmarkFolder(root, split, imwidth=40, use_keypoints=True)
        for path, landmarks in zip(dataset.paths, dataset.landmarks):
            name = path.relative_to(root).as_posix()
            np.testing.assert_array_equal(landmarks, np.round(POINTS[name], 1))


@pytest.mark.parametrize("write", [landmark_lists.write_csv, landmark_lists.write_coco,
                                   landmark_lists.write_imglab, landmark_lists.write_pts])
def test_a_list_of_any_format_can_be_corrected(root, write):
    write(root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    store = AnnotationStore(root)
    assert store.sources and set(store.sources) <= before.keys()
    for name, points in POINTS.items():
        np.testing.assert_array_equal(store.points[name], points)
    store.confirm("a.jpg", [[11, 12], [30, 36], NOWHERE])
    again = AnnotationStore(root).points
    np.testing.assert_array_equal(again["a.jpg"], [[11, 12], [30, 36], NOWHERE])
    for name in ("deep/b.jpg", "deep/c.jpg"):  # untouched, not even rounded
        np.testing.assert_array_equal(again[name], POINTS[name])
    for path, content in before.items():
        kept = path.with_name("landmarks.csv.orig") if path.name == "landmarks.csv" else path
        assert kept.read_bytes() == content


def test_splits_of_several_lists_are_kept(root):
    landmark_lists.write_coco(root, {"a.jpg": POINTS["a.jpg"]}, "train.json")
    landmark_lists.write_coco(root, {"deep/b.jpg": POINTS["deep/b.jpg"]}, "test.json")
    AnnotationStore(root).confirm("deep/c.jpg", POINTS["deep/c.jpg"])
    assert [row[:2] for row in rows(root)] == [
        ["file", "split"], ["deep/b.jpg", "test"], ["a.jpg", "train"], ["deep/c.jpg", ""]]


@pytest.mark.parametrize("flag", range(1, 9))
def test_points_are_those_of_the_upright_image(tmp_path, flag):
    exif = Image.Exif()
    exif[0x0112] = flag
    Image.new("RGB", (60, 40)).save(tmp_path / "a.jpg", exif=exif)
    store = AnnotationStore(tmp_path, NAMES)
    upright = (60, 40) if flag < 5 else (40, 60)
    assert store.size_of("a.jpg") == upright
    store.confirm("a.jpg", [[1, 2], [upright[0] - 1, upright[1] - 1]])
    again = AnnotationStore(tmp_path).points["a.jpg"]
    np.testing.assert_array_equal(again, store.points["a.jpg"])


def test_a_copy_is_kept_once_and_only_of_lists_of_others(root):
    store = AnnotationStore(root, NAMES)
    store.confirm("a.jpg", [[1, 2], [3, 4]])
    AnnotationStore(root).confirm("a.jpg", [[1, 2], [3, 5]])
    assert not list(root.glob("*.orig*"))
    text = "file;heel_x;heel_y;toe_x;toe_y;comment\na.jpg;1;2;3;4;good\n"
    for number in ("", "1"):
        (root / "landmarks.csv").write_text(text)
        store = AnnotationStore(root)
        for value in (5, 6):
            store.confirm("a.jpg", [[1, 2], [3, value]])
        assert (root / f"landmarks.csv.orig{number}").read_text() == text
    assert len(list(root.glob("*.orig*"))) == 2


def test_a_list_that_another_program_changed_is_not_overwritten(root):
    store = AnnotationStore(root, NAMES)
    store.confirm("a.jpg", [[1, 2], [3, 4]])
    text = (root / "landmarks.csv").read_text() + "deep/b.jpg,40,48,1,1,1,1\n"
    (root / "landmarks.csv").write_text(text)
    with pytest.raises(UserError, match="landmarks.csv: another program has changed it"):
        store.confirm("deep/c.jpg", [[1, 2], [3, 4]])
    assert (root / "landmarks.csv").read_text() == text and "deep/c.jpg" not in store.points


def test_what_cannot_be_written_is_not_confirmed(root, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    store = AnnotationStore(root, NAMES)
    store.confirm("a.jpg", [[1, 2], [3, 4]])
    before = (root / "landmarks.csv").read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    for name in ("a.jpg", "deep/b.jpg"):
        with pytest.raises(UserError, match="landmarks.csv: cannot write this file"):
            store.confirm(name, [[5, 6], [7, 8]])
    np.testing.assert_array_equal(store.points["a.jpg"], [[1, 2], [3, 4]])
    assert list(store.points) == ["a.jpg"]
    assert (root / "landmarks.csv").read_bytes() == before


@pytest.mark.parametrize("points", [
    [[1, 2]], [[1, 2], [3, 4], [5, 6]], [[1, 2], [-0.6, 0]], [[1, 2], [0, 47.6]],
    [[1, 2], [np.inf, 0]],
])
def test_points_outside_of_the_image_are_refused(root, points):
    store = AnnotationStore(root, NAMES)
    with pytest.raises(UserError, match="a.jpg: expected 2 points in 40 x 48"):
        store.confirm("a.jpg", points)
    assert not (root / "landmarks.csv").exists()


def test_links_out_of_the_folder_are_left_out(tmp_path):
    write_images(tmp_path / "in", ["a.jpg"])
    write_images(tmp_path / "out", ["b.jpg", "c.jpg"])
    (tmp_path / "in/b.jpg").symlink_to(tmp_path / "out/b.jpg")
    (tmp_path / "in/deep").symlink_to(tmp_path / "out")
    (tmp_path / "in/again.jpg").symlink_to(tmp_path / "in/a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    store = AnnotationStore(tmp_path / "link", NAMES)
    assert store.images == ["a.jpg"]
    assert any(note.startswith("2 images left out: links that lead out") for note in store.notes)


def test_an_image_that_becomes_a_link_out_of_the_folder_is_refused(root, tmp_path_factory):
    store = AnnotationStore(root, NAMES)
    outside = tmp_path_factory.mktemp("outside")
    write_images(outside, ["secret.jpg"])
    (root / "a.jpg").unlink()
    (root / "a.jpg").symlink_to(outside / "secret.jpg")
    for call in (store.path_of, store.size_of, lambda name: store.confirm(name, [[1, 2], [3, 4]])):
        with pytest.raises(UserError, match="a.jpg: leads out of the folder"):
            call("a.jpg")


def test_a_link_in_place_of_the_list_is_replaced_and_what_it_names_is_not(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("outside") / "other.csv"
    other.write_text("file,heel_x,heel_y,toe_x,toe_y\na.jpg,1,2,3,4\n")
    before = other.read_bytes()
    (root / "landmarks.csv").symlink_to(other)
    AnnotationStore(root).confirm("deep/b.jpg", [[5, 6], [7, 8]])
    assert other.read_bytes() == before and not (root / "landmarks.csv").is_symlink()
    assert len(rows(root)) == 3


def test_points_that_were_made_on_another_size_are_not_shown(root):
    landmark_lists.write_coco(root)
    Image.new("RGB", (80, 96)).save(root / "a.jpg")
    store = AnnotationStore(root)
    with pytest.raises(UserError, match="a.jpg: is 80 x 96 pixels, but its points were made on"):
        store.size_of("a.jpg")
    assert store.size_of("deep/b.jpg") == SIZE


@pytest.mark.parametrize("names, words", [
    (None, "--names: there is no list of points yet"),
    (["heel", "heel"], "--names: "),
    (["heel", "he,el"], "--names: heel,he,el, expected different names"),
    (["heel", "size"], "--names: column 'size_x' is neither x nor y"),
])
def test_names_that_a_csv_could_not_hold_are_refused(root, names, words):
    with pytest.raises(UserError) as refused:
        AnnotationStore(root, names)
    assert str(refused.value).startswith(words) and "\n" not in str(refused.value)


@pytest.mark.parametrize("names", [
    ["left eye", "x1", "Ärmel", "bbox", "1", "e.y", "nose_tip", "<b>"], ["x"], ["heel_x", "toe_x"],
])
def test_names_of_many_kinds_come_back(root, names):
    first = AnnotationStore(root, names)
    first.confirm("a.jpg", [[n, n] for n in range(len(names))])
    again = AnnotationStore(root)
    assert again.labels == first.labels
    np.testing.assert_array_equal(again.points["a.jpg"], first.points["a.jpg"])
    AnnotationStore(root, names)  # the same words as at first


def test_other_names_than_those_of_the_list_are_refused(root):
    AnnotationStore(root, NAMES).confirm("a.jpg", [[1, 2], [3, 4]])
    with pytest.raises(UserError, match="--names: heel,top, but .*landmarks.csv has heel,toe"):
        AnnotationStore(root, ["heel", "top"])


def test_mistakes_in_a_folder_or_list(tmp_path, root):
    with pytest.raises(UserError, match="none: no such folder"):
        AnnotationStore(tmp_path / "none", NAMES)
    (root / "landmarks.csv").write_text("file,x0,y0\na.jpg,1,two\n")
    with pytest.raises(UserError, match="line 2: expected numbers"):
        AnnotationStore(root)
    landmark_lists.write_coco(root)
    with pytest.raises(UserError, match="landmarks.csv: exists, and would be replaced"):
        AnnotationStore(root, annotation="keypoints.json")


def test_two_programs_do_not_annotate_one_folder(root):
    with ExitStack() as stack:
        stack.enter_context(AnnotationStore(root, NAMES).reserved())
        with pytest.raises(UserError, match="landmarks.csv: another process is writing it"):
            stack.enter_context(AnnotationStore(root, NAMES).reserved())
    with AnnotationStore(root, NAMES).reserved():
        pass


def test_names_of_files_in_any_encoding(tmp_path):
    name = os.fsdecode("caf\xe9 ,\".jpg".encode("latin-1"))
    Image.new("RGB", SIZE).save(tmp_path / name)
    AnnotationStore(tmp_path, NAMES).confirm(name, [[1, 2], [3, 4]])
    assert list(AnnotationStore(tmp_path).points) == [name]
