"""Landmarks in a csv as spreadsheets, pandas and other tools write it: which column is what, how
numbers are written, what is not labelled; and what may mean several things, refused.
"""

import codecs

import numpy as np
import pytest

from data_loader.landmark_folder import LandmarkFolder
from data_loader.landmark_formats import read_annotations
from tests.data_helpers.landmark_lists import SIZE, write_images
from utils.errors import UserError

NAMES = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
POINTS = [[[10.25, 12], [30, 36.5]], [[0, 0], [39, 47]], [[1, 2], [3, 4]], [[5.5, 6], [7, 8]]]
HEADER = ["file", "heel_x", "heel_y", "toe_x", "toe_y"]
ROWS = [[name, *(f"{v:g}" for point in of for v in point)] for name, of in zip(NAMES, POINTS)]


@pytest.fixture
def root(tmp_path):
    write_images(tmp_path, NAMES)
    return tmp_path


def read(root, text):
    """Return the annotations in a csv of a text or of bytes."""
    path = root / "landmarks.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_annotations([path], root, NAMES, NAMES)


def landmarks(root, text):
    found = read(root, text)
    assert not found.faults
    return {name: entry.landmarks.tolist() for name, entry in found.table.items()}


def table(separator=",", end="\n", header=HEADER, rows=ROWS):
    return "".join(separator.join(row) + end for row in [header, *rows])


EXPECTED = dict(zip(NAMES, POINTS))
AS_WRITTEN = {
    "plain": table(),
    "semicolons": table(";"),
    "tabs": table("\t"),
    "bars": table("|"),
    "Excel's mark": "\ufeff" + table(";", "\r\n"),
    "old line ends": table(end="\r"),
    "Excel's first line": "sep=;\r\n" + table(";", "\r\n"),
    "that line with commas": "sep=,\n" + table(),
    "decimal commas": table(";").replace(".", ",").replace(",jpg", ".jpg"),
    "decimal commas in quotes": table('","', '"\n"').replace("file", '"file').replace(
        "10.25", "10,25").replace("36.5", "36,5").replace("5.5", "5,5").rstrip('"'),
    "quoted": table('","', '"\n"').replace("file", '"file').rstrip('"'),
    "empty columns at the end": table(end=",,\n"),
    "an empty column between": table().replace(",", ",,", 1).replace("jpg,", "jpg,,"),
    "blank rows": "\n" + table(end="\n,,,,\n") + "\n\n",
    "blanks around cells": table(" , "),
    "UTF-16 of tabs": codecs.BOM_UTF16_LE + table("\t", "\r\n").encode("utf-16-le"),
    "UTF-16, high bytes first": codecs.BOM_UTF16_BE + table().encode("utf-16-be"),
    "UTF-16 without a mark": table().encode("utf-16-le"),
    "an index of pandas": table(header=["", *HEADER],
                                rows=[[str(n), *row] for n, row in enumerate(ROWS)]),
    "that index, read and written": table(header=["Unnamed: 0", *HEADER],
                                          rows=[[str(9 - n), *row] for n, row in enumerate(ROWS)]),
    "names as the index": table(header=["", *HEADER[1:]]),
    "exponents": table().replace("10.25", "1.025e1").replace("36.5", "+36.5"),
}


@pytest.mark.parametrize("kind", AS_WRITTEN)
def test_a_csv_is_read_as_programs_write_it(root, kind):
    assert landmarks(root, AS_WRITTEN[kind]) == EXPECTED


@pytest.mark.parametrize("name", [
    "filename", "File Name", "file_name", "image", "Image", "image_name", "image_path", "img",
    "path", "file_path", "name", "ImageName", "image_id",
])
def test_the_column_of_images_has_many_names(root, name):
    assert landmarks(root, table(header=[name, *HEADER[1:]])) == EXPECTED


@pytest.mark.parametrize("header, order", [
    ("x1,y1,x2,y2", "xyXY"), ("X1,Y1,X2,Y2", "xyXY"), ("x1,x2,y1,y2", "xXyY"),
    ("eye_x,mouth_x,eye_y,mouth_y", "xXyY"), ("eye_y,eye_x,mouth_y,mouth_x", "yxYX"),
    ("eye.x,eye.y,mouth.x,mouth.y", "xyXY"), ("x eye,y eye,x mouth,y mouth", "xyXY"),
    ("eye x,eye y,mouth x,mouth y", "xyXY"), ("eye[y],eye[x],mouth[x],mouth[y]", "yxXY"),
    ("x,y,x.1,y.1", "xyXY"), ("x,y,x,y", "xyXY"), ("eyeLX,eyeRX,eyeLY,eyeRY", "xXyY"),
    ("lx,ly,rx,ry", "xyXY"), ("p1x,p1y,p2x,p2y", "xyXY"), ("1,2,3,4", "xyXY"),
    ("a,b,c,d", "xyXY"), ("lynx,fox,c,d", "xyXY"), ("x_left,y_left,x_right,y_right", "xyXY"),
])
def test_names_of_columns_say_which_landmark_and_which_axis(root, header, order):
    values = {"x": "10.25", "y": "12", "X": "30", "Y": "36.5"}
    text = f"file,{header}\na.jpg,{','.join(values[key] for key in order)}\n"
    assert landmarks(root, text) == {"a.jpg": POINTS[0]}


def test_a_single_landmark(root):
    assert landmarks(root, "file,x,y\na.jpg,10.25,12\n") == {"a.jpg": [[10.25, 12]]}


@pytest.mark.parametrize("names", ["width,height", "w,h", "image_width,image_height",
                                   "img_w,img_h", "Width,Height", "imageWidth,imageHeight"])
@pytest.mark.parametrize("place", [0, 1, 5])
def test_columns_of_the_size_of_the_image_are_no_landmark(root, names, place):
    header, rows = list(HEADER), [list(row) for row in ROWS]
    for row, values in zip([header, *rows], [names.split(","), *[["40", "48"]] * 4]):
        row[place:place] = values
    found = read(root, table(header=header, rows=rows))
    assert {name: entry.landmarks.tolist() for name, entry in found.table.items()} == EXPECTED
    assert {entry.size for entry in found.table.values()} == {SIZE}
    assert found.names == ["heel_x", "toe_x"] and not found.faults + found.notes


def test_another_size_than_that_of_the_image_is_told(root):
    read(root, "file,split,width,height,x,y\na.jpg,train,80,96,10,12\nb.jpg,test,80,96,1,2\n")
    dataset = LandmarkFolder(str(root), "train", 20, use_keypoints=True)
    with pytest.raises(UserError, match="a.jpg: is 40 x 48 pixels, but its landmarks were made on"):
        dataset[0]


def test_columns_that_say_nothing_of_landmarks_are_passed_over_and_named(root):
    rows = [[str(7 * n), "shoe", *row] for n, row in enumerate(ROWS)]
    found = read(root, table(header=["id", "label", *HEADER], rows=rows))
    assert {name: entry.landmarks.tolist() for name, entry in found.table.items()} == EXPECTED
    assert found.notes == ["columns passed over: 'id', 'label'"]


@pytest.mark.parametrize("cell", ["Train", "TRAIN", "training", " train "])
@pytest.mark.parametrize("name", ["split", "Split", "set", "subset"])
def test_splits_in_any_letters(root, name, cell):
    text = f"file,{name},x,y\na.jpg,{cell},1,2\nb.jpg,Valid,1,2\nc.jpg,,3,4\nd.jpg,NaN,3,4\n"
    found = read(root, text)
    assert [entry.split for entry in found.table.values()] == ["train", "val", None, None]


@pytest.mark.parametrize("x, y", [("", ""), ("nan", "NaN"), ("NA", "N/A"), ("None", "null"),
                                  ("-1", "-1.0"), ("#N/A", "<NA>"), (" ", "-")])
def test_what_is_not_labelled_is_counted(root, x, y):
    rows = [ROWS[0], [*ROWS[1][:3], x, y], ["c.jpg", x, y, x, y], ROWS[3]]
    found = read(root, table(rows=rows))
    assert found.annotated == ["a.jpg", "d.jpg"] and list(found.table) == NAMES
    assert found.notes == [
        "2 of 4 listed images lack a landmark and are left out where landmarks are used"]
    assert not found.faults
    line = read_line(root)
    assert "2 landmarks of 2 images" in line and "2 of 4 listed images lack a landmark" in line


def test_points_of_an_image_that_lacks_some_are_kept(root):
    rows = [ROWS[0], ["b.jpg", "1", "2", "", ""], ["c.jpg", *["-1"] * 4], ["d.jpg", *[""] * 4]]
    found = read(root, table(rows=rows)).table
    assert [found[name].landmarks is None for name in NAMES] == [False, True, True, True]
    np.testing.assert_array_equal(found["a.jpg"].points, POINTS[0])
    np.testing.assert_array_equal(found["b.jpg"].points, [[1, 2], [np.nan, np.nan]])
    assert np.isnan(found["c.jpg"].points).all()  # said to show none
    assert found["d.jpg"].points is None  # nothing said


def read_line(root):
    """Return what the log says of the landmarks."""
    return next(line for line in LandmarkFolder(str(root), "train", 20).describe()
                if "landmarks of" in line)


def test_a_column_of_landmarks_that_is_empty_is_named(root):
    annotations = read(root, table(rows=[[*row[:3], "", ""] for row in ROWS]))
    assert annotations.shortage.endswith(
        "no image has all landmarks: 'toe_x' is labelled in 0 of 4")
    assert annotations.faults == []


@pytest.mark.parametrize("cell", ["4_0", "inf", "-Infinity", "４０", "٤", "0x10", "1.2.3",
                                  "4 0", "1e999", "ten", "--1", "1e"])
def test_what_is_no_number_is_refused(root, cell):
    (fault,) = read(root, table(rows=[ROWS[0], ["b.jpg", cell, *ROWS[1][2:]]])).faults
    assert "landmarks.csv, line 3: expected " in fault


@pytest.mark.parametrize("most, one, name", [
    ("1.5", "1,5", "points"), ("1,5", "1.5", "commas")])
def test_decimal_points_and_commas_in_one_file_are_refused(root, most, one, name):
    (fault,) = read(root, f"file;x;y\na.jpg;{most};2\nb.jpg;{most};{one}\nc.jpg;{most};1\n").faults
    assert fault.endswith(
        f"line 3: expected numbers ('{one}', where other cells have decimal {name})")


def test_what_is_no_number_is_quoted_as_it_is_written(root):
    (fault,) = read(root, 'file,x,y\na.jpg,"(10, 20)",2\n').faults
    assert fault.endswith("line 2: expected numbers ('(10, 20)' is no number)")


@pytest.mark.parametrize("third", ["1", "0", "0.97", "2"])
def test_a_visibility_after_each_x_and_y_is_refused(root, third):
    lists = "file,{}\na.jpg,{}\nb.jpg,{}\n"
    names = ",".join(f"kp{n}" for n in range(6))
    rows = f"12,30,{third},14,31,{third}", "1,30,1,14,31,0"
    (fault,) = read(root, lists.format(names, *rows)).faults
    assert fault.endswith("column 'kp2' and every third one hold visibilities or certainties, no "
                          "coordinates: remove them, or name the others like heel_x, heel_y")
    for points in (f"12,30,{third},14,31,3", f"12,{third},{third},14,31,{third}"):
        sound = read(root, lists.format(names, points, points))
        assert not sound.faults and len(sound.names) == 3  # they may be landmarks
    named = "a_x,a_y,b_x,b_y,c_x,c_y"
    assert not read(root, lists.format(named, *rows)).faults


@pytest.mark.parametrize("cells", ["1,024;980", "980;1,024", "1,024;-1", "1,024;12,048"])
def test_a_comma_that_may_separate_thousands_is_refused(root, cells):
    (fault,) = read(root, f"file;x;y\na.jpg;{cells}\nb.jpg;5;7\n").faults
    assert fault == (f"{root / 'landmarks.csv'}: '1,024' may be 1024 or 1.024: "
                     "expected numbers without separators of thousands")


@pytest.mark.parametrize("cells, point", [
    ("1,024;2,5", [1.024, 2.5]), ("0,125;7", [0.125, 7]), ("1,024;2000", [1.024, 2000])])
def test_a_decimal_comma_before_three_digits(root, cells, point):
    assert landmarks(root, f"file;x;y\na.jpg;{cells}\n") == {"a.jpg": [point]}


@pytest.mark.parametrize("header, words", [
    ("file,x1,y1,x2", "column 'x2': expected y of this landmark, too"),
    ("file,x1,y1,x1,y2", "column 'x1': x of one landmark a second time"),
    ("file,y,y", "column 'y': y of one landmark a second time"),
    ("file,a,b,c", "3 coordinate columns, expected x and y for each landmark"),
    ("file,rows,cols,x,y", "column 'rows' is neither x nor y of a landmark: name it so, or remove"),
    ("file,size_x,size_y,x,y", "column 'size_x' is neither x nor y of a landmark"),
    ("file,eye_x,eye_y,image_dim_x,image_dim_y", "column 'image_dim_x' is neither x nor y"),
    ("file,row0,col0,row1,col1", "column 'row0' is neither x nor y of a landmark"),
    ("file,eye_row,eye_col", "column 'eye_row' is neither x nor y of a landmark"),
    ("file,eye_x,eye_y,eye_v", "column 'eye_v' is neither x nor y of a landmark"),
    ("file,x1,y1,z1", "column 'z1' is neither x nor y of a landmark"),
    ("file,person,session,1,2", "column 'person' is neither x nor y of a landmark"),
    ("file,p1,p2,frame,fps", "column 'frame' is neither x nor y of a landmark"),
    ("file,screenheight,screenwidth,1,2", "column 'screenheight' is neither x nor y"),
    ("file,xmin,ymin,xmax,ymax", "column 'xmin' belongs to a box, which is no landmark: remove it"),
    ("file,x,y,w,h", "column 'w' belongs to a box"),
    ("file,bbox_x,bbox_y,eye_x,eye_y", "column 'bbox_x' belongs to a box"),
    ("file,path,x,y", "columns 'file' and 'path': expected one that names the image"),
    ("file,width,img_w,height,x,y", "'width' and 'img_w': expected one that names the image's wid"),
    ("who,x,y", "expected a header with a column 'file', found 'who, x, y'"),
    ("file x y", "expected a header with a column 'file', found 'file x y'"),
    ('file,"y\na.jpg",x', "column 'y a.jpg': expected x of this landmark, too"),
])
def test_a_header_that_may_mean_several_things(root, header, words):
    cells = ",".join(["1"] * (header.count(",")))
    (fault, *_) = read(root, f"{header}\na.jpg,{cells}\nb.jpg,{cells}\n").faults
    assert words in fault and "\n" not in fault


def test_names_in_the_encoding_of_windows(root):
    found = read(root, "file;x;y\nträger.jpg;1;2\n".encode("cp1252"))
    assert list(found.table) == ["träger.jpg"] and not found.faults
    assert found.notes == ["landmarks.csv is not UTF-8, and read as Windows-1252"]
