"""Image files of every kind: opened as viewers show them, or told in a line; the square of them
that is taken; and the folders that they lie in.
"""

import io
import random
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from data_loader.broken_images import ImageFaults, examine, leave_out_broken
from data_loader.find_images import files_below
from data_loader.folder_listing import FolderListing
from data_loader.images import (
    ORIENTATIONS,
    may_be_rotated,
    peculiarities,
    read_image,
    size_as_seen,
    stored_size,
)
from data_loader.landmark_folder import LandmarkFolder
from data_loader.splits import assign_splits
from data_loader.squares import square_window
from tests.data_helpers.pictures import centre_of_dot, dot, noise
from utils.distributed import World
from utils.errors import EmptySplit, UserError

GRADIENT = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (40, 1))  # 40 rows, 48 columns


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def seen(path):
    return np.asarray(read_image(path, as_seen=True))


# ---- as viewers show them


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "webp"])
@pytest.mark.parametrize("flag", range(1, 9))
def test_a_picture_is_turned_upright(tmp_path, flag, suffix):
    upright = Image.fromarray(noise(48, 40))
    inverse = {6: ORIENTATIONS[8], 8: ORIENTATIONS[6]}.get(flag, ORIENTATIONS.get(flag))
    exif = Image.Exif()
    exif[0x0112] = flag
    stored = upright if inverse is None else upright.transpose(inverse)
    options = {"jpg": {"quality": 100}, "webp": {"lossless": True}}.get(suffix, {})
    path = save(stored, tmp_path / f"a.{suffix}", exif=exif, **options)
    assert size_as_seen(path) == upright.size
    error = np.abs(seen(path).astype(int) - np.asarray(upright))
    assert error.mean() < (4 if suffix == "jpg" else 1e-9)


XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def with_chunk_at_its_end(path, kind, content):
    """Put a chunk behind the pixels of a PNG."""
    data, crc = path.read_bytes(), zlib.crc32(kind + content).to_bytes(4, "big")
    chunk = len(content).to_bytes(4, "big") + kind + content + crc
    path.write_bytes(data[:-12] + chunk + data[-12:])


@pytest.mark.parametrize("suffix, where", [
    ("jpg", "EXIF"), ("jpg", "XMP"), ("jpg", "behind a profile"), ("png", "EXIF"),
    ("png", "XMP"), ("png", "behind the pixels"), ("webp", "EXIF"), ("tiff", "EXIF")])
def test_no_orientation_is_missed_by_the_quick_look(tmp_path, suffix, where):
    exif, text = Image.Exif(), PngInfo()
    exif[0x0112] = 6
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    xmp = {"png": {"pnginfo": text}, "jpg": {"xmp": XMP}}.get(suffix)
    options = {"XMP": xmp, "behind the pixels": {}, "EXIF": {"exif": exif}, "behind a profile": {
        "exif": exif, "icc_profile": b"profile" * 30000}}[where]
    path = save(Image.fromarray(noise(480, 400)), tmp_path / f"a.{suffix}", **options)
    if where == "behind the pixels":
        with_chunk_at_its_end(path, b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    assert stored_size(path)[1] == 6 and may_be_rotated(path)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_files_without_metadata_need_not_be_opened_to_see_that_they_are_upright(tmp_path, suffix):
    path = save(Image.fromarray(noise(480, 400)), tmp_path / f"a.{suffix}", dpi=(72, 72))
    assert not may_be_rotated(path)
    data = path.read_bytes()
    for length in (0, 1, 2, 3, 10, 30):  # cut short: left to what opens it
        path.write_bytes(data[:length])
        assert may_be_rotated(path)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bits_are_reduced_and_not_clipped(tmp_path, suffix):
    values = np.linspace(0, 65535, 48 * 40).astype(np.uint16).reshape(40, 48)
    path = save(Image.fromarray(values), tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(seen(path), np.repeat(values[..., None] // 256, 3, axis=2))


@pytest.mark.parametrize("bits, values", [
    (16, np.linspace(0, 65535, 48 * 40)), (8, np.linspace(0, 255, 48 * 40))])
def test_a_tiff_of_greys_whose_0_is_white(tmp_path, bits, values):
    values = values.astype({8: np.uint8, 16: np.uint16}[bits]).reshape(40, 48)
    stored = values if bits == 16 else 255 - values  # Pillow stores 8 bits as the tag says
    path = save(Image.fromarray(stored), tmp_path / "a.tiff", tiffinfo={262: 0})
    grey = 255 - values.astype(int) // {8: 1, 16: 256}[bits]
    np.testing.assert_array_equal(seen(path), np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("white_is_zero", [False, True])
def test_floating_point_numbers_from_0_to_1_are_greys(tmp_path, white_is_zero):
    values = np.linspace(0, 1, 48 * 40, dtype=np.float32).reshape(40, 48)
    path = save(Image.fromarray(values), tmp_path / "a.tiff",
                tiffinfo={262: 0 if white_is_zero else 1})
    grey = np.rint(values.astype(np.float64) * 255)[..., None]
    np.testing.assert_allclose(seen(path), np.repeat(abs(255 * white_is_zero - grey), 3, 2),
                               atol=0.501)  # halves may go either way
    assert peculiarities(path) == ["has floating-point pixels, 0 to 1, reduced to 8 bits"]


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_12_bits_in_16_are_dark_and_noted(tmp_path, suffix):
    values = np.linspace(0, 4095, 48 * 40).astype(np.uint16).reshape(40, 48)
    path = save(Image.fromarray(values), tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(seen(path), np.repeat(values[..., None] // 256, 3, axis=2))
    assert "is dark: of its 16 bits a pixel it uses 12 or fewer" in peculiarities(path)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("largest", [4095, 65535])
def test_colours_of_16_bits_are_noted_and_if_they_are_dark(tmp_path, suffix, largest):
    path = tmp_path / f"a.{suffix}"
    values = np.linspace(0, largest, 6 * 8 * 3).reshape(6, 8, 3)
    (write_png_16 if suffix == "png" else write_tiff_16)(path, values.astype(">u2"))
    assert seen(path).max() == largest >> 8
    dark = ["is dark: of its 16 bits a pixel it uses 12 or fewer"] * (largest < 1 << 12)
    assert peculiarities(path) == ["has 16 bits a pixel, reduced to 8", *dark]


def write_png_16(path, values):
    """Write colours (H, W, 3), which Pillow cannot."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
              (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks))


def write_tiff_16(path, values):
    height, width, _ = values.shape
    tags = [(256, 3, 1, width << 16), (257, 3, 1, height << 16), (258, 3, 3, 122),
            (259, 3, 1, 1 << 16), (262, 3, 1, 2 << 16), (273, 4, 1, 128), (277, 3, 1, 3 << 16),
            (278, 3, 1, height << 16), (279, 4, 1, values.nbytes)]
    directory = b"".join(struct.pack(">HHII", *tag) for tag in tags)
    head = b"MM\0*" + struct.pack(">IH", 8, len(tags)) + directory + bytes(4)
    assert len(head) == 122
    path.write_bytes(head + struct.pack(">HHH", 16, 16, 16) + values.tobytes())


def test_floating_point_signs_and_32_bits_are_told(tmp_path):
    save(Image.fromarray(GRADIENT.astype(np.float32)), tmp_path / "float.tiff")
    save(Image.fromarray(np.full((4, 4), np.nan, np.float32)), tmp_path / "nan.tiff")
    save(Image.fromarray(np.full((4, 4), 1 << 20, np.int32)), tmp_path / "long.tiff")
    save(Image.fromarray(np.full((4, 4), -1, np.int32)), tmp_path / "signed.tiff")
    for name, words in (("float", "floating-point numbers outside of 0 to 1"),
                        ("nan", "floating-point numbers outside"), ("signed", "some below 0"),
                        ("long", "32 bits, expected 8 or 16")):
        with pytest.raises(UserError, match=f"{name}.tiff: cannot read this image .*{words}"):
            seen(tmp_path / f"{name}.tiff")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(tmp_path, mode):
    alpha = np.zeros((40, 48), np.uint8)
    alpha[:20] = 255
    image = Image.fromarray(GRADIENT).convert("LA" if mode == "LA" else "RGBA")
    image.putalpha(Image.fromarray(alpha))
    if mode == "P":
        palette = np.where(alpha, 0, 1).astype(np.uint8)
        image = Image.fromarray(palette, "P")
        image.putpalette([10, 20, 30, 40, 50, 60])
        save(image, tmp_path / "a.png", transparency=1)
    else:
        save(image, tmp_path / "a.png")
    found = seen(tmp_path / "a.png")
    top = np.full((20, 48, 3), (10, 20, 30)) if mode == "P" else GRADIENT[:20, :, None]
    np.testing.assert_array_equal(found[:20], np.broadcast_to(top, (20, 48, 3)))
    assert (found[20:] == 255).all()


def test_cmyk_keeps_light_and_dark(tmp_path):
    found = seen(save(Image.fromarray(GRADIENT).convert("CMYK"), tmp_path / "a.jpg"))
    assert np.abs(found.astype(int) - GRADIENT[..., None]).mean() < 4


def test_of_an_animation_the_first_picture_is_taken(tmp_path):
    first, later = (Image.fromarray(noise(48, 40, seed)) for seed in (1, 2))
    for suffix in ("png", "tiff"):
        path = save(first, tmp_path / f"a.{suffix}", save_all=True, append_images=[later])
        np.testing.assert_array_equal(seen(path), np.asarray(first))
        assert peculiarities(path) == ["has 2 pictures, of which the first is taken"]


def test_the_content_says_what_a_file_is_and_not_its_name(tmp_path):
    picture = Image.fromarray(noise(48, 40))
    picture.save(tmp_path / "a.jpg", format="PNG")
    np.testing.assert_array_equal(seen(tmp_path / "a.jpg"), np.asarray(picture))
    assert peculiarities(tmp_path / "a.jpg") == ["is a PNG by its content, and read as one"]


@pytest.mark.parametrize("name, options, words", [
    ("rgb.jpg", {}, []), ("rgb.png", {}, []), ("grey.jpg", {"mode": "L"}, []),
    ("a.jpg", {"mode": "CMYK"}, ["is CMYK, converted without a colour profile"]),
    ("a.png", {"mode": "I;16"}, ["has 16 bits a pixel, reduced to 8",
                                 "is dark: of its 16 bits a pixel it uses 12 or fewer"]),
    ("a.png", {"mode": "RGBA"}, ["is transparent in places, which become white"]),
    ("a.jpg", {"flag": 3}, ["is turned upright, as its EXIF orientation says"]),
])
def test_what_is_worth_knowing_of_a_file(tmp_path, name, options, words):
    exif = Image.Exif()
    exif[0x0112] = options.get("flag", 1)
    path = save(Image.new(options.get("mode", "RGB"), (8, 6)), tmp_path / name, exif=exif)
    assert peculiarities(path) == words


def test_published_images_are_what_pillow_makes_of_them(tmp_path):
    image = Image.fromarray(noise(48, 40)).convert("RGBA")
    image.putalpha(Image.fromarray(GRADIENT))
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(image, tmp_path / "a.png", exif=exif)
    with Image.open(path) as opened:
        np.testing.assert_array_equal(np.asarray(read_image(path)), opened.convert("RGB"))


# ---- what is no image


def encoded(format, **options):
    file = io.BytesIO()
    Image.fromarray(noise(48, 40)).save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
def test_a_mutated_file_is_read_or_told(tmp_path, format):
    whole, path = encoded(format), tmp_path / "a.img"
    for seed in range(60):
        chance, data = random.Random(seed), bytearray(whole)
        for _ in range(chance.choice([1, 3, 20])):
            place = chance.randrange(min(len(data), chance.choice([60, len(data)])))
            data[place] = chance.randrange(256)
        path.write_bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert read_image(path, as_seen=True).mode == "RGB"
                size_as_seen(path)
                peculiarities(path)
        except UserError as error:
            assert str(error).startswith(f"{path}: cannot read this image ("), seed


def test_an_enormous_picture_is_told_before_it_is_decoded(tmp_path):
    header = b"P6 30000 30000 255\n"  # 2.7 GB, says the file
    (tmp_path / "a.png").write_bytes(header)
    with pytest.raises(UserError, match="a.png: cannot read this image .*decompression bomb"):
        seen(tmp_path / "a.png")


def test_a_damaged_exif_does_not_matter(tmp_path):
    picture = Image.fromarray(noise(48, 40))
    save(picture, tmp_path / "a.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\xff")
    np.testing.assert_array_equal(seen(tmp_path / "a.png"), np.asarray(picture))


# ---- squares


@pytest.mark.parametrize("size, square, window", [
    ((80, 80), "auto", (0, 0, 80, 80)), ((100, 80), "auto", (0, 0, 100, 80)),
    ((101, 80), "auto", (10, 0, 90, 80)), ((80, 101), "auto", (0, 10, 80, 90)),
    ((300, 10), "resize", (0, 0, 300, 10)), ((90, 80), "crop", (5, 0, 85, 80)),
    ((1, 1), "auto", (0, 0, 1, 1)), ((1, 400), "auto", (0, 199, 1, 200)),
])
def test_the_part_of_an_image_that_is_taken(size, square, window):
    assert square_window(size, square) == window


@pytest.mark.parametrize("square", ["auto", "resize", "crop"])
@pytest.mark.parametrize("size", [(200, 100), (100, 200), (110, 100)])
def test_a_landmark_stays_on_its_dot(tmp_path, square, size):
    place = (size[0] // 2 + 17, size[1] // 2 - 23)
    Image.fromarray(dot(*size, *place, radius=4)).save(tmp_path / "a.png")
    (tmp_path / "landmarks.csv").write_text(f"file,split,x,y\na.png,train,{place[0]},{place[1]}\n")
    item = LandmarkFolder(str(tmp_path), "train", 50, use_keypoints=True, square=square)[0]
    np.testing.assert_allclose(centre_of_dot(item), item["keypts"][0], atol=0.5)


def test_landmarks_are_on_the_picture_as_it_is_seen(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(dot(60, 50, 12, 34)).transpose(Image.Transpose.ROTATE_90)
    save(stored, tmp_path / "a.png", exif=exif)
    (tmp_path / "landmarks.csv").write_text("file,split,x,y\na.png,train,12,34\n")
    item = LandmarkFolder(str(tmp_path), "train", 50, use_keypoints=True)[0]
    np.testing.assert_allclose(centre_of_dot(item), item["keypts"][0], atol=0.5)


# ---- folders


def test_hidden_files_are_left_out(tmp_path):
    for name in ("a.jpg", "._a.jpg", ".thumbnails/b.jpg", "c/d.jpg"):
        save(Image.new("RGB", (4, 4)), tmp_path / name)
    assert files_below(tmp_path) == ["a.jpg", "c/d.jpg"]


def test_a_folder_that_cannot_be_read_is_named(tmp_path, locked):
    folder = locked(tmp_path / "locked")
    with pytest.raises(UserError, match="locked: cannot read this folder .Permission denied"):
        files_below(tmp_path)
    with pytest.raises(UserError, match=f"^{folder}: cannot read this folder .Permission denied"):
        LandmarkFolder(str(tmp_path), "train", 20)
    (tmp_path / "images").mkdir()  # a root that cannot be listed, around images that can
    locked(tmp_path)
    with pytest.raises(UserError, match=f"^{tmp_path}: cannot read this folder .Permission denied"):
        LandmarkFolder(str(tmp_path), "train", 20)


def test_a_glob_chooses_among_the_images(tmp_path):
    for name in ("red/a.jpg", "red/deep/b.jpg", "blue/a.jpg", "red/c.png"):
        save(Image.new("RGB", (4, 4)), tmp_path / name)
    (tmp_path / "red" / "notes.txt").write_text("")
    for pattern, names in (("red/*", ["red/a.jpg", "red/c.png", "red/deep/b.jpg"]),
                           ("*.jpg", ["blue/a.jpg", "red/a.jpg", "red/deep/b.jpg"]),
                           ("*/a.jpg", ["blue/a.jpg", "red/a.jpg"])):
        assert sorted(FolderListing(tmp_path, pattern).images) == names
    for pattern in ("green/*", ""):
        with pytest.raises(UserError) as error:
            LandmarkFolder(str(tmp_path), "train", 20, pattern=pattern)
        assert f"no images that fit '{pattern}' (suffixes" in str(error.value)
        assert str(error.value).endswith("found 3 .jpg, 1 .png, 1 .txt")


def test_a_handful_of_images_has_something_of_both_splits():
    for count in range(2, 30):
        splits = list(assign_splits([f"{n}.jpg" for n in range(count)], {}).values())
        least = 1 if count < 4 else 2
        assert splits.count("test") >= least and splits.count("train") >= least
        assert len(splits) == count
    assert set(assign_splits(["a", "b"], {"a": "test", "b": "test"}).values()) == {"test"}


def test_a_single_image_is_told(tmp_path):
    save(Image.new("RGB", (4, 4)), tmp_path / "a.jpg")
    with pytest.raises(EmptySplit, match="no images of split 't.*' among 1, expected at least one"):
        for split in ("train", "test"):
            LandmarkFolder(str(tmp_path), split, 20)


@pytest.mark.parametrize("read", [read_image, size_as_seen, peculiarities])
def test_an_empty_file_is_told_as_such(tmp_path, read):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"a.png: cannot read this image \(the file is empty\)$"):
        read(tmp_path / "a.png")


def test_what_was_found_is_described(tmp_path):
    for number in range(6):
        size = (30, 40) if number == 3 else (50, 48)
        save(Image.new("RGB", size), tmp_path / f"{number}.png")
    (tmp_path / "landmarks.csv").write_text(
        "file,split,x,y\n0.png,train,1,2\n1.png,val,1,2\n2.png,test,1,2\n")
    images, sizes, points = LandmarkFolder(str(tmp_path), "train", 20).describe()
    counts = FolderListing(tmp_path).splits
    trained = list(counts.values()).count("train")
    assert images == (f"data: 6 images below {tmp_path}: {trained} train, 1 val, {5 - trained} test"
                      " (3 as their list says, 3 by a hash of their names)")
    assert sizes == ("data: sizes 30 x 40 to 50 x 48 pixels; made square (square = auto): "
                     "5 resized, 1 cut to their centre")
    assert points == (f"data: 1 landmark of 3 images in {tmp_path / 'landmarks.csv'}: "
                      "1 train, 1 val, 1 test")


@pytest.mark.parametrize("size, told", [
    ((50, 50), "data: all 50 x 50 pixels"),
    ((50, 48), "data: all 50 x 48 pixels; made square (square = auto): "
               "3 resized, 0 cut to their centre"),
])
def test_images_of_one_size_are_described_by_it(tmp_path, size, told):
    for number in range(3):
        save(Image.new("RGB", size), tmp_path / f"{number}.png")
    assert LandmarkFolder(str(tmp_path), "train", 20).describe()[1] == told


def test_squares_of_several_sizes_need_no_words_on_squares(tmp_path):
    for side in (20, 30, 40):
        save(Image.new("RGB", (side, side)), tmp_path / f"{side}.png")
    sizes = LandmarkFolder(str(tmp_path), "train", 20).describe()[1]
    assert sizes == "data: sizes 20 x 20 to 40 x 40 pixels"


# ---- broken images, left out


@pytest.fixture
def partly_broken(tmp_path):
    """A folder of ten images for training, of which two are none."""
    rows = [f"{n}.png,train,{n},2" for n in range(10)] + ["gone.png,train,1,1"]
    for number in range(10):
        save(Image.new("RGB", (20, 20), (number, 0, 0)), tmp_path / f"{number}.png")
    for number in (2, 5):
        (tmp_path / f"{number}.png").write_bytes(b"no image")
    (tmp_path / "landmarks.csv").write_text("\n".join(["file,split,x,y", *rows]))
    return tmp_path


def open_folder(root):
    return LandmarkFolder(str(root), "train", 20, use_keypoints=True)


def test_broken_images_are_left_out_with_their_landmarks(partly_broken):
    dataset = open_folder(partly_broken)
    leave_out_broken(dataset)
    kept = [0, 1, 3, 4, 6, 7, 8, 9]
    assert [path.name for path in dataset.paths] == [f"{n}.png" for n in kept]
    assert [fault.partition(": ")[0] for fault in dataset.broken] == [
        *(str(partly_broken / name) for name in ("2.png", "5.png")),
        f"{partly_broken / 'landmarks.csv'}, line 12"]
    for index, number in enumerate(kept):
        item = dataset[index]
        assert item["index"] == index and (item["image"][0] == number).all()
        assert torch.equal(item["keypts"], torch.tensor([[float(number), 2]]))


def test_a_data_set_of_nothing_but_broken_images_is_told(partly_broken):
    for path in partly_broken.glob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(UserError, match="all 11 images of split 'train' are broken: .*0.png"):
        leave_out_broken(open_folder(partly_broken))


class OneOfThree(World):
    """A process of three, which computes what it would hear from the others."""

    def everyones(self, value):
        shares = [World(rank, 3).share(range(11)) for rank in range(3)]
        parts = [list(examine(ImageFaults(self.dataset, share))) for share in shares]
        assert value == parts[self.rank]
        return parts


def test_several_processes_read_a_share_each_and_keep_the_same(partly_broken):
    alone = open_folder(partly_broken)
    leave_out_broken(alone)
    for rank in range(3):
        OneOfThree.dataset = dataset = open_folder(partly_broken)
        leave_out_broken(dataset, OneOfThree(rank, 3))
        assert (dataset.paths, dataset.broken) == (alone.paths, alone.broken)
