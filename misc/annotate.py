"""Place named points on the images of a folder, in the browser; an embedding proposes them.

    python misc/annotate.py photos/ --names heel,toe,top
    python misc/annotate.py photos/ --names heel,toe,top --model saved/models/<run>/<time>
    python misc/annotate.py photos/ --model <embedding>.pth     # go on, or correct an existing list
    python misc/annotate.py photos/ --boxes --names heel,toe    # several objects, each in a box

Click the points in the first image. In every further one they are proposed, with their certainty,
and better with each image: drag what is wrong, and confirm. Images come in the order in which most
is learned from them. Each confirmed image is at once in FOLDER/landmarks.csv, which a data set of
type LandmarkFolder reads; -1,-1 stands for a point that is not visible. With --boxes each object is
first framed by a box, which a training with dataset.args.box_margin cuts out; without names there
are boxes alone. The page is served on this machine alone. Its button Finish, or Ctrl-C, ends the
program, with exit code 0 either way, and the next start goes on.
"""

import sys
import threading
import webbrowser
from argparse import ArgumentTypeError
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from utils.cli import (
    add_device_option,
    make_parser,
    path_text,
    point_names,
    positive,
    run_program,
)
from utils.errors import UserError, one_line
from utils.stopping import stop_on_signals
from utils.text import counted


def parse(argv):
    parser = make_parser(__doc__)
    parser.add_argument("folder", type=path_text, metavar="FOLDER", help="of the images")
    parser.add_argument(
        "--names", type=point_names, metavar="A,B,...",
        help="of the points (default: those of the list in the folder)",
    )
    parser.add_argument(
        "--model", type=path_text, metavar="MODEL",
        help="an embedding's checkpoint, or the folder of its run; without it nothing is proposed",
    )
    parser.add_argument(
        "-c", "--config", type=path_text, metavar="FILE",
        help="the model's config, if it does not come with it",
    )
    parser.add_argument(
        "--annotation", type=path_text, metavar="LIST",
        help="the list to begin with, if the folder has several (dataset.args.annotation)",
    )
    parser.add_argument(
        "--boxes", action="store_true",
        help="frame each object by a box before its points, and correct the boxes of the list",
    )
    parser.add_argument(
        "--box_margin", type=float, metavar="SHARE",
        help="what the model is shown around each box, as a share of its longer side (default: as "
        "in the model's training, 0.2 if it was not on boxes)",
    )
    parser.add_argument("--images", type=positive, metavar="N", help="how many (default: all)")
    parser.add_argument(
        "--port", type=port_number, default=0, metavar="N",
        help="of the page's address, for a tunnel from elsewhere (default: one that is free)",
    )
    parser.add_argument("--no_browser", action="store_true", help="only print the page's address")
    add_device_option(parser)
    args = parser.parse_args(argv)
    if args.box_margin is not None and not (args.boxes and args.model):
        parser.error("--box_margin goes with --boxes and --model")
    return args


def port_number(text):
    """Return a port that a user may take; raises ``argparse.ArgumentTypeError``."""
    if not text.isdecimal() or not 1024 <= int(text) < 1 << 16:
        raise ArgumentTypeError(f"'{text}', expected a number from 1024 to 65535")
    return int(text)


def main(argv=None):
    args = parse(argv)
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    from misc.annotating.box_session import BoxSession
    from misc.annotating.box_store import BoxStore
    from misc.annotating.server import AnnotationServer
    from misc.annotating.session import Session
    from misc.annotating.store import AnnotationStore

    store_kind, session_kind = (BoxStore, BoxSession) if args.boxes else (AnnotationStore, Session)
    store = store_kind(args.folder, args.names, args.annotation)
    with store.reserved():
        for note in store.notes:
            print(f"note: {note}")
        images, proposer = prepare(args, store)
        server = AnnotationServer(session_kind(store, images, proposer, args.images), args.port)
        print(f"{counted(len(images), 'image')}: {server.address}", flush=True)
        stop_on_signals()
        with server:
            # In a thread: Ctrl-C would end the loop in the middle of taking up a request.
            serving = threading.Thread(target=server.serve_forever)
            try:
                serving.start()
                if not args.no_browser:
                    webbrowser.open(server.invite())  # one in a terminal ends with its window
                while serving.is_alive():
                    serving.join(0.2)  # a wait without an end may not notice Ctrl-C
            except KeyboardInterrupt:
                print()
                server.shutdown()
    print(f"{store.path}: {counted(len(store.annotated), 'image')} annotated")


def learnable(store):
    """Return the annotated images of the size that their points were made on; names the others."""
    names = []
    for name in store.annotated:
        try:
            store.size_of(name)
        except UserError as error:
            print(f"note: nothing is learned from {one_line(error)}")
        else:
            names.append(name)
    return names


def prepare(args, store):
    """Return the images in the order of the page, and what proposes points, None for nothing."""
    from misc.annotating.order import with_test_images

    images, proposer = store.images, None
    if args.model and args.boxes:
        from misc.annotating.box_proposals import load_box_proposer

        how = args.model, args.config, args.device, args.box_margin
        proposer = load_box_proposer(store, learnable(store), *how)
    elif args.model:
        from misc.annotating.embeddings import compute_embeddings
        from misc.annotating.proposals import Proposer

        embeddings = compute_embeddings(store, args.model, args.config, args.device)
        proposer = Proposer(embeddings.names, embeddings)
        known = set(embeddings.names)
        for name in filter(known.__contains__, learnable(store)):
            proposer.learn(name, store.points[name])
        images = proposer.order(store.points)
    return with_test_images(images, store.tests), proposer


if __name__ == "__main__":
    sys.exit(run_program(main))
