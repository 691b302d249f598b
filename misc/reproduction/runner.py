"""Run jobs as processes, one at a time on each device, each after the job it starts from."""

import os
import queue
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from misc.reproduction.estimate import duration
from misc.reproduction.plan import find_state
from utils.disk import disk_errors
from utils.project import PROJECT
from utils.text import counted

TRAIN = (sys.executable, str(PROJECT / "train.py"))
PATIENCE = 60  # seconds that a stopped process has to finish a step and write a checkpoint
DONE, FAILED, SKIPPED, NOT_RUN = "done", "failed", "finished before", "not run"


@dataclass(frozen=True)
class Outcome:
    """The end of a job; reason: why it failed or was not run."""

    kind: str
    reason: str = ""


def say(line):
    """Print a line in one piece, also if other threads print."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Runner:
    """Runs the jobs of a plan.

    overrides, mini: as for ``Planner``
    train: the command of train.py
    """

    def __init__(self, save_dir, devices=(None,), overrides=(), mini=False, train=TRAIN):
        self.save_dir, self.devices = save_dir, list(devices)
        self.overrides, self.mini, self.train = overrides, mini, train
        self._running = {}  # process: (job, device, start time)
        self._ended = queue.Queue()  # processes

    def run(self, jobs):
        """Return {job: ``Outcome``}; jobs are in an order in which each can start."""
        states = {job: find_state(job, self.save_dir) for job in jobs}
        outcomes = {job: Outcome(SKIPPED) for job in jobs if states[job].finished}
        # A job that continues from its own checkpoint waits for no other.
        waits_for = {
            job: job.after for job in jobs if job.after in states and not states[job].checkpoint
        }
        try:
            while True:
                for job, before in waits_for.items():
                    if before in outcomes and outcomes[before].kind in (FAILED, NOT_RUN):
                        outcome = Outcome(NOT_RUN, f"it starts from {before.name}")
                        outcomes.setdefault(job, outcome)
                self._start_ready(jobs, waits_for, outcomes)
                if not self._running:
                    return {job: outcomes[job] for job in jobs}
                self._finish(self._ended.get(), outcomes)
        finally:  # after Ctrl-C, a signal or an error, end the processes that still run
            for process in self._running:
                process.terminate()
            for process in self._running:
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _start_ready(self, jobs, waits_for, outcomes):
        """Start jobs that can start, in the order of the plan, on the free devices."""
        active = {job for job, *_ in self._running.values()}
        ready = [
            job for job in jobs
            if job not in outcomes and job not in active
            and (job not in waits_for or waits_for[job] in outcomes)
        ]
        taken = {device for _, device, _ in self._running.values()}
        for job, device in zip(ready, [d for d in self.devices if d not in taken]):
            self._start(job, device)

    def _start(self, job, device):
        command, path = self.command(job, device), self.log_path(job)
        where = "" if device is None else f" on device {device}"
        say(f"--- {job.name}: starting{where}; output also in {path}")
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            log = open(path, "a", encoding="utf-8")
            log.write(f"$ {' '.join(command)}\n")
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._running[process] = (job, device, time.monotonic())
        prefix = f"[{job.name}] " if len(self.devices) > 1 else ""
        threading.Thread(target=self._pass_on, args=(process, prefix, log), daemon=True).start()

    def command(self, job, device):
        """Return the command of a job: it continues, or starts from the job before it."""
        start = find_state(job, self.save_dir).checkpoint
        fresh = start is None
        if fresh and job.after is not None:
            start = find_state(job.after, self.save_dir).checkpoint
        command = [*self.train, "--config", str(job.config.path)]
        for override in (*self.overrides, f"trainer.save_dir={self.save_dir}"):
            command += ["--set", override]
        command += ["--resume", str(start)] if start else []
        command += ["--seeds", str(job.seed)] if fresh and job.seed is not None else []
        command += ["--device", device] if device is not None else []
        return command + (["--mini_train"] if self.mini else [])

    def log_path(self, job):
        """Return the path of a job's output."""
        return self.save_dir / "reproduce" / f"{job.name.replace(' ', '-')}.log"

    def _pass_on(self, process, prefix, log):
        """Print a process's output line by line, and write it to a file; runs in a thread."""
        for line in process.stdout:
            say(prefix + line.rstrip("\n"))
            with suppress(OSError):  # a full disk: the training will say so itself
                log.write(line)
                log.flush()
        process.wait()
        with suppress(OSError):
            log.close()
        self._ended.put(process)

    def _finish(self, process, outcomes):
        job, _, begin = self._running.pop(process)
        took = duration(time.monotonic() - begin)
        outcome = Outcome(DONE)
        if process.returncode:
            outcome = Outcome(FAILED, f"exit code {process.returncode}, see {self.log_path(job)}")
        elif not find_state(job, self.save_dir).finished:
            outcome = Outcome(FAILED, f"it left no figures, see {self.log_path(job)}")
        outcomes[job] = outcome
        say(f"--- {job.name}: {outcome.kind} after {took} {outcome.reason}".rstrip())


def summary(outcomes):
    """Return the number of jobs of each outcome, and the reasons of failures."""
    kinds = [outcome.kind for outcome in outcomes.values()]
    counts = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
    return "\n".join([
        f"{counted(len(kinds), 'job')}: {', '.join(counts)}",
        *(f"  {outcome.kind}: {job.name} ({outcome.reason})"
          for job, outcome in outcomes.items() if outcome.reason),
    ])
