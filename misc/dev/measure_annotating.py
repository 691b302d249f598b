"""Measure what the proposals of ``misc/annotate.py`` save, on images whose points are known.

    python misc/dev/measure_annotating.py saved/models/<run>/<time> data/real_faces

The images are annotated in the order of the annotator with their true points. A proposal that is
further than 10 % from the true point, of the distance between the first two points, is to be moved.
"""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the project's packages

from misc.benchmarking.measuring import machine, markdown_table
from utils.cli import add_device_option, add_model, make_parser, path_text, positive, run_program
from utils.errors import UserError

STEPS = (1, 5, 10, 20)  # confirmed images after which proposals for the others are measured
FAR = 10  # percent
HEADER = ("confirmed images", "points to propose", "median distance, %", "to be moved",
          "copied: median distance, %", "to be moved")


def parse(argv):
    parser = make_parser(__doc__)
    add_model(parser)
    parser.add_argument("folder", type=path_text, metavar="FOLDER", help="with all their points")
    parser.add_argument("--split", default="test", help="of the images (default: %(default)s)")
    parser.add_argument(
        "--images", type=positive, default=40, metavar="N", help="how many (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="draws the images (default: %(default)s)"
    )
    add_device_option(parser)
    return parser.parse_args(argv)


def read_images(args):
    """Return {name: points (K, 2)} of images drawn from a split, and their folder."""
    from data_loader.folder_listing import FolderListing

    listing = FolderListing(args.folder)
    if len(listing.annotations.names or ()) < 2:
        raise UserError(
            f"{args.folder}: expected a list of two points or more: the unit is the distance "
            "between the first two"
        )
    names = [name for name in listing.annotated if listing.splits[name] == args.split]
    if len(names) <= max(STEPS):
        raise UserError(
            f"{args.folder}: {len(names)} images of split '{args.split}' have all points, expected "
            f"more than {max(STEPS)}"
        )
    random.Random(args.seed).shuffle(names)
    table = listing.annotations.table
    return {name: table[name].landmarks for name in names[: args.images]}, listing.folder


def distances(found, points):
    """Return the distances (K,) in percent of that between the first two points."""
    import numpy as np

    return 100 * np.linalg.norm(found - points, axis=1) / np.linalg.norm(points[0] - points[1])


def annotate(proposer, images, sizes):
    """Confirm all images with their true points; return the rows of the table, and how many points
    were to be moved in all, of proposals and of copies.
    """
    import numpy as np

    order = proposer.order()
    first = images[order[0]] / sizes[order[0]]
    copies = {name: distances(first * sizes[name], images[name]) for name in order}
    rows, moved = [], np.zeros(2, int)
    for count, name in enumerate(order):
        if count:
            found = distances(proposer.propose(name)[0], images[name])
            moved += [(found > FAR).sum(), (copies[name] > FAR).sum()]
        if count in STEPS:
            rest = order[count:]
            found = np.concatenate([distances(proposer.propose(n)[0], images[n]) for n in rest])
            copied = np.concatenate([copies[name] for name in rest])
            row = [str(count), str(len(found))]
            for errors in (found, copied):
                row += [f"{np.median(errors):.1f}", str((errors > FAR).sum())]
            rows.append(row)
        proposer.learn(name, images[name])
    return rows, moved.tolist()


def main(argv=None):
    args = parse(argv)
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    import inference
    from data_loader.images import size_as_seen
    from misc.annotating.embeddings import Embeddings
    from misc.annotating.proposals import Proposer
    from utils.device import select_device

    images, folder = read_images(args)
    device = select_device(args.device)
    model = inference.load(args.model, device, args.config, whole=True)
    embeddings = Embeddings(model, {name: folder / name for name in images})
    sizes = {name: size_as_seen(folder / name) for name in images}
    rows, moved = annotate(Proposer(embeddings.names, embeddings), images, sizes)
    print(f"{machine(device)}\n\n{markdown_table(HEADER, rows)}\n")
    total = sum(map(len, images.values()))
    print(
        f"{len(images)} images one after the other: {moved[0]} of {total} points to be moved; "
        f"copied from the first image: {moved[1]}"
    )


if __name__ == "__main__":
    sys.exit(run_program(main))
