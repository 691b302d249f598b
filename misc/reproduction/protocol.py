"""How a run differs from the published experiment of its name, in words for a footnote."""

import json
import re
from pathlib import Path

from misc.published import CONFIGS, config_path, load_experiments, starts_from
from misc.reproduction.run_records import RecordedRun
from utils.checkpoint.find import parse_name
from utils.config.read import flatten

NUM_SEEDS = 3  # with few annotations
TEST_SETS = {  # what a data set's experiments are evaluated on, and its number of images
    "celeba": ("MAFLAligned", 1000),
    "mafl": ("MAFLAligned", 1000),
    "aflw": ("AFLW", 2991),
    "aflw-mtfl": ("AFLW_MTFL", 2995),
    "300w": ("ThreeHundredW", 689),
}
# Values that may differ from a published config: they change where and how a run works, not what
# it computes. How many epochs were trained is told by the checkpoint.
FREE_KEYS = re.compile(
    r"n_gpu|seed|num_workers|cache|visualizations|finetune_from|dataset\.args\.(root|allow_partial)"
    r"|trainer\.(epochs|save_dir|log_dir|save_period|verbosity|monitor|patience|early_stop"
    r"|tensorboardX)"
)
ANY_NAME = re.compile(".+")  # folders of runs may have been renamed
EXPERIMENTS = load_experiments()


def published_config(name):
    """Return the content of a published experiment's config."""
    return json.loads((CONFIGS / config_path(name, EXPERIMENTS[name])).read_text())


def config_differences(config, reference):
    """Return [(key path, value, reference value)] of what changes the protocol; None: not set."""
    ours, theirs = map(_what_counts, (config, reference))
    return [
        (key, ours.get(key), theirs.get(key))
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key) and not FREE_KEYS.fullmatch(key)
    ]


def _what_counts(config):
    """Return {key path: value} of a config, such that those of earlier versions compare: with the
    default of ``do_augmentations``, without a warper of pairs beside a regressor, and without a
    schedule that has no milestones, neither of which has an effect.
    """
    flat, idle = flatten(config), []
    flat.setdefault("dataset.args.do_augmentations", flat.get("dataset.type") != "AFLW")
    if "keypoint_regressor" in config and flat.get("warper.type") == "Warper":
        idle.append("warper.")
    if flat.get("lr_scheduler.args.milestones") == []:
        idle.append("lr_scheduler.")
    return {key: value for key, value in flat.items() if not key.startswith(tuple(idle))}


def deviations(record):
    """Return what is not as published in a ``RunRecord``, a list of short texts; [] if all is."""
    folder, results = record.folder, record.results
    if not results:
        epochs = folder.log.epochs
        return _epoch_deviation(int(epochs[-1]["epoch"]), folder.name) if epochs else []
    found = [*_evaluation_deviations(folder.name, results), *_own_deviations(folder, folder.name)]
    checkpoint = results.get("checkpoint", "")
    trained = _run_of(checkpoint, folder.save_dir)
    found += _training_deviations(trained or folder, folder.name, epoch_of(checkpoint))
    return list(dict.fromkeys(found))


def epoch_of(checkpoint):
    """Return the epoch that a checkpoint's name tells, or None."""
    place = parse_name(Path(checkpoint).name)
    return place and place[0]


def _evaluation_deviations(name, results):
    facts = EXPERIMENTS[name]
    dataset, size = TEST_SETS[facts["dataset"]]
    if facts["task"] != "keypoints":
        size -= size % 2  # matching takes images two by two
    found = []
    if (results.get("dataset"), results.get("split")) != (dataset, "test"):
        found.append(f"evaluated on {results.get('dataset')}, split {results.get('split')}")
    elif results.get("num_images") != size:
        found.append(f"evaluated on {results.get('num_images')} of {size} test images")
    return found


def _epoch_deviation(epoch, name):
    expected, task = (EXPERIMENTS[name][key] for key in ("checkpoint_epoch", "task"))
    found = "another checkpoint" if epoch is None else f"epoch {epoch}"
    return [] if epoch == expected else [f"{task}: {found} instead of epoch {expected}"]


def _training_deviations(place, name, epoch):
    """Tell what differs in a training that should be the experiment ``name``, and in those that it
    started from, back to the embedding.
    """
    if place.name != name:
        return [f"{EXPERIMENTS[name]['task']}: {place.name} instead of {name}"]
    found = _epoch_deviation(epoch, name)
    if not place.log.is_own:  # the original's run, or nothing is known
        return found
    found += _own_deviations(place, name)
    origin, parent = place.log.origin, starts_from(EXPERIMENTS[name])
    if origin is None:
        return found
    start = _run_of(origin.path, place.save_dir)
    if start is None or parent is None:
        return [*found, f"{EXPERIMENTS[name]['task']}: started from {origin.path}"]
    return found + _training_deviations(start, parent, origin.epoch)


def _own_deviations(place, name):
    """Tell what the data and the config of a single run differ in."""
    task, found = EXPERIMENTS[name]["task"], []
    for note in place.results.get("partial", []):
        found.append(f"{task}: partial copy of the data: {note}")
    if place.config is not None:
        for key, value, published in config_differences(place.config, published_config(name)):
            found.append(f"{task}: {key} = {json.dumps(value)} instead of {json.dumps(published)}")
    return found


def _run_of(checkpoint, save_dir):
    """Return the run that a checkpoint belongs to by its path, None if it lies elsewhere.

    A run below ``save_dir`` is found there, even if the path was written on another machine.
    """
    run = RecordedRun.of_folder(Path(checkpoint).parent, time=ANY_NAME)
    here = run and RecordedRun(save_dir, run.relative)
    return here if run and here.model_dir.is_dir() else run
