"""Read the runs below a ``save_dir``: config, log, checkpoints, and figures."""

import json
import math
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from misc.reproduction.info_log import read_log
from trainer.figures import FIGURES
from utils.checkpoint.find import last_in
from utils.run_folder import RunFolder

TYPES = {  # of the other values in results.json
    "dataset": str,
    "split": str,
    "num_images": int,
    "partial": list,
    "checkpoint": str,
    "seed": int,
}


class RecordedRun(RunFolder):
    """A run folder with what a training left in it."""

    @property
    def name(self):
        """The run name, that of the experiment."""
        return self.relative.parts[0]

    @cached_property
    def log(self):
        """The run's ``InfoLog``."""
        return read_log(self.log_dir / "info.log")

    @cached_property
    def config(self):
        """The content of config.json, None if it is absent or damaged."""
        try:
            config = json.loads((self.model_dir / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return config if isinstance(config, dict) else None

    @cached_property
    def results(self):
        """The content of results.json, {} if it is absent or damaged."""
        try:
            return read_results(self.model_dir / "results.json")
        except (OSError, ValueError):
            return {}

    def last_checkpoint(self):
        """Return (epoch, path) of the last checkpoint, None if there is none."""
        last = last_in(self.model_dir)
        return last and (last.epoch, last.path)


@dataclass(frozen=True)
class RunRecord:
    """A run that has figures.

    results: the content of results.json, {} if the figures are from the log
    spread: {figure: (mean, deviation)}, only from a log of several seeds
    """

    folder: RecordedRun
    figures: dict
    results: dict = field(default_factory=dict)
    spread: dict = field(default_factory=dict)


def recorded_runs(save_dir, run_name):
    """Return the ``RecordedRun``s of a run name, and those of single seeds, the newest first."""
    found = set()
    for base in (Path(save_dir) / "models", Path(save_dir) / "log"):
        for pattern in ("*", "*/seed-*"):
            places = (base / run_name).glob(pattern)
            found |= {place.relative_to(base) for place in places if place.is_dir()}
    return [RecordedRun(Path(save_dir), relative) for relative in sorted(found, reverse=True)]


def read_results(path):
    """Return the content of a results.json after checks; raises ``ValueError``."""
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise ValueError(f"expected a JSON object, found {type(content).__name__}")
    for name in FIGURES:
        value = content.get(name, 0.0)
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"{name} = {value!r}, expected a number")
    for name, expected in TYPES.items():
        if not isinstance(content.get(name, expected()), expected):
            raise ValueError(f"{name} = {content[name]!r}, expected {expected.__name__}")
    if not FIGURES.keys() & content.keys():
        raise ValueError(f"no figure, expected one of {', '.join(FIGURES)}")
    return content


class RunStore:
    """The runs with figures below a save_dir; warns once, on stderr, of a damaged results.json."""

    def __init__(self, save_dir):
        self.save_dir = Path(save_dir)
        self._records = {}

    def records(self, run_name):
        """Return the ``RunRecord``s of a run name, the newest first."""
        if run_name not in self._records:
            read = map(_read, recorded_runs(self.save_dir, run_name))
            self._records[run_name] = [record for record in read if record is not None]
        return self._records[run_name]


def _read(folder):
    path = folder.model_dir / "results.json"
    if not path.is_file():
        figures, spread = folder.log.figures, folder.log.spread
        return RunRecord(folder, figures, spread=spread) if figures or spread else None
    try:
        results = read_results(path)
    except (OSError, ValueError) as error:
        print(f"warning: {path}: damaged, left out ({error})", file=sys.stderr)
        return None
    return RunRecord(folder, {n: results[n] for n in FIGURES if n in results}, results)
