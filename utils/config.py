"""Experiment configs: JSON in the published shape, checked key by key before anything runs."""

import copy
import json
import re
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path

from utils.build import call, expected_one_of
from utils.errors import ConfigError

# Keys of published configs that nothing ever read: accepted, and said so in the log.
UNREAD_TOP_LEVEL = (
    "n_gpu",
    "fold_corr",
    "profile",
    "vis",
    "disable_workers",
    "name",
    "collate_fn",
    "eval_config",
    "warp_dir",
    "weights",
)
UNREAD_NESTED = (
    ("trainer", "log_dir"),
    ("trainer", "early_stop"),
    ("keypoint_regressor", "softmaxarg_mul"),
    ("keypoint_regressor", "args", "softmaxarg_mul"),
)
CELEBA_FAMILY = ("CelebAPrunedAligned_MAFLVal", "MAFLAligned")
# Of a run folder: ours, and those of the oldest published runs.
RUN_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d|\d{4}_\d{6}")
PRECISIONS = ("float32", "bfloat16")
CACHES = ("off", "memory")


def _require(holds, name, value, expected):
    if not holds:
        raise ValueError(f"{name} = {value!r}, expected {expected}")


@dataclass
class TrainerOptions:
    """The section ``trainer``."""

    epochs: int
    save_dir: str = "saved/"
    save_period: int = 1  # epochs between checkpoints; the last epoch is always saved
    verbosity: int = 2  # 0 warnings, 1 epochs, 2 everything
    monitor: str = "off"  # "off", "min NAME" or "max NAME": what model_best.pth is the best of
    patience: int = 0  # stop after so many epochs without a better monitored value; 0: never
    tensorboardX: bool = True  # write TensorBoard events
    precision: str = "float32"  # "bfloat16": autocast of the network; losses stay in float32

    def __post_init__(self):
        for name in ("epochs", "save_period"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        _require(self.verbosity in (0, 1, 2), "verbosity", self.verbosity, "0, 1 or 2")
        _require(self.patience >= 0, "patience", self.patience, "at least 0 (epochs)")
        _require(
            self.precision in PRECISIONS,
            "precision",
            self.precision,
            f"one of {', '.join(PRECISIONS)}",
        )
        _require(
            self.monitor == "off" or re.fullmatch(r"(min|max) \S+", self.monitor),
            "monitor",
            self.monitor,
            "'off', 'min NAME' or 'max NAME'",
        )
        _require(
            not self.patience or self.monitor != "off",
            "patience",
            self.patience,
            "0, or a 'monitor' to watch",
        )


@dataclass
class Experiment:
    """A whole config. Sections are {"type": name, "args": {...}}."""

    arch: dict
    dataset: dict
    optimizer: dict
    loss: str
    trainer: dict
    batch_size: int = 32
    bias_lr: float | None = None  # learning rate of the convolutions' biases, where it differs
    warper: dict | None = None
    loss_args: dict = field(default_factory=dict)
    metrics: list = field(default_factory=list)
    visualizations: list = field(default_factory=list)
    lr_scheduler: dict | None = None
    finetune_from: str | None = None  # a checkpoint: the backbone starts from its weights
    keypoint_regressor: dict | None = None  # its presence makes this a landmark config
    keypoint_regressor_upsample: bool = False
    cache_descriptors: bool = False
    warp_val: bool = True
    restrict_annos: int | None = None  # train the regressor on so many annotated images
    seed: int = 0
    num_workers: int | None = (
        None  # processes that decode images; null: none on the CPU, up to 8 on a GPU
    )
    cache: str = "off"  # "memory": keep decoded images

    def __post_init__(self):
        for name in ("batch_size", "restrict_annos"):
            value = getattr(self, name)
            _require(value is None or value >= 1, name, value, "at least 1")
        _require(
            self.num_workers is None or self.num_workers >= 0,
            "num_workers",
            self.num_workers,
            "at least 0",
        )
        _require(self.bias_lr is None or self.bias_lr >= 0, "bias_lr", self.bias_lr, "at least 0")
        _require(0 <= self.seed < 1 << 63, "seed", self.seed, "0 to 2^63 - 1")
        _require(self.cache in CACHES, "cache", self.cache, f"one of {', '.join(CACHES)}")

    @property
    def is_landmark(self):
        """Whether this config fits landmarks on a frozen embedding."""
        return self.keypoint_regressor is not None


@dataclass
class Config:
    """A config that was read and checked.

    ``experiment``, the ``trainer`` options, and where it came from.
    """

    path: Path
    raw: dict  # with the overrides applied; what config.json of a run holds
    experiment: Experiment
    trainer: TrainerOptions
    notes: list  # what was accepted although nothing reads it, for the log

    @property
    def name(self):
        """The run name ``<config folder>-<config name>``.

        A config saved by a run keeps the name of that run.
        """
        run = next(
            (
                folder
                for folder in self.path.resolve().parents
                if RUN_TIMESTAMP.fullmatch(folder.name)
            ),
            None,
        )
        if self.path.name == "config.json" and run is not None:
            return run.parent.name
        return f"{self.path.resolve().parent.name}-{self.path.stem}"


def read_config(path, overrides=()):
    """Read a JSON config, apply overrides ``key.path=value``, check it.

    Raises ``ConfigError`` naming file and key.
    """
    path = Path(path)
    raw = _read_json(path)
    for override in overrides:
        _apply_override(raw, override)
    try:
        return check_config(path, raw)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def names_config(function):
    """Decorate a function of (config, ...): its ``ConfigError``s begin with the config's path."""

    @wraps(function)
    def named(config, *args, **more):
        try:
            return function(config, *args, **more)
        except ConfigError as error:
            raise ConfigError(f"{config.path}: {error}") from error

    return named


def check_config(path, raw):
    """Check a config's keys and values, and return it as a ``Config``."""
    known, notes = _without_unread_keys(raw)
    for name in ("arch", "dataset", "optimizer", "warper", "lr_scheduler", "keypoint_regressor"):
        if known.get(name) is not None:
            known[name] = _section(known[name], name)
    experiment = call(Experiment, known, "config")
    trainer = call(TrainerOptions, experiment.trainer, "trainer")
    return Config(Path(path), raw, experiment, trainer, notes)


def _read_json(path):
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot read this config ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: expected JSON in UTF-8 ({error.reason} at byte {error.start})"
        ) from error
    try:
        raw = json.loads(text)
    except ValueError as error:
        found = "the file is empty" if not text.strip() else str(error)
        raise ConfigError(f"{path}: expected JSON, {found}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected a JSON object, found {type(raw).__name__}")
    return raw


def _apply_override(raw, override):
    """Set ``a.b.c=value`` in a nested dictionary.

    The value is JSON, or a string where it is not.
    """
    key_path, equals, text = override.partition("=")
    keys = key_path.split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set {override}: expected key.path=value")
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    for depth, key in enumerate(keys[:-1]):
        if raw.get(key) is None:
            raw[key] = {}
        raw = raw[key]
        if not isinstance(raw, dict):
            raise ConfigError(
                f"--set {override}: {'.'.join(keys[:depth + 1])} is a value, not a section"
            )
    raw[keys[-1]] = value


def _section(value, name):
    """Check the shape {"type": str, "args": {...}} and complete it."""
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise ConfigError(
            f'{name}: expected {{"type": ..., "args": {{...}}}}, found {json.dumps(value)}'
        )
    for key in value.keys() - {"type", "args"}:
        raise ConfigError(
            f"{name}.{key} is not a key here: {expected_one_of(key, ('type', 'args'))}"
        )
    args = value.get("args", {})
    if not isinstance(args, dict):
        raise ConfigError(f"{name}.args = {args!r}, expected an object of arguments")
    return {"type": value["type"], "args": args}


def _without_unread_keys(raw):
    """Return a copy without the keys that nothing reads, and a note for each."""
    known, notes = copy.deepcopy(raw), []
    nested = [("dataset", "args", "use_hq_ims")] if _dataset_type(raw) not in CELEBA_FAMILY else []
    for keys in [(key,) for key in UNREAD_TOP_LEVEL] + list(UNREAD_NESTED) + nested:
        *sections, last = keys
        holder = known
        for section in sections:
            holder = holder.get(section) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and last in holder:
            del holder[last]
            notes.append(f"config: '{'.'.join(keys)}' is accepted but changes nothing")
    return known, notes


def _dataset_type(raw):
    dataset = raw.get("dataset")
    return dataset.get("type") if isinstance(dataset, dict) else None
