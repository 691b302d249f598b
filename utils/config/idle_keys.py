"""Config keys that have no effect on the kind of training that a config describes.

They are accepted, with a note in the log.
"""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Callable

_landmarks = attrgetter("is_landmark")


def _embedding(experiment):
    return not experiment.is_landmark


def _is_mafl(experiment):
    return experiment.dataset["type"] == "MAFLAligned"


def _warper_is(experiment, name):
    return experiment.warper is not None and experiment.warper["type"] == name


@dataclass(frozen=True)
class IdleKey:
    """A config key without effect.

    holds: the value in force, regardless of the config's.
    applies: callable (experiment) -> whether the key has no effect.
    """

    path: str
    holds: Any
    applies: Callable
    reason: str


FROZEN = "the backbone is frozen"
UNFITTED = "only a landmark regressor is fitted on cached descriptors"
IDLE_KEYS = (
    # Learning an embedding.
    IdleKey("metrics", [], _embedding, "an embedding is measured by its matches"),
    IdleKey("restrict_annos", None, _embedding, "an embedding needs no annotations"),
    IdleKey("cache_descriptors", False, _embedding, UNFITTED),
    IdleKey(
        "descriptor_precision", "float16", lambda e: not e.is_landmark or not e.cache_descriptors,
        "no descriptors are cached (cache_descriptors)",
    ),
    IdleKey("keypoint_regressor_upsample", False, _embedding, "there is no keypoint_regressor"),
    IdleKey("dataset.args.eye_indices", None, _embedding, "only landmark errors are divided by it"),
    IdleKey(
        "dataset.args.use_keypoints", False,
        lambda e: not e.is_landmark and e.dataset["type"] != "LandmarkFolder",
        "an embedding is learned without landmarks, and always evaluated with them",
    ),
    IdleKey("loss_args.fold_corr", None, lambda e: True, "the loss is the same with and without"),
    # Fitting landmarks.
    IdleKey(
        "warper", None, lambda e: e.is_landmark and _warper_is(e, "Warper"),
        "pairs are of no use to a regressor, which WarperSingle augments",
    ),
    IdleKey(
        "warp_val", False, lambda e: e.is_landmark and not _warper_is(e, "WarperSingle"),
        "nothing is warped without a warper of type WarperSingle",
    ),
    IdleKey("dataset.args.use_keypoints", True, _landmarks, "landmarks are always read here"),
    IdleKey("bias_lr", None, _landmarks, "the regressor's convolutions have no biases"),
    IdleKey("trainer.precision", "float32", _landmarks, FROZEN),
    IdleKey("trainer.sync_batchnorm", True, _landmarks, FROZEN),
    # Either.
    IdleKey(
        "lr_scheduler.args.milestones", None,
        lambda e: e.lr_scheduler is not None and e.lr_scheduler["type"] == "OneCycleLR",
        "a one-cycle schedule has none, and is as long as the training",
    ),
    IdleKey("cache_dir", None, lambda e: e.cache != "disk", "cache is not 'disk'"),
    IdleKey(
        "dataset.args.box_outside", "edge",
        lambda e: e.dataset["args"].get("box_margin") is None,
        "no objects are cut out (dataset.args.box_margin)",
    ),
    IdleKey(
        "dataset.args.val_split", "celeba", _is_mafl, "MAFL is validated on its test images"
    ),
    IdleKey(
        "dataset.args.val_size", 2000,
        lambda e: _is_mafl(e) or e.dataset["args"].get("val_split") == "mafl",
        "MAFL's test images are validated on, all of them",
    ),
)


def idle_keys(experiment, raw):
    """Return {key path: reason} of the keys of a config that have no effect.

    A key that gives the value in force anyway is left out.

    raw: the config in its file, without keys that are never read.
    """
    found = {}
    for key in IDLE_KEYS:
        value = raw
        for name in key.path.split("."):
            value = value.get(name, key.holds) if isinstance(value, dict) else key.holds
        if value != key.holds and key.applies(experiment):
            found[key.path] = key.reason
    return found
