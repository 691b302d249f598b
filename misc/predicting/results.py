"""Predict for many images, and write pictures and a table."""

import csv
import io
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from data_loader.annotation_files import parse_number, read_csv
from inference.arguments import as_points, require_inside
from misc.predicting.boxes import box_around
from misc.predicting.photos import Source, read_photo
from misc.predicting.tasks import ColourTask, LandmarkTask, MatchTask
from utils.disk import disk_errors, fitting, parent_folder, write_atomically
from utils.errors import UserError, config_errors

NUM_COLOURED = 64  # images, evenly spread, whose principal components give the colours
PICTURE_DPI = 300


def make_task(args, model, sources, reader, boxes=None):
    """Return the task that the arguments and the kind of model ask for.

    boxes: as of ``read_boxes``, None if whole images are predicted.
    """
    if args.points:
        points = read_points(args.points)
        box = boxes and box_around(points, args.reference, boxes, model.viewer.box_margin)
        source = Source(args.reference, Path(args.reference), box)
        reference = read_photo(source, model, not args.no_pictures)
        with config_errors(f"--points, of {args.reference}"):
            require_inside(points, reference.seen.view)
        warn_of_border(points, reference.seen.view)
        return MatchTask(model, reference, points, args.protocol)
    if model.has_landmarks:
        return LandmarkTask(model)
    if args.no_pictures:
        raise UserError("--no_pictures: nothing else comes of an embedding without --points")
    some = sources[:: -(-len(sources) // NUM_COLOURED)]
    photos = [photo for batch in reader.batches(some, args.batch_size) for photo in batch]
    return ColourTask(model, require_some(photos))


def read_points(arguments):
    """Return points (K, 2) from texts "x,y", or from the one file that is named instead: a csv with
    a point per line, and an optional header "x,y".
    """
    path = Path(arguments[0])
    if len(arguments) > 1 or "," in arguments[0] and not path.is_file():
        rows = [(text.split(","), f"--points {text}") for text in arguments]
    else:
        lines = read_csv(path)
        if lines and [name.strip().lower() for name in lines[0]] == ["x", "y"]:
            del lines[0]
        if not lines:
            raise UserError(f"{path}: holds no points, expected x,y in each line")
        rows = [(row, f"{path}, point {n}") for n, row in enumerate(lines)]
    points = []
    for row, where in rows:
        try:
            x, y = map(parse_number, row)
        except ValueError as error:
            found = ",".join(row)
            raise UserError(f"{where}: found {found!r}, expected x,y: two numbers") from error
        if not math.isfinite(x + y):
            raise UserError(f"{where}: found {','.join(row)!r}, expected x,y: two numbers")
        points.append((x, y))
    return as_points(points)


def warn_of_border(points, view):
    """Print which points of the reference lie in the border that the network does not see."""
    unseen = points[~view.shows(points)]
    if len(unseen):
        avoided = replace(view, crop=0).shows(unseen).all()
        print(
            f"--points {' '.join(f'{x:g},{y:g}' for x, y in unseen.tolist())}: in the border that "
            "the network is not shown, answered as the nearest place that it is"
            f"{' (--whole shows it)' if avoided else ''}"
        )


def require_some(photos):
    """Return the photos, or raise ``UserError`` if there are none."""
    if not photos:
        raise UserError("none of the images can be read")
    return photos


def predict(task, reader, sources, args):
    """Write the picture of each image or object as it is predicted, and the table at the end."""
    with disk_errors(args.output), parent_folder(args.output / "pictures"):
        pass  # what cannot be written is told before anything is predicted
    rows = []
    with tqdm(total=len(sources), desc="predicting", unit="image", disable=None) as bar:
        for photos in reader.batches(sources, args.batch_size):
            for photo, result in zip(photos, task.predict(photos) if photos else ()):
                source = photo.source
                if task.table:
                    rows += [] if rows else [task.header(photo, result)]
                    rows += task.rows(photo, result)
                if not args.no_pictures:
                    number = "" if source.number is None else f"-{source.number}"
                    path = fitting(args.output / "pictures" / f"{source.name}{number}.png")
                    figure = task.figure(photo, result)
                    save(path, partial(figure.savefig, format="png", dpi=PICTURE_DPI))
            bar.update(min(args.batch_size, bar.total - bar.n))
    if task.table:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(require_some(rows))
        data = text.getvalue().encode(errors="surrogateescape")  # names that are not UTF-8
        save(args.output / task.table, lambda file: file.write(data))


def save(path, write):
    """Call ``write(file)`` for a file that appears when it is complete; make its folder."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, write)
