"""Read the runs of a report, note what they lack, and evaluate their checkpoints."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from misc.reporting.charts import NUM_COLOURS
from misc.reporting.findings import Findings, examine
from misc.reproduction.run_records import RecordedRun
from utils.config.read import Config, read_config
from utils.errors import ConfigError, UserError, one_line
from utils.text import counted

LAYOUT = "<save_dir>/models/<name>/<time>"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TRAINED, EARLY = "trained in ", "stopped: no better"  # how lines of a log begin


@dataclass
class ReportedRun:
    """A run of the report.

    config: None if it is missing or damaged
    checkpoint: None if there is none
    findings: None before the evaluation, and if that failed
    missing: what the run lacks, as texts for the page
    """

    place: RecordedRun
    number: int
    config: Config | None = None
    checkpoint: Path | None = None
    findings: Findings | None = None
    missing: list = field(default_factory=list)

    @property
    def letter(self):
        """A, B, ... in the order of the command line."""
        return LETTERS[self.number]

    @property
    def colour(self):
        """The number of its colour."""
        return self.number % NUM_COLOURS

    @property
    def is_landmark(self):
        """Whether it trains a landmark regressor; None if its config is unknown."""
        return self.config and self.config.is_landmark

    @property
    def epochs(self):
        """The values of its epochs, of each the last time it ran: [{"epoch": 1, ...}, ...]."""
        found = {values["epoch"]: values for values in self.place.log.epochs}
        return [found[epoch] for epoch in sorted(found)]

    @property
    def trained(self):
        """The duration of its last training as the log has it, None if it does not."""
        return self.place.log.last_after(TRAINED)


def find_runs(paths):
    """Return the ``ReportedRun``s of folders below models/ or log/; raises ``UserError`` for a
    folder that is no run's.
    """
    if len(paths) > len(LETTERS):
        raise UserError(f"{len(paths)} runs, expected at most {len(LETTERS)} on a page")
    runs = []
    for number, path in enumerate(paths):
        place = RecordedRun.of_folder(path)
        names = ("config.json", "results.json") if place else ()
        left = any((place.model_dir / name).is_file() for name in names)
        if not (left or place and (place.log.messages or place.last_checkpoint())):
            raise UserError(
                f"{path}: no run folder, expected {LAYOUT} with what a training left there"
            )
        runs.append(_read_run(place, number))
    return runs


def _read_run(place, number):
    """Return a run with its config, its checkpoint (the last, else the best, else the one that was
    evaluated) and what it lacks.
    """
    run = ReportedRun(place, number)
    path = place.model_dir / "config.json"
    if not path.is_file():
        run.missing.append("config.json: without it nothing was evaluated")
    else:
        try:
            run.config = read_config(path)
        except ConfigError as error:
            run.missing.append(f"a config that can be read: {one_line(error)}")
    _, last = place.last_checkpoint() or (None, place.model_dir / "model_best.pth")
    named = last, Path(place.results.get("checkpoint", ""))
    run.checkpoint = next((path for path in named if path.is_file()), None)
    if run.checkpoint is None:
        seeds = sorted(folder.name for folder in place.model_dir.glob("seed-*"))
        why = "each seed has a run folder of its own here, " + ", ".join(seeds)
        run.missing.append(f"a checkpoint: {why if seeds else 'without one nothing was evaluated'}")
    done, planned = len(run.epochs), run.config.trainer.epochs if run.config else 0
    if not done:
        run.missing.append("training curves: there is no info.log with epochs")
    elif done < planned and place.log.last_after(EARLY) is None:
        run.missing.append(f"the end of the training: {done} of {counted(planned, 'epoch')} done")
    if not place.results:
        run.missing.append("results.json: the training was not evaluated at its end")
    return run


def examine_run(run, overrides, device, max_images):
    """Evaluate a run's checkpoint; a failure is noted in ``run.missing`` and printed to stderr.

    Raises ``ConfigError`` for overrides that do not fit.
    """
    if run.config is None or run.checkpoint is None:
        return
    config = read_config(run.config.path, overrides)
    try:
        run.findings = examine(config, run.checkpoint, device, max_images)
    except UserError as error:
        run.missing.append(f"an evaluation: {one_line(error)}")
        print(f"warning: {run.place.model_dir}: not evaluated ({one_line(error)})", file=sys.stderr)
