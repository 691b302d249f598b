"""What ``misc/predict.py`` writes: pictures of what is predicted, and a table."""

import csv
import io
from dataclasses import replace
from functools import partial

from tqdm import tqdm

from inference.model import require_inside
from misc.predicting.photos import read_photo
from misc.predicting.points import read_points
from misc.predicting.tasks import ColourTask, LandmarkTask, MatchTask
from utils.disk import disk_errors, fitting, write_atomically
from utils.errors import UserError, config_errors

NUM_COLOURED = 64  # images, evenly spread, whose principal components give the colours
PICTURE_DPI = 300


def make_task(args, model, paths, reader):
    """Return what is to be predicted."""
    if args.points:
        reference = read_photo(args.reference, args.reference, model, not args.no_pictures)
        points = read_points(args.points)
        with config_errors(f"--points, of {args.reference}"):
            require_inside(points, reference.seen.view)
        tell_unseen(points, reference.seen.view)
        return MatchTask(model, reference, points, args.protocol)
    if model.has_landmarks:
        return LandmarkTask(model)
    if args.no_pictures:
        raise UserError("--no_pictures: nothing else comes of an embedding without --points")
    names = list(paths)
    some = {name: paths[name] for name in names[:: -(-len(names) // NUM_COLOURED)]}
    photos = [photo for batch in reader.batches(some, args.batch_size) for photo in batch]
    return ColourTask(model, require_some(photos))


def tell_unseen(points, view):
    """Say which points of the reference lie in the border that the network is not shown."""
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


def predict(task, reader, paths, args):
    """Write the pictures of all images as they come, then the table; returns their number."""
    rows = []
    with tqdm(total=len(paths), desc="predicting", unit="image", disable=None) as bar:
        for photos in reader.batches(paths, args.batch_size):
            for photo, result in zip(photos, task.predict(photos) if photos else ()):
                if task.table:
                    rows += [] if rows else [task.header(result)]
                    rows += task.rows(photo.name, result)
                if not args.no_pictures:
                    path = fitting(args.output / "pictures" / f"{photo.name}.png")
                    save_picture(path, photo, result, task)
            bar.update(min(args.batch_size, bar.total - bar.n))
    if task.table:
        save_table(args.output / task.table, require_some(rows))


def save_picture(path, photo, result, task):
    """Draw a result as PNG."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    figure = task.figure(photo, result)
    write_atomically(path, partial(figure.savefig, format="png", dpi=PICTURE_DPI))


def save_table(path, rows):
    """Write rows as a csv."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(
        path, lambda file: file.write(text.getvalue().encode(errors="surrogateescape"))
    )
