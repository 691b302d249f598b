"""Apply a trained model to image files, and to all images in folders.

    python misc/predict.py saved/models/<run>/<time> photos/ --output found
    python misc/predict.py <embedding>.pth photos/ --output found --reference a.jpg --points 9,8
    python misc/predict.py <embedding>.pth photos/ --output colours
    python misc/predict.py <landmark model>.pth photos/ --output found --boxes boxes.csv

MODEL is a checkpoint, or the folder of a run. A landmark model writes landmarks.csv, which a data
set of type LandmarkFolder reads, and pictures of the landmarks. With --points and --reference, the
points of the reference image are found in every image: matches.csv, and pictures. Otherwise an
embedding is drawn, its descriptors as colours, the same colours for all images. Points are x,y in
pixels of the image as a viewer shows it, the centre of its top-left pixel at 0,0.

With --boxes each object is cut out by its box, as in a training on boxes, and answered in pixels of
the whole image; images without a box are left out.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from utils.cli import (
    add_device_option,
    add_model,
    make_parser,
    parse_path,
    path_text,
    positive,
    run_program,
)
from utils.text import counted

PROTOCOLS = ("cosine", "published")  # of inference.matching
BATCH_SIZE = 32


def parse_args(argv=None):
    parser = make_parser(__doc__)
    add_model(parser)
    parser.add_argument(
        "images", nargs="+", type=path_text, metavar="IMAGES", help="image files, or folders"
    )
    parser.add_argument(
        "--output", required=True, type=parse_path, metavar="FOLDER", help="for results"
    )
    _add_points(parser.add_argument_group("what an embedding finds"))
    _add_boxes(parser.add_argument_group("objects in larger images"))
    parser.add_argument(
        "--whole", action="store_true", help="show whole images, without the crop of the training"
    )
    parser.add_argument("--no_pictures", action="store_true", help="write the csv only")
    parser.add_argument(
        "--skip_broken", action="store_true", help="report images that cannot be read, and go on"
    )
    parser.add_argument(
        "--batch_size", type=positive, default=BATCH_SIZE,
        help="images at a time (default: %(default)s)",
    )
    add_device_option(parser)
    args = parser.parse_args(argv)
    if bool(args.points) != bool(args.reference):
        parser.error("--points and --reference go together: points of which image, and which of it")
    if args.box_margin is not None and not args.boxes:
        parser.error("--box_margin goes with --boxes")
    return args


def _add_points(group):
    group.add_argument(
        "--reference", type=path_text, metavar="IMAGE", help="the image that --points are of"
    )
    group.add_argument(
        "--points", nargs="+", type=path_text, metavar="X,Y",
        help="points to find, or a csv file of such lines",
    )
    group.add_argument(
        "--protocol", choices=PROTOCOLS, default="cosine",
        help="how points are matched (docs/method.md, 'Two protocols of matching'; default: "
        "%(default)s)",
    )


def _add_boxes(group):
    group.add_argument(
        "--boxes", type=path_text, metavar="FILE",
        help="predict the objects in the boxes of this list: a csv, COCO's JSON or imglab's XML",
    )
    group.add_argument(
        "--box_margin", type=float, metavar="SHARE",
        help="what is shown around each box, as a share of its longer side (default: as in the "
        "model's training, nothing if it was not on boxes)",
    )


def main(argv=None):
    args = parse_args(argv)
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    import inference
    from misc.predicting.boxes import boxed_sources, read_boxes
    from misc.predicting.photos import PhotoReader, Source, find_images
    from misc.predicting.results import make_task, predict
    from utils.device import select_device

    paths = find_images(args.images, args.output)
    sources, boxes = [Source(*item) for item in paths.items()], None
    if args.boxes:
        places = [*args.images, *([args.reference] if args.reference else [])]
        boxes = read_boxes(args.boxes, find_images(places, args.output))
        sources = boxed_sources(paths, boxes, args.boxes)
    device = select_device(args.device)
    model = inference.load(args.model, device, args.config, args.whole, args.box_margin)
    reader = PhotoReader(model, drawn=not args.no_pictures, skip=args.skip_broken)
    predict(make_task(args, model, sources, reader, boxes), reader, sources, args)
    skipped = f", {len(reader.skipped)} skipped" if reader.skipped else ""
    predicted = counted(len(sources) - len(reader.skipped), "object" if args.boxes else "image")
    print(f"{predicted}{skipped}: {args.output}")


if __name__ == "__main__":
    sys.exit(run_program(main))
