"""From a folder of photographs to a landmark detector for them, in one command.

    python misc/own.py photos/ --names heel,toe,top
    python misc/own.py photos/                          # go on, or begin with a list of landmarks

Checks the images, trains an embedding on them, has 20 annotated in the browser, fits a detector,
predicts the landmarks of all images, and writes a report. Each step is printed as the command that
it stands for, and skipped if its result is there. Detector, predictions and report are made again
if they are older than what they were made from. After an interruption, the same command goes on.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from misc.parts.steps import is_newer, step
from utils.checkpoint.find import progress_of
from utils.cli import (
    add_run_options,
    make_parser,
    parse_path,
    path_text,
    point_names,
    positive,
    run_program,
)
from utils.config.read import read_config
from utils.errors import UserError
from utils.stopping import stop_on_signals

EMBEDDING = "configs/own/smallnet-64d-dve.json"
DETECTOR = "configs/own-keypoints/smallnet-64d-dve.json"
EPOCHS = 5  # of the embedding: of 2,000 images or more, see min_epoch_images


def parse():
    parser = make_parser(__doc__)
    parser.add_argument("folder", type=path_text, metavar="FOLDER", help="of the images")
    parser.add_argument(
        "--names", type=point_names, metavar="A,B,...",
        help="of the points to annotate (default: those of the list in the folder)",
    )
    parser.add_argument(
        "--images", type=positive, default=20, metavar="N",
        help="how many are to be annotated, those of a list included (default: %(default)s)",
    )
    parser.add_argument(
        "--epochs", type=positive, metavar="N",
        help=f"of the embedding's training (default: as it was begun, or {EPOCHS})",
    )
    parser.add_argument(
        "--output", type=parse_path, metavar="FOLDER",
        help="for all results (default: saved/own/<name of the folder>)",
    )
    parser.add_argument(
        "--no_browser", action="store_true", help="print the annotator's address, open no browser"
    )
    add_run_options(parser)
    args = parser.parse_args()
    folder = Path(args.folder).resolve()
    args.output = args.output or Path("saved", "own", folder.name)
    if args.output.resolve().is_relative_to(folder):
        parser.error(f"--output: {args.output} is in the folder of the images")
    for key, instead in (("dataset.args.root", "FOLDER"), ("trainer.save_dir", "--output")):
        if any(override.startswith(f"{key}=") for override in args.overrides):
            parser.error(f"--set {key}: give {instead} instead")
    if "," in (args.device or ""):
        parser.error(f"--device {args.device}: expected one device, for all steps")
    root = os.path.join(args.folder, "")  # with its slash, a folder "7" is no number
    args.overrides = [f"dataset.args.root={root}", f"trainer.save_dir={args.output}/",
                      *args.overrides]
    args.device = ["--device", args.device] if args.device else []
    return args


def config_options(path, changes):
    """Return the options of a program for a config with changes."""
    return ["--config", path, *(word for change in changes for word in ("--set", change))]


def check_configs(args):
    """Raise ``UserError`` for changes that only one of the trainings can do with."""
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    import torch

    from trainer.optimisation import rehearse_schedule
    from trainer.parts import build_backbone, build_loss
    from utils.config.read import errors_of

    for path in (EMBEDDING, DETECTOR):
        config = read_config(path, args.overrides)
        with errors_of(config):
            build_backbone(config)
            build_loss(config, torch.device("cpu"))
            rehearse_schedule(config)


def train_embedding(args):
    """Check the images and train an embedding on them; return its last checkpoint."""
    config = read_config(EMBEDDING, args.overrides)
    found, _ = progress_of(config)
    epochs = args.epochs or EPOCHS
    if found:
        begun = read_config(found.path.parent / "config.json")
        root = begun.dataset["args"]["root"]
        if os.path.realpath(root) != os.path.realpath(args.folder):
            raise UserError(f"{args.output}: holds results for {root}, choose another --output")
        epochs = args.epochs or begun.trainer.epochs
    is_done = found is not None and found.epoch >= epochs
    words = config_options(EMBEDDING, [*args.overrides, f"trainer.epochs={epochs}"])
    step("check the images", found is not None, "misc/check_data.py", *words)
    step("train an embedding", is_done, "train.py", *words, "--resume", "auto", *args.device)
    return progress_of(config)[0].path


def annotate(args, store, embedding):
    """Have images annotated until there are enough; return the list's ``AnnotationStore``."""
    from misc.annotating.store import AnnotationStore

    words = [args.folder, "--model", embedding.parent, "--images", str(args.images), *args.device]
    words += ["--names", ",".join(args.names)] if args.names else []
    words += ["--no_browser"] if args.no_browser else []
    wanted = min(args.images, len(store.images))
    is_done = len(store.annotated) >= wanted
    step("annotate images", is_done, "misc/annotate.py", *words)
    store = AnnotationStore(args.folder, args.names)
    if len(store.annotated) < wanted:
        raise UserError(
            f"{args.folder}: {len(store.annotated)} of {wanted} images are annotated; the same "
            "command goes on, with --images it takes fewer"
        )
    return store


def fit_detector(args, store, embedding):
    """Fit a detector on the embedding; return its last checkpoint."""
    config = read_config(DETECTOR, args.overrides)
    words = config_options(DETECTOR, args.overrides)
    found, is_done = progress_of(config)
    is_current = found and is_newer(found.path, [embedding, *store.sources])
    start = "--resume", found.path if is_current and not is_done else embedding
    step("fit a detector", is_current and is_done, "train.py", *words, *start, *args.device)
    return progress_of(config)[0].path


def main():
    args = parse()
    stop_on_signals()
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    from misc.annotating.store import AnnotationStore

    # Before the training, to find errors at once.
    check_configs(args)
    store = AnnotationStore(args.folder, args.names)
    embedding = train_embedding(args)
    store = annotate(args, store, embedding)
    detector = fit_detector(args, store, embedding)

    found, report = args.output / "found", args.output / "report.html"
    places = {store.path_of(name).parent for name in store.images}
    skips = read_config(DETECTOR, args.overrides).on_broken_image == "skip"
    words = [detector, args.folder, "--output", found, *args.device]
    words += ["--skip_broken"] if skips else []
    is_done = is_newer(found / "landmarks.csv", [detector, *places])
    step("predict the landmarks of all images", is_done, "misc/predict.py", *words)
    words = [embedding.parent, detector.parent, "--output", report, *args.device]
    is_done = is_newer(report, [embedding, detector])
    step("write a report", is_done, "misc/report.py", *words)
    print(f"\ndetector:  {detector}\nlandmarks: {found / 'landmarks.csv'}\nreport:    {report}")


if __name__ == "__main__":
    sys.exit(run_program(main))
