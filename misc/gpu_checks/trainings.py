"""Small trainings on a GPU, each in a process of its own: that they run, and go on exactly."""

import subprocess
import sys
from pathlib import Path

import torch

from base.precision import fast_precisions
from utils.checkpoint.save_and_load import read_checkpoint

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "synthetic" / "smallnet-64d-dve.json"
REGRESSOR = ROOT / "configs" / "synthetic-keypoints" / "smallnet-64d-dve.json"
FEW = ("dataset.args.num_images=24", "batch_size=8", "trainer.epochs=2")


def run_program(program, *arguments):
    """Run a program of the project; returns the last line of what went wrong, or None."""
    done = subprocess.run(
        [sys.executable, program, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )
    lines = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()
    return lines[-1] if done.returncode else None


def check_trainings(findings, device_name, folder, run=run_program):
    """Train an embedding with its exact resume, a regressor on it, and under every setting."""

    def train(name, config, *settings, resume=(), devices=device_name):
        place = folder / name
        changes = (*FEW, f"trainer.save_dir={place}", *settings)
        options = [part for change in changes for part in ("--set", change)]
        found = run("train.py", "--config", config, "--device", devices, *options, *resume)
        findings.note(f"training: {name}", 0.0 if found is None else found)
        return sorted(place.glob("models/*/*/checkpoint-epoch*.pth"))

    whole = train("deterministic", CONFIG, "deterministic=true")
    if whole:
        again = train("resumed", CONFIG, "deterministic=true", resume=("--resume", whole[0]))
        last = again[-1] if again else whole[-1]
        states = [read_checkpoint(path)["state_dict"] for path in (whole[-1], last)]
        same = again and all(torch.equal(a, b) for a, b in zip(*(s.values() for s in states)))
        findings.note("training: goes on exactly", 0.0 if same else "it does not")
        train("regressor", REGRESSOR, resume=("--resume", whole[-1]))
        found = run("test_matching.py", "--config", CONFIG, "--resume", whole[-1], "--device",
                    device_name, "--mini_train", "--set", f"trainer.save_dir={folder / 'matching'}")
        findings.note("evaluation", 0.0 if found is None else found)
    settings = ["cache=device", "cache=memory", "cache=disk", "cache=off", "trainer.compile=true"]
    fast = fast_precisions(torch.device(findings.device))
    settings += [f"trainer.precision={name}" for name in fast]
    for setting in settings:
        train(setting, CONFIG, setting)
    if findings.device.startswith("cuda") and torch.cuda.device_count() > 1:
        train("two processes", CONFIG, devices="0,1")
