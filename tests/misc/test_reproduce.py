"""What a table needs, how far it is, and running it, with a stand-in for train.py."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from misc.reproduce import INCOMPLETE, main
from misc.reproduction.estimate import duration, estimate_seconds, measured_speeds
from misc.reproduction.plan import Planner, State, find_state, table_experiments
from misc.reproduction.tables import TABLES
from tests.data_helpers.fabricated_runs import (
    SaveDir,
    landmarks,
    matching,
    own_log,
    read_config,
)
from utils.cli import EXIT_USER_ERROR, run_program
from utils.disk import lock

ROOT = Path(__file__).resolve().parents[2]
FAKE = ROOT / "tests" / "data_helpers" / "fake_train.py"
TRAIN = (sys.executable, "-S", str(FAKE))
MODEL = "smallnet-64d-dve"
EMBEDDING, MAFL = f"celeba-{MODEL}", f"mafl-keypoints-celeba-{MODEL}"
TUNED, ON_TUNED = f"aflw-mtfl-ft-celeba-{MODEL}", f"aflw-mtfl-ft-keypoints-celeba-{MODEL}"
FEW = f"aflw-mtfl-limit-annos-ft-keypoints-1-annos-celeba-{MODEL}"
CONFIGS = {  # run name -> <folder>/<name> below configs/
    EMBEDDING: f"celeba/{MODEL}", MAFL: f"mafl-keypoints/celeba-{MODEL}",
    TUNED: f"aflw-mtfl-ft/celeba-{MODEL}", ON_TUNED: f"aflw-mtfl-ft-keypoints/celeba-{MODEL}",
    FEW: f"aflw-mtfl-limit-annos-ft-keypoints/1-annos-celeba-{MODEL}",
}
NEWER = "2026-01-02_12-00-00"


@pytest.fixture
def saved(tmp_path):
    return SaveDir(tmp_path / "saved")


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """How the stand-in for train.py behaves, and what it noted."""
    monkeypatch.setenv("FAKE_TRAIN", str(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    class Fake:
        def behave(self, **behaviour):
            (tmp_path / "journal").write_text("")
            (tmp_path / "behaviour.json").write_text(json.dumps(behaviour))

        def journal(self, event="start"):
            lines = map(json.loads, (tmp_path / "journal").read_text().splitlines())
            return [(name, given) for noted, name, given in lines if noted == event]

        def names(self):
            return [name for name, _ in self.journal()]

    fake = Fake()
    fake.behave()
    return fake


@pytest.fixture
def reproduce(saved, capsys):
    """Return a function that runs the program and returns its exit code and output."""

    def call(*args, models=MODEL):
        arguments = ["--models", models, "--save_dir", str(saved.root), *args]
        capsys.readouterr()
        try:
            code = run_program(lambda: main(arguments, TRAIN))
        except SystemExit as error:
            code = error.code
        return code, "".join(capsys.readouterr())

    return call


def state_of(saved, name, **planner):
    planner = Planner(saved.root, **planner)
    (job,) = planner.jobs(name)
    return find_state(job, saved.root)


def plan_names(saved, *experiments):
    return [job.name for job in Planner(saved.root).plan(experiments)]


# The plan

@pytest.mark.parametrize("name", [*TABLES, "all"])
def test_each_job_of_a_table_comes_once_and_after_what_it_starts_from(saved, name):
    jobs = Planner(saved.root).plan(table_experiments(name))
    for number, job in enumerate(jobs):
        assert job.after is None or job.after in jobs[:number]
    assert len({job.name for job in jobs}) == len(jobs)
    assert set(table_experiments(name)) <= {job.experiment for job in jobs}


def test_all_tables_are_all_experiments_and_the_seeds(saved):
    assert len(Planner(saved.root).plan(table_experiments("all"))) == 111 + 2 * 12


def test_a_row_of_the_landmark_table(saved):
    assert plan_names(saved, *table_experiments("landmarks", [MODEL])) == [
        EMBEDDING, MAFL, TUNED, ON_TUNED, f"aflw-ft-celeba-{MODEL}",
        f"aflw-ft-keypoints-celeba-{MODEL}", f"300w-keypoints-celeba-{MODEL}",
    ]


def test_few_annotations_are_trained_with_three_seeds(saved):
    assert plan_names(saved, FEW) == [
        EMBEDDING, TUNED, f"{FEW} seed 0", f"{FEW} seed 1", f"{FEW} seed 2"
    ]


def test_what_a_finished_or_interrupted_job_started_from_is_not_needed(saved):
    saved.finish(CONFIGS[MAFL], landmarks(3))
    assert plan_names(saved, MAFL) == [MAFL]
    saved.checkpoint(CONFIGS[TUNED], 25)
    assert plan_names(saved, ON_TUNED) == [TUNED, ON_TUNED]


# States

def test_the_states_of_a_job(saved):
    assert state_of(saved, EMBEDDING) == State()
    path = saved.checkpoint(CONFIGS[EMBEDDING], 9)
    path = saved.checkpoint(CONFIGS[EMBEDDING], 12)
    assert state_of(saved, EMBEDDING) == State(path, 12)
    assert state_of(saved, EMBEDDING).describe() == "resume after epoch 12"
    path = saved.checkpoint(CONFIGS[EMBEDDING], 100)
    assert state_of(saved, EMBEDDING) == State(path, 100)  # its evaluation is missing
    path = saved.finish(CONFIGS[EMBEDDING], matching(1, 2))
    assert state_of(saved, EMBEDDING) == State(path, 100, finished=True)


def test_a_finished_run_goes_before_a_newer_one_that_was_interrupted(saved):
    path = saved.finish(CONFIGS[EMBEDDING], matching(1, 2))
    saved.checkpoint(CONFIGS[EMBEDDING], 50, NEWER)
    assert state_of(saved, EMBEDDING) == State(path, 100, finished=True)


def test_of_two_interrupted_runs_the_newer_goes_on(saved):
    saved.checkpoint(CONFIGS[EMBEDDING], 50)
    path = saved.checkpoint(CONFIGS[EMBEDDING], 20, NEWER)
    assert state_of(saved, EMBEDDING) == State(path, 20)


def test_damaged_results_do_not_finish_a_run(saved):
    path = saved.finish(CONFIGS[EMBEDDING], matching(1, 2))
    path.with_name("results.json").write_text("{")
    assert state_of(saved, EMBEDDING) == State(path, 100)


def test_a_run_of_another_config_is_not_this_job_s(saved):
    saved.finish(CONFIGS[EMBEDDING], matching(1, 2), changes={"batch_size": 8})
    assert state_of(saved, EMBEDDING) == State()
    assert state_of(saved, EMBEDDING, overrides=["batch_size=8"]).finished


def test_a_longer_or_shorter_run_of_the_same_config(saved):
    path = saved.finish(CONFIGS[EMBEDDING], matching(1, 2), epoch=10)
    assert state_of(saved, EMBEDDING) == State(path, 10)
    assert state_of(saved, EMBEDDING, overrides=["trainer.epochs=10"]).finished
    assert state_of(saved, EMBEDDING, overrides=["trainer.epochs=5"]) == State()


def test_a_run_that_stopped_early_is_finished_where_that_was_wanted(saved):
    overrides = ["trainer.patience=3", 'trainer.monitor="min val_loss"']
    saved.finish(CONFIGS[EMBEDDING], matching(1, 2), epoch=40)
    assert state_of(saved, EMBEDDING, overrides=overrides).finished
    assert not state_of(saved, EMBEDDING).finished


def test_the_original_s_checkpoints_are_not_continued(saved):
    place = saved.place(CONFIGS[EMBEDDING])
    saved.write("models", place, "config.json", read_config(CONFIGS[EMBEDDING]))
    saved.write("models", place, "checkpoint-epoch100.pth", "weights")
    assert state_of(saved, EMBEDDING) == State()


def test_each_seed_has_a_state_of_its_own(saved):
    finished = saved.finish(CONFIGS[FEW], landmarks(9), seed=1)
    interrupted = saved.checkpoint(CONFIGS[FEW], 7, NEWER, seed=2)
    states = [find_state(job, saved.root) for job in Planner(saved.root).jobs(FEW)]
    assert states == [State(), State(finished, 50, finished=True), State(interrupted, 7)]


# Estimates

def test_an_estimate_worked_out_by_hand(saved):
    saved.finish(CONFIGS[ON_TUNED], landmarks(1), log=own_log(rates=[10, 500, 2000]))
    (job,) = Planner(saved.root).jobs(f"aflw-mtfl-keypoints-celeba-{MODEL}")
    speeds = measured_speeds(saved.root)
    later = 10122 * (1 / 500 + 1 / 2000) / 2  # seconds of an epoch
    expected = 10122 / 10 + 299 * later
    assert estimate_seconds(job, State(), None, speeds) == pytest.approx(expected)
    resumed = State(Path("x"), 200)
    assert estimate_seconds(job, resumed, None, speeds) == pytest.approx(expected - 200 * later)
    assert estimate_seconds(job, State(Path("x"), 300, True), None, speeds) == 0
    assert estimate_seconds(job, State(), "0", speeds) is None  # measured on the CPU


def test_a_run_of_mini_train_says_nothing_of_speed(saved):
    note = "partial data, figures do not compare with those of the whole: --mini_train: a few steps"
    for stamp, tail, rate in (("2026-01-01_12-00-00", (), 100), (NEWER, (note,), 1)):
        log = own_log(rates=[rate], tail=tail)
        saved.finish(CONFIGS[EMBEDDING], matching(1, 2), stamp, log=log)
    (job,) = Planner(saved.root).jobs(TUNED)
    seconds = estimate_seconds(job, State(), None, measured_speeds(saved.root))
    assert seconds == pytest.approx(50 * 10122 / 100)


def test_another_network_proves_nothing_and_the_newest_run_counts(saved):
    for stamp, rate in (("2026-01-01_12-00-00", 1), (NEWER, 100)):
        saved.finish(CONFIGS[EMBEDDING], matching(1, 2), stamp, log=own_log(rates=[rate]))
    speeds, planner = measured_speeds(saved.root), Planner(saved.root)
    (same,), (other,) = planner.jobs(TUNED), planner.jobs("celeba-smallnet-3d-dve")
    assert estimate_seconds(same, State(), None, speeds) == pytest.approx(50 * 10122 / 100)
    assert estimate_seconds(other, State(), None, speeds) is None


@pytest.mark.parametrize("seconds, text", [
    (0, "0 s"), (59, "59 s"), (60, "1 min"), (3570, "1 h 00 min"), (7500, "2 h 05 min"),
])
def test_durations_read_as_people_say_them(seconds, text):
    assert duration(seconds) == text


def test_a_dry_run_shows_the_plan_and_leaves_nothing(saved, fake, reproduce):
    saved.checkpoint(CONFIGS[EMBEDDING], 12)
    saved.write("log", saved.place(CONFIGS[EMBEDDING]), "info.log", own_log(rates=[1000]))
    before = sorted(saved.root.rglob("*"))
    code, text = reproduce("--table", "matching-finetuned", "--dry_run")
    assert code == 0 and sorted(saved.root.rglob("*")) == before and fake.names() == []
    rows = [line.split(maxsplit=3) for line in text.splitlines()[1:5]]
    hours = 88 * 146_700 / 1000 / 3600
    assert rows[0] == ["1", EMBEDDING, "-", f"resume after epoch 12  {int(hours)} h 35 min"]
    assert rows[1] == ["2", TUNED, "1", "to do                  8 min"]  # 506 s
    assert "together, on one device: 3 h" in text and str(saved.root / "log") in text


# Running

def test_jobs_run_in_order_and_start_from_our_own_checkpoints(saved, fake, reproduce):
    code, text = reproduce("--table", "landmarks")
    assert code == 0 and fake.names() == plan_order(saved)
    given = dict(fake.journal())
    (embedding,) = saved.root.glob(f"models/{EMBEDDING}/*/checkpoint-epoch100.pth")
    (tuned,) = saved.root.glob(f"models/{TUNED}/*/checkpoint-epoch50.pth")
    assert "resume" not in given[EMBEDDING]
    assert given[MAFL]["resume"] == given[TUNED]["resume"] == str(embedding)
    assert given[ON_TUNED]["resume"] == str(tuned)
    assert not any(options.keys() & {"device", "seeds", "mini_train"} for options in given.values())
    assert f"training {MAFL}" in text and "7 jobs: 7 done" in text
    assert "| 64            | SmallNet  | 3.42 | 3.00* |" in text  # the table, filled
    code, text = reproduce("--table", "landmarks")
    assert code == 0 and "4 finished before" in text and len(fake.names()) == 7


def plan_order(saved):
    return plan_names(SaveDir(saved.root / "nothing"), *table_experiments("landmarks", [MODEL]))


def test_an_interrupted_training_goes_on_in_its_own_folder(saved, fake, reproduce):
    checkpoint = saved.checkpoint(CONFIGS[EMBEDDING], 31)
    assert reproduce("--table", "matching")[0] == 0
    assert [options["resume"] for _, options in fake.journal()] == [str(checkpoint)]
    assert (checkpoint.parent / "results.json").exists()


def test_seeds_run_one_by_one_and_one_that_was_interrupted_goes_on(saved, fake, reproduce):
    tuned = saved.finish(CONFIGS[TUNED], matching(1, 2))
    half = saved.checkpoint(CONFIGS[FEW], 7, seed=1)
    assert reproduce("--table", "few-annotations")[0] == 0
    given = [options for name, options in fake.journal() if name == FEW]
    assert sorted((o.get("seeds"), o["resume"]) for o in given if "seeds" in o) == [
        ("0", str(tuned)), ("2", str(tuned))
    ]
    assert [o["resume"] for o in given if "seeds" not in o] == [str(half)]
    assert len(fake.names()) == 12


def test_overrides_and_mini_train_reach_each_job_below_mini(saved, fake, reproduce):
    finished = saved.finish(CONFIGS[EMBEDDING], matching(1, 2))
    code, text = reproduce("--table", "matching", "--mini_train", "--set", "batch_size=8")
    (_, given), = fake.journal()
    assert code == 0 and given["mini_train"] and "resume" not in given
    assert given["set"] == ["batch_size=8", f"trainer.save_dir={saved.root / 'mini'}"]
    (checkpoint,) = saved.root.glob(f"mini/models/{EMBEDDING}/*/*.pth")
    assert checkpoint.name == "checkpoint-epoch1.pth"
    assert list(finished.parent.parent.iterdir()) == [finished.parent]
    assert "1.00*" in text


def test_devices_work_side_by_side_one_job_each(saved, fake, reproduce):
    saved.finish(CONFIGS[EMBEDDING], matching(1, 2))
    fake.behave(meet=2)  # ends only if two are running at the same time
    code, text = reproduce("--table", "matching-finetuned", "--devices", "0,3")
    assert code == 0 and "3 done" in text
    lines = [json.loads(line) for line in
             (saved.root.parent / "journal").read_text().splitlines()]
    busy = set()
    for event, _, given in lines:
        assert (given["device"] in busy) == (event == "end")
        busy ^= {given["device"]}
    assert {given["device"] for _, _, given in lines} == {"0", "3"}
    assert f"[{TUNED}] training {TUNED}" in text


def test_a_failure_stops_what_starts_from_it_and_nothing_else(saved, fake, reproduce):
    fake.behave(fail=[TUNED])
    code, text = reproduce("--table", "landmarks")
    assert code == INCOMPLETE
    assert fake.names() == [name for name in plan_order(saved) if name != ON_TUNED]
    log = saved.root / "reproduce" / f"{TUNED}.log"
    assert f"  failed: {TUNED} (exit code 3, see {log})" in text
    assert f"  not run: {ON_TUNED} (it starts from {TUNED})" in text
    assert "7 jobs: 5 done, 1 failed, 1 not run" in text
    assert log.read_text().splitlines()[-1] == "error: made to fail"
    fake.behave()
    assert reproduce("--table", "landmarks")[0] == 0
    assert fake.names() == [TUNED, ON_TUNED]


def test_a_failure_far_up_stops_the_whole_chain(saved, fake, reproduce):
    fake.behave(fail=[EMBEDDING])
    code, text = reproduce("--table", "few-annotations")
    assert code == INCOMPLETE and fake.names() == [EMBEDDING]
    assert "14 jobs: 1 failed, 13 not run" in text


def test_a_training_that_leaves_no_figures_has_failed(fake, reproduce):
    fake.behave(**{"leave nothing": [EMBEDDING]})
    code, text = reproduce("--table", "matching")
    assert code == INCOMPLETE and "it left no figures, see" in text


def test_a_regressor_that_goes_on_does_not_wait_for_the_embedding(saved, fake, reproduce):
    fake.behave(fail=[EMBEDDING])
    saved.checkpoint(CONFIGS[MAFL], 100)
    code, text = reproduce("--table", "landmarks")
    assert code == INCOMPLETE and sorted(fake.names()) == sorted([EMBEDDING, MAFL])


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_trainings_too(saved, fake, sent):
    fake.behave(hang=[EMBEDDING])
    program = (f"import sys; from misc.reproduce import main, run_program; "
               f"sys.exit(run_program(lambda: main("
               f"['--table', 'matching', '--models', '{MODEL}', '--save_dir', '{saved.root}'], "
               f"{TRAIN!r})))")
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=os.environ,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not fake.names() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(sent)
    assert process.communicate(timeout=30)[1] == "interrupted\n"
    assert process.returncode == 128 + sent
    assert fake.journal("end") == []  # the training would have noted its end


# What a user can get wrong

@pytest.mark.parametrize("args, message", [
    (["--models", "smallnet-65d"], "--models smallnet-65d: expected one of hourglass-64d-dve, sm"),
    (["--set", "trainer.epoch=3"], "trainer.epoch"),
    (["--set", "trainer.save_dir=x"], "--save_dir"),
])
def test_a_wrong_value_is_reported_before_anything_runs(saved, fake, reproduce, args, message):
    code, text = reproduce("--table", "matching", *args)
    assert code == EXIT_USER_ERROR and text.startswith("error: ") and message in text
    assert fake.names() == [] and not saved.root.exists()


@pytest.mark.parametrize("devices", ["", "0,", "0,0", "cpu", "-1"])
def test_devices_are_different_numbers(reproduce, devices):
    code, text = reproduce("--table", "matching", f"--devices={devices}")
    assert code == EXIT_USER_ERROR and "different numbers such as 0,1" in text


def test_two_programs_do_not_train_the_same(saved, fake, reproduce):
    path = saved.write("reproduce", "", ".lock", "")
    with open(path) as file:
        lock(file, path)
        code, text = reproduce("--table", "matching")
    assert code == EXIT_USER_ERROR and "another process" in text and fake.names() == []
    assert reproduce("--table", "matching")[0] == 0
