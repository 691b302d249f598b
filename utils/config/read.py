"""Read a config file and check it key by key."""

import copy
import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_type_hints

from utils.config.files import PYTHON_WORDS, parse_value, read_file
from utils.config.idle_keys import idle_keys
from utils.config.keys import PATH_ARGUMENTS, Experiment, TrainerOptions
from utils.config.mini_run import MINI, NO_LIMITS, Limits
from utils.config.objects import call, check_type, expected_one_of
from utils.config.ranges import PATH, as_path
from utils.errors import ConfigError, shown
from utils.project import PROJECT

# Keys of published configs that are never read: accepted, with a note in the log.
UNREAD_KEYS = ["n_gpu", "fold_corr", "profile", "vis", "disable_workers", "name", "collate_fn"]
UNREAD_KEYS += ["eval_config", "warp_dir", "weights", "trainer.log_dir", "trainer.early_stop"]
UNREAD_KEYS += ["keypoint_regressor.softmaxarg_mul", "keypoint_regressor.args.softmaxarg_mul"]
CELEBA_FAMILY = ("CelebAPrunedAligned_MAFLVal", "MAFLAligned")
# Of run folders: this project's, and those of the oldest published runs.
RUN_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d|\d{4}_\d{6}")


@dataclass
class Config(Experiment):
    """The checked keys of a config, its file, and the limits of the run.

    It is built once, and holds all options of a training.

    trainer: the section ``trainer``, checked.
    path: the config's file.
    raw: its content with overrides applied, which a run saves as config.json.
    notes: lines for the log about keys that have no effect.
    limits: what ``--mini_train`` sets.
    """

    trainer: TrainerOptions
    path: Path = field(kw_only=True)
    raw: dict = field(kw_only=True)
    notes: list = field(kw_only=True)
    limits: Limits = field(default=NO_LIMITS, kw_only=True)

    def with_seed(self, seed):
        """Return the config with another seed."""
        return replace(self, seed=seed, raw={**self.raw, "seed": seed})

    def mini(self):
        """Return the config of ``--mini_train``: one epoch of a few small steps."""
        return replace(self, trainer=replace(self.trainer, epochs=1), limits=MINI)

    @property
    def name(self):
        """The run name, ``<config folder>-<config name>``, or that of the config's run."""
        path = self.path.resolve()
        if self.path.name == "config.json":
            for folder in path.parents:
                if RUN_TIMESTAMP.fullmatch(folder.name):
                    return folder.parent.name
        return f"{path.parent.name}-{self.path.stem}"


def read_config(path, overrides=()):
    """Return the ``Config`` in a file, JSON or YAML, with overrides ``key.path=value`` applied.

    A relative path is sought in the working folder, then in the project's. Raises ``ConfigError``
    naming file and key.
    """
    path = Path(path)
    if not os.path.exists(path) and os.path.isfile(PROJECT / path):
        path = PROJECT / path
    raw = read_file(path)
    for override in overrides:
        _apply_override(raw, override)
    try:
        return check_config(path, raw)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def flatten(config, prefix=""):
    """Return {"a.b": value} of nested dictionaries; empty ones are dropped."""
    if not isinstance(config, dict):
        return {prefix: config}
    flat = {}
    for key, value in config.items():
        flat.update(flatten(value, f"{prefix}.{key}" if prefix else key))
    return flat


@contextmanager
def errors_of(config):
    """Prefix a ``ConfigError`` of the block with the config's path."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{config.path}: {error}") from error


def check_config(path, raw):
    """Return the ``Config`` of a file's content; raises ``ConfigError`` naming key and value."""
    known, notes = _without_unread_keys(raw)
    for name in ("arch", "dataset", "optimizer", "warper", "lr_scheduler", "keypoint_regressor"):
        if known.get(name) is not None:
            known[name] = _section(known[name], name)
    keys = vars(call(Experiment, known, "config"))
    trainer = call(TrainerOptions, keys["trainer"], "trainer")
    _check_values(raw)
    config = Config(**{**keys, "trainer": trainer}, path=Path(path), raw=raw, notes=notes)
    for key, reason in idle_keys(config, known).items():
        notes.append(f"config: '{key}' is accepted but changes nothing: {reason}")
    return config


def _check_values(value, keys=()):
    """Raise ``ConfigError`` for values that no key may have: numbers that are not finite or exceed
    64 bits, and texts with a NUL character.
    """
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            _check_values(inner, (*keys, key))
    elif isinstance(value, (int, float)) and not abs(value) < 1 << 63:  # NaN is not less
        raise ConfigError(
            f"{'.'.join(map(str, keys))} = {shown(value)}, expected a number of 64 bits"
        )
    elif isinstance(value, str) and "\0" in value:
        raise ConfigError(f"{'.'.join(map(str, keys))} = {shown(value)}, expected text without NUL")


def _apply_override(raw, override):
    """Set ``a.b.c=value`` in a nested dictionary.

    The value is parsed by ``parse_value``; keys of type text keep "True", "False" and "None".
    """
    key_path, equals, text = override.partition("=")
    keys = key_path.split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set {override}: expected key.path=value")
    value = text if text in PYTHON_WORDS and _is_text(keys) else parse_value(text)
    for depth, key in enumerate(keys[:-1]):
        if raw.get(key) is None:
            raw[key] = {}
        raw = raw[key]
        if not isinstance(raw, dict):
            raise ConfigError(
                f"--set {override}: {'.'.join(keys[:depth + 1])} is a value, not a section"
            )
    raw[keys[-1]] = value


def _is_text(keys):
    """Return whether a key of the config, or of its section ``trainer``, has the type text."""
    options, names = (TrainerOptions, keys[1:]) if keys[0] == "trainer" else (Experiment, keys)
    return len(names) == 1 and get_type_hints(options).get(names[0]) is str


def _section(value, name):
    """Return a section {"type": str, "args": {...}}, checked and completed, with "~" expanded."""
    for key in value.keys() - {"type", "args"} if isinstance(value, dict) else ():
        raise ConfigError(
            f"{name}.{key} is not a key here: {expected_one_of(key, ('type', 'args'))}"
        )
    if not isinstance(value, dict):
        raise ConfigError(
            f'{name}: expected {{"type": ..., "args": {{...}}}}, found {shown(value, json.dumps)}'
        )
    if "type" not in value:
        raise ConfigError(f"{name}.type is missing: expected the name of a class")
    check_type(value["type"], str, f"{name}.type")
    args = value.get("args", {})
    if not isinstance(args, dict):
        raise ConfigError(f"{name}.args = {shown(args)}, expected an object of arguments")
    paths = {key: as_path(args[key]) for key in PATH_ARGUMENTS if key in args}
    for key, path in paths.items():
        if path == "":
            raise ConfigError(f"{name}.args.{key} = '', expected {PATH.expected}")
    return {"type": value["type"], "args": {**args, **paths}}


def _without_unread_keys(raw):
    """Return a copy without the keys that are never read, and a note for each of them."""
    known, notes = copy.deepcopy(raw), []
    dataset = raw.get("dataset")
    in_celeba = isinstance(dataset, dict) and dataset.get("type") in CELEBA_FAMILY
    for key in UNREAD_KEYS if in_celeba else [*UNREAD_KEYS, "dataset.args.use_hq_ims"]:
        *sections, last = key.split(".")
        holder = known
        for section in sections:
            holder = holder.get(section) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and last in holder:
            del holder[last]
            notes.append(f"config: '{key}' is accepted but changes nothing")
    return known, notes
