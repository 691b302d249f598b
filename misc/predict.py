"""Apply a trained model to images: files, and folders with all that is in them.

    python misc/predict.py saved/models/<run>/<time> photos/ --output found
    python misc/predict.py <embedding>.pth photos/ --output found --reference a.jpg --points 9,8
    python misc/predict.py <embedding>.pth photos/ --output colours

MODEL is a checkpoint, or the folder of a run. A landmark model writes landmarks.csv, which a data
set of type LandmarkFolder reads, and pictures of the landmarks. With --points and --reference, the
points of the reference image are found in every image: matches.csv, and pictures. Otherwise an
embedding is drawn, its descriptors as colours, the same colours for all images. Points are x,y in
pixels of the image as a viewer shows it, the centre of its top-left pixel at 0,0.
"""

import csv
import io
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python misc/predict.py`

import inference  # noqa: E402
from inference.matching import PROTOCOLS  # noqa: E402
from inference.model import BATCH_SIZE, require_inside  # noqa: E402
from misc.predicting.photos import PhotoReader, find_images, read_photo  # noqa: E402
from misc.predicting.points import read_points  # noqa: E402
from misc.predicting.tasks import ColourTask, LandmarkTask, MatchTask  # noqa: E402
from utils.checkpoint import write_atomically  # noqa: E402
from utils.cli import add_device_option, make_parser, positive, run  # noqa: E402
from utils.device import select_device  # noqa: E402
from utils.disk import disk_errors  # noqa: E402
from utils.errors import UserError, blamed_on  # noqa: E402
from utils.wording import counted  # noqa: E402

NUM_COLOURED = 64  # images, evenly spread, whose principal components give the colours
PICTURE_DPI = 300


def make_task(args, model, paths, reader):
    """Return what is to be predicted."""
    if args.points:
        reference = read_photo(args.reference, args.reference, model, not args.no_pictures)
        points = read_points(args.points)
        with blamed_on(f"--points, of {args.reference}"):
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
                    save_picture(
                        args.output / "pictures" / f"{photo.name}.png", photo, result, task
                    )
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


def parse_args(argv=None):
    parser = make_parser(__doc__)
    parser.add_argument("model", metavar="MODEL", help="a checkpoint, or the folder of a run")
    parser.add_argument("images", nargs="+", metavar="IMAGES", help="image files, or folders")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="for results")
    parser.add_argument(
        "--config", metavar="FILE", help="the model's config, if it does not come with it"
    )
    parser.add_argument("--reference", metavar="IMAGE", help="the image that --points are of")
    parser.add_argument(
        "--points", nargs="+", metavar="X,Y", help="points to find, or a csv file of such lines"
    )
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default="cosine",
        help="how points are matched (docs/method.md, 'Two protocols of matching'; default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--whole", action="store_true", help="show whole images, without the crop of the training"
    )
    parser.add_argument("--no_pictures", action="store_true", help="write the csv only")
    parser.add_argument(
        "--skip_broken", action="store_true", help="tell images that cannot be read, and go on"
    )
    parser.add_argument(
        "--batch_size",
        type=positive,
        default=BATCH_SIZE,
        help="images at a time (default: %(default)s)",
    )
    add_device_option(parser)
    args = parser.parse_args(argv)
    if bool(args.points) != bool(args.reference):
        parser.error("--points and --reference go together: points of which image, and which of it")
    return args


def main(argv=None):
    args = parse_args(argv)
    paths = find_images(args.images, args.output)
    model = inference.load(args.model, select_device(args.device), args.config, args.whole)
    reader = PhotoReader(model, drawn=not args.no_pictures, skip=args.skip_broken)
    predict(make_task(args, model, paths, reader), reader, paths, args)
    told = f", {len(reader.skipped)} skipped" if reader.skipped else ""
    print(f"{counted(len(paths) - len(reader.skipped), 'image')}{told}: {args.output}")


if __name__ == "__main__":
    sys.exit(run(main))
