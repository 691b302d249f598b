"""What a table needs: its trainings in order, and how far each of them is."""

import os
from dataclasses import dataclass
from pathlib import Path

from misc.published import CONFIGS, config_path, starts_from
from misc.reproduction.protocol import EXPERIMENTS, NUM_SEEDS, config_differences
from misc.reproduction.run_records import run_folders
from misc.reproduction.tables import TABLES
from utils.config.read import Config, read_config
from utils.errors import UserError


@dataclass(frozen=True, eq=False)
class Job:
    """A training and its evaluation; one for each seed, where there are several."""

    experiment: str
    config: Config
    epochs: int
    seed: int | None = None
    after: "Job | None" = None  # its last checkpoint is where this one starts

    @property
    def name(self):
        """The experiment's name, with the seed if there is one."""
        return self.experiment + ("" if self.seed is None else f" seed {self.seed}")


@dataclass(frozen=True)
class State:
    """How far a job is: its last checkpoint, if any, and whether its figures are there."""

    checkpoint: Path | None = None
    epoch: int = 0
    finished: bool = False

    def describe(self):
        """Say it in a few words."""
        if self.finished:
            return "finished"
        return f"resume after epoch {self.epoch}" if self.checkpoint else "to do"


class Planner:
    """Makes jobs from experiments. overrides: of each config, as ``--set`` has them; mini: one
    epoch each.
    """

    def __init__(self, save_dir, overrides=(), mini=False):
        self.save_dir, self.overrides, self.mini = Path(save_dir), overrides, mini
        self._jobs = {}

    def plan(self, experiments):
        """Return the jobs that experiments need, each after the one it starts from.

        What a finished or an interrupted job once started from is not needed again.
        """
        needed = {}
        for experiment in experiments:
            for job in self.jobs(experiment):
                chain = []
                while job is not None and job not in needed:
                    chain.append(job)
                    job = None if find_state(job, self.save_dir).checkpoint else job.after
                needed.update(dict.fromkeys(reversed(chain)))
        return list(needed)

    def jobs(self, experiment):
        """Return an experiment's jobs: one, or with few annotations one for each seed."""
        if experiment not in self._jobs:
            facts = EXPERIMENTS[experiment]
            path = os.path.relpath(CONFIGS / config_path(experiment, facts))
            config = read_config(path, self.overrides)
            epochs = 1 if self.mini else config.trainer.epochs
            start = starts_from(facts)
            after = self.jobs(start)[0] if start else None
            seeds = range(NUM_SEEDS) if "annotations" in facts else [None]
            self._jobs[experiment] = [Job(experiment, config, epochs, s, after) for s in seeds]
        return self._jobs[experiment]


def table_experiments(table_name, models=None):
    """Return the experiments of a table, or of all; models: only these, as experiments name them.

    Raises ``UserError`` where nothing is left.
    """
    tables = TABLES.values() if table_name == "all" else [TABLES[table_name]]
    known = {model.name for table in tables for model in table.models}
    unknown = set(models or ()) - known
    if unknown:
        raise UserError(
            f"--models {sorted(unknown)[0]}: expected one of {', '.join(sorted(known))}"
        )
    return list(dict.fromkeys(
        column.experiment.format(model=model.name)
        for table in tables for model in table.models for column in table.columns
        if not models or model.name in models
    ))


def find_state(job, save_dir):
    """Return the ``State`` of a job: of a finished run of its config, else of the newest that has
    a checkpoint. Runs whose config differs in what changes the figures are not of this job.
    """
    found = [_state_of(place, job) for place in run_folders(save_dir, job.experiment)]
    found = [state for state in found if state.checkpoint and state.epoch <= job.epochs]
    return next((state for state in found if state.finished), found[0] if found else State())


def _state_of(place, job):
    config, last = place.config, place.last_checkpoint()
    if config is None or last is None or "seed" not in config:  # the original wrote no seed
        return State()
    if job.seed is not None and config["seed"] != job.seed:
        return State()
    if config_differences(config, job.config.raw):
        return State()
    epoch, checkpoint = last
    whole = epoch == job.epochs or bool(job.config.trainer.patience)
    return State(checkpoint, epoch, whole and bool(place.results))
