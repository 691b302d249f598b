"""Train and evaluate the experiments of a published table, then print the table.

    python misc/reproduce.py --table matching --dry_run          # only show the plan
    python misc/reproduce.py --table matching --devices 0,1      # two trainings at a time
    python misc/reproduce.py --table few-annotations --models smallnet-64d-dve --mini_train

Embeddings come first, then their fine-tunings, then the regressors, each starting from our own
checkpoint of the one before. Runs that are finished in --save_dir are skipped and interrupted ones
continue, so the same command may be given again; if a training fails, those that would start from
it are left out, and the exit code is 1. --mini_train runs the plan on a handful of images, below
<save_dir>/mini.
"""

import argparse
import sys
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from misc.reproduction.estimate import BASIS, duration, estimate_seconds, measured_speeds
from misc.reproduction.markdown import document
from misc.reproduction.plan import Planner, find_state, table_experiments
from misc.reproduction.run_records import RunStore
from misc.reproduction.runner import DONE, SKIPPED, TRAIN, Runner, summary
from misc.reproduction.tables import TABLES
from utils.cli import make_parser, parse_path, run_program
from utils.disk import disk_errors, lock
from utils.errors import UserError
from utils.stopping import stop_on_signals

INCOMPLETE = 1  # exit code


def parse_devices(text):
    """Parse "0,1"; raises ``argparse.ArgumentTypeError``."""
    devices = text.split(",")
    if not all(device.isdecimal() for device in devices) or len(set(devices)) < len(devices):
        raise argparse.ArgumentTypeError(f"'{text}', expected different numbers such as 0,1")
    return devices


def describe(jobs, save_dir, devices, mini):
    """Return a plan as lines: order, state and estimated time of each training."""
    speeds = {} if mini else measured_speeds(save_dir)
    numbers = {job: number for number, job in enumerate(jobs, 1)}
    rows, times = [("", "training", "after", "state", "time")], []
    for job, number in numbers.items():
        state, after = find_state(job, save_dir), str(numbers.get(job.after, "-"))
        seconds = estimate_seconds(job, state, devices[0], speeds)
        times.append(seconds)
        text = "unknown" if seconds is None else duration(seconds) if seconds else "-"
        rows.append((str(number), job.name, after, state.describe(), text))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    unknown = times.count(None)
    total = duration(sum(filter(None, times))) if unknown < len(times) else "unknown"
    total += f" without the {unknown} unknown" if 0 < unknown < len(times) else ""
    return [*lines, "", f"together, on one device: {total}", BASIS.format(save_dir / "log"), ""]


@contextmanager
def only_process(save_dir):
    """Lock a folder of runs, so that two of these programs do not train the same jobs."""
    path = save_dir / "reproduce" / ".lock"
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "w")
    with file:
        lock(file, path)
        yield


def parse_arguments(argv):
    parser = make_parser(__doc__)
    parser.add_argument("--table", required=True, choices=[*TABLES, "all"], help="what to fill")
    parser.add_argument(
        "--models", type=lambda text: text.split(","), metavar="NAME,NAME",
        help="only these rows of the table, e.g. smallnet-64d-dve",
    )
    parser.add_argument(
        "--devices", type=parse_devices, default=[None], metavar="0,1",
        help="numbers of the GPUs, one training at a time on each (default: the CPU)",
    )
    parser.add_argument("--dry_run", action="store_true", help="only show the plan")
    parser.add_argument(
        "--mini_train", action="store_true", help="two small steps of each: does everything work?"
    )
    parser.add_argument(
        "--save_dir", type=parse_path, default=Path("saved"), metavar="FOLDER",
        help="where runs lie (default: %(default)s)",
    )
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY.PATH=VALUE",
        help="change a value of each config (repeatable)",
    )
    args = parser.parse_args(argv)
    if any(override.startswith("trainer.save_dir=") for override in args.overrides):
        raise UserError("--set trainer.save_dir: give --save_dir instead")
    return args


def main(argv=None, train=TRAIN):
    args = parse_arguments(argv)
    save_dir = args.save_dir / "mini" if args.mini_train else args.save_dir
    planner = Planner(save_dir, args.overrides, args.mini_train)
    jobs = planner.plan(table_experiments(args.table, args.models))
    print("\n".join(describe(jobs, save_dir, args.devices, args.mini_train)), flush=True)
    if args.dry_run:
        return
    stop_on_signals()
    with only_process(save_dir):
        runner = Runner(save_dir, args.devices, args.overrides, args.mini_train, train)
        outcomes = runner.run(jobs)
    print(f"\n{summary(outcomes)}\n")
    names = list(TABLES) if args.table == "all" else [args.table]
    print(document(names, RunStore(save_dir)))
    if any(outcome.kind not in (DONE, SKIPPED) for outcome in outcomes.values()):
        sys.exit(INCOMPLETE)


if __name__ == "__main__":
    sys.exit(run_program(main))
