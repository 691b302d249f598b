"""Build the training, validation and test sets of a config."""

import inspect
from dataclasses import replace

from data_loader import DATASETS
from data_loader.broken_images import leave_out_broken
from utils.config.objects import build, check_arguments, look_up
from utils.distributed import World
from utils.errors import EmptySplit, UserError
from utils.text import counted

FEW_NAMES = 20  # of images in a message


def build_dataset(config, split, world=World()):
    """Return a split of the config's data set, without broken images if the config skips them.

    Raises ``UserError`` if files are missing or, where broken images are skipped, none is left.

    world: the processes that build it together.
    """
    dataset = build(config.dataset, DATASETS, "dataset", split=split)
    if config.on_broken_image == "skip":
        leave_out_broken(dataset, world)
    else:
        dataset.require_files()
    return dataset


def training_datasets(config, run):
    """Return the training and the validation set, and note them in the run."""
    if config.is_landmark:
        config = with_landmarks(config)
    train_set, val_set = (build_dataset(config, split, run.world) for split in ("train", "val"))
    run.note_dataset(val_set)
    run.note_dataset(train_set)
    return train_set, val_set


def final_test_set(config, run):
    """Return the test set of a training, and note it in the run.

    None for an embedding whose test split is empty or has one image only.
    """
    try:
        test_set = evaluation_dataset(config, world=run.world)
    except EmptySplit as error:
        if config.is_landmark:
            raise
        run.remarks.append(f"nothing will be measured: {error}")
        return None
    run.note_dataset(test_set)
    if config.is_landmark and test_set.landmark_names:
        run.identity["landmark_names"] = test_set.landmark_names
    return test_set


def with_landmarks(config):
    """Return the config with ``dataset.args.use_keypoints`` set."""
    args = {**config.dataset["args"], "use_keypoints": True}
    return replace(config, dataset={**config.dataset, "args": args})


def evaluation_dataset(config, name=None, world=World()):
    """Return the annotated test split that a config is evaluated on.

    Raises ``EmptySplit`` for an embedding with fewer than two test images.

    name: a data set in place of the config's. It takes all arguments of the config that it has, but
    the root only if both have the same default root; otherwise its root is its own default.
    """
    own = look_up(config.dataset["type"], DATASETS, "dataset.type")
    check_arguments(own, config.dataset["args"], "dataset.args", runtime=("split",))
    args = with_landmarks(config).dataset["args"]
    other = look_up(name or own.evaluated_on or own.__name__, DATASETS, "--eval_data")
    if other is not own:
        args = _arguments_for(other, own, args)
        check_arguments(other, args, "--eval_data: dataset.args", runtime=("split",))
    section = {"type": other.__name__, "args": args}
    dataset = build_dataset(replace(config, dataset=section), "test", world)
    if not config.is_landmark and len(dataset) < 2:
        raise EmptySplit("dataset: matching takes two images, but split 'test' has only one")
    if config.is_landmark:
        without_error(dataset)
    return dataset


def without_error(dataset):
    """Return the names of the images whose inter-ocular error is undefined.

    Raises ``UserError`` if it is undefined in all of them.
    """
    names = [dataset.label(index) for index in dataset.without_eye_distance()]
    if names and len(names) == len(dataset):
        left, right = dataset.eye_indices
        raise UserError(
            f"dataset: landmarks {left} and {right}, by whose distance errors are divided, "
            f"coincide in every image of split '{dataset.split}' ({names[0]} for one); "
            "dataset.args.eye_indices of a folder names two others, or [] for errors in pixels"
        )
    return names


def left_out_line(dataset, names):
    """Return a line for the log about images whose inter-ocular error is undefined."""
    more = f" and {len(names) - FEW_NAMES} more" if len(names) > FEW_NAMES else ""
    left, right = dataset.eye_indices
    return (
        f"left out of the mean error of split '{dataset.split}': {counted(len(names), 'image')} "
        f"in which landmarks {left} and {right}, by whose distance errors are divided, coincide: "
        f"{', '.join(names[:FEW_NAMES])}{more}"
    )


def _arguments_for(other, own, args):
    """Return the arguments of one data set that another one takes too."""
    taken = {name: args[name] for name in inspect.signature(other).parameters if name in args}
    if other.default_root != own.default_root or "root" not in args:
        taken.pop("root", None)
        if other.default_root is not None:
            taken["root"] = other.default_root
    return taken
