"""Apply a trained model to image files, and to all images in folders.

    python misc/predict.py saved/models/<run>/<time> photos/ --output found
    python misc/predict.py <embedding>.pth photos/ --output found --reference a.jpg --points 9,8
    python misc/predict.py <embedding>.pth photos/ --output colours

MODEL is a checkpoint, or the folder of a run. A landmark model writes landmarks.csv, which a data
set of type LandmarkFolder reads, and pictures of the landmarks. With --points and --reference, the
points of the reference image are found in every image: matches.csv, and pictures. Otherwise an
embedding is drawn, its descriptors as colours, the same colours for all images. Points are x,y in
pixels of the image as a viewer shows it, the centre of its top-left pixel at 0,0.
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
    parser.add_argument(
        "--reference", type=path_text, metavar="IMAGE", help="the image that --points are of"
    )
    parser.add_argument(
        "--points", nargs="+", type=path_text, metavar="X,Y",
        help="points to find, or a csv file of such lines",
    )
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, default="cosine",
        help="how points are matched (docs/method.md, 'Two protocols of matching'; default: "
        "%(default)s)",
    )
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
    return args


def main(argv=None):
    args = parse_args(argv)
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    import inference
    from misc.predicting.photos import PhotoReader, find_images
    from misc.predicting.results import make_task, predict
    from utils.device import select_device

    paths = find_images(args.images, args.output)
    model = inference.load(args.model, select_device(args.device), args.config, args.whole)
    reader = PhotoReader(model, drawn=not args.no_pictures, skip=args.skip_broken)
    predict(make_task(args, model, paths, reader), reader, paths, args)
    skipped = f", {len(reader.skipped)} skipped" if reader.skipped else ""
    print(f"{counted(len(paths) - len(reader.skipped), 'image')}{skipped}: {args.output}")


if __name__ == "__main__":
    sys.exit(run_program(main))
