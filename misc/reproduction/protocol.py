"""Compare a run with the published experiment of its name: its deviations, as footnotes."""

import json
import re
from pathlib import Path

from misc.published import CONFIGS, config_path, load_experiments, starts_from
from misc.reproduction.run_records import RecordedRun
from utils.checkpoint.find import parse_name
from utils.config.read import flatten

NUM_SEEDS = 3  # with few annotations
TEST_SETS = {  # of each data set: the class whose test split is used, and its number of images
    "celeba": ("MAFLAligned", 1000),
    "mafl": ("MAFLAligned", 1000),
    "aflw": ("AFLW", 2991),
    "aflw-mtfl": ("AFLW_MTFL", 2995),
    "300w": ("ThreeHundredW", 689),
}
# Keys that may differ from a published config: they change where and how a run works, not its
# numbers. (The number of epochs is checked by the checkpoint.)
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
    """Return [(key, value, reference value)] of keys that change the figures; None: not set."""
    ours, theirs = map(_what_counts, (config, reference))
    return [
        (key, ours.get(key), theirs.get(key))
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key) and not FREE_KEYS.fullmatch(key)
    ]


def _what_counts(config):
    """Return {key path: value} of a config, with the default of ``do_augmentations`` and without
    sections that have no effect: a warper of pairs for a regressor, a schedule without milestones.
    """
    flat, idle = flatten(config), []
    flat.setdefault("dataset.args.do_augmentations", flat.get("dataset.type") != "AFLW")
    if "keypoint_regressor" in config and flat.get("warper.type") == "Warper":
        idle.append("warper.")
    if flat.get("lr_scheduler.args.milestones") == []:
        idle.append("lr_scheduler.")
    return {key: value for key, value in flat.items() if not key.startswith(tuple(idle))}


def deviations(record):
    """Return the deviations of a ``RunRecord`` from the published protocol, as short texts."""
    folder, results = record.folder, record.results
    if not results:
        epochs = folder.log.epochs
        return _epoch_deviation(int(epochs[-1]["epoch"]), folder.name) if epochs else []
    found = [*_evaluation_deviations(folder.name, results), *_own_deviations(folder, folder.name)]
    checkpoint = results.get("checkpoint", "")
    trained, parsed = _run_of(checkpoint, folder.save_dir), parse_name(Path(checkpoint).name)
    found += _training_deviations(trained or folder, folder.name, parsed and parsed[0])
    return list(dict.fromkeys(found))


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


def _training_deviations(run, name, epoch):
    """Return the deviations of a training from the experiment ``name``, and of the trainings that
    it started from, back to the embedding.
    """
    if run.name != name:
        return [f"{EXPERIMENTS[name]['task']}: {run.name} instead of {name}"]
    found = _epoch_deviation(epoch, name)
    if not run.log.is_own:  # the original's run, or nothing is known
        return found
    found += _own_deviations(run, name)
    origin, parent = run.log.origin, starts_from(EXPERIMENTS[name])
    if origin is None:
        return found
    start = _run_of(origin.path, run.save_dir)
    if start is None or parent is None:
        return [*found, f"{EXPERIMENTS[name]['task']}: started from {origin.path}"]
    return found + _training_deviations(start, parent, origin.epoch)


def _own_deviations(run, name):
    """Return the deviations in the data and the config of a single run."""
    task, found = EXPERIMENTS[name]["task"], []
    for note in run.results.get("partial", []):
        found.append(f"{task}: partial copy of the data: {note}")
    if run.config is not None:
        for key, value, published in config_differences(run.config, published_config(name)):
            found.append(f"{task}: {key} = {json.dumps(value)} instead of {json.dumps(published)}")
    return found


def _run_of(checkpoint, save_dir):
    """Return the run that a checkpoint belongs to by its path, None if it lies elsewhere.

    A run below ``save_dir`` is found there, even if the path was written on another machine.
    """
    run = RecordedRun.of_folder(Path(checkpoint).parent, time=ANY_NAME)
    here = run and RecordedRun(save_dir, run.relative)
    return here if run and here.model_dir.is_dir() else run
