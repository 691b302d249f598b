"""Plan the trainings that a table needs, in order, and find how far each of them is."""

import os
from dataclasses import dataclass
from pathlib import Path

from misc.published import CONFIGS, config_path, starts_from
from misc.reproduction.protocol import EXPERIMENTS, NUM_SEEDS, config_differences
from misc.reproduction.run_records import recorded_runs
from misc.reproduction.tables import TABLES
from utils.config.read import Config, read_config
from utils.errors import UserError


@dataclass(frozen=True, eq=False)
class Job:
    """A training and its evaluation, with one seed."""

    experiment: str
    config: Config
    epochs: int
    seed: int | None = None
    after: "Job | None" = None  # whose last checkpoint this one starts from

    @property
    def name(self):
        """The experiment's name, with the seed if there is one."""
        return self.experiment + ("" if self.seed is None else f" seed {self.seed}")


@dataclass(frozen=True)
class State:
    """The progress of a job: its last checkpoint, if any, and whether it has figures."""

    checkpoint: Path | None = None
    epoch: int = 0
    finished: bool = False

    def describe(self):
        """Return the state as text for the plan."""
        if self.finished:
            return "finished"
        return f"resume after epoch {self.epoch}" if self.checkpoint else "to do"


class Planner:
    """Makes jobs from experiments.

    overrides: changes of each config, as ``--set`` has them
    mini: whether each job trains one epoch only
    """

    def __init__(self, save_dir, overrides=(), mini=False):
        self.save_dir, self.overrides, self.mini = Path(save_dir), overrides, mini
        self._jobs = {}

    def plan(self, experiments):
        """Return the jobs that experiments need, each after the one it starts from.

        A job that has a checkpoint of its own needs no other job.
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
        """Return an experiment's jobs: one, or one for each seed if annotations are few."""
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
    """Return the experiments of a table, or of "all"; raises ``UserError`` for unknown models.

    models: names of models, as in experiments, to which the tables are restricted
    """
    tables = TABLES.values() if table_name == "all" else [TABLES[table_name]]
    known = {model.name for table in tables for model in table.models}
    unknown = set(models or ()) - known
    if unknown:
        raise UserError(
            f"--models {sorted(unknown)[0]}: expected one of {', '.join(sorted(known))}"
        )
    return list(dict.fromkeys(name for table in tables for name in table.experiments(models)))


def find_state(job, save_dir):
    """Return the ``State`` of a job: of a finished run of its config, else of the newest that has
    a checkpoint. A run does not count if its config differs in a key that changes the figures.
    """
    found = [_state_of(run, job) for run in recorded_runs(save_dir, job.experiment)]
    found = [state for state in found if state.checkpoint and state.epoch <= job.epochs]
    return next((state for state in found if state.finished), found[0] if found else State())


def _state_of(run, job):
    config, last = run.config, run.last_checkpoint()
    if config is None or last is None or "seed" not in config:  # the original wrote no seed
        return State()
    other_seed = job.seed is not None and config["seed"] != job.seed
    if other_seed or config_differences(config, job.config.raw):
        return State()
    epoch, checkpoint = last
    whole = epoch == job.epochs or bool(job.config.trainer.patience)
    return State(checkpoint, epoch, whole and bool(run.results))
