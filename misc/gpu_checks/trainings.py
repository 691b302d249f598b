"""Small trainings on a GPU, each in a process of its own: that they run, and go on exactly."""

import subprocess
import sys

import torch

from base.precision import fast_precisions
from utils.checkpoint.save_and_load import read_checkpoint
from utils.project import PROJECT

CONFIG = PROJECT / "configs" / "synthetic" / "smallnet-64d-dve.json"
REGRESSOR = PROJECT / "configs" / "synthetic-keypoints" / "smallnet-64d-dve.json"
FEW = ("dataset.args.num_images=24", "batch_size=8", "trainer.epochs=2")


def run_program(program, *arguments):
    """Run a program of the project; returns the last line of what went wrong, or None."""
    done = subprocess.run(
        [sys.executable, program, *map(str, arguments)], cwd=PROJECT, capture_output=True, text=True
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
    if len(whole) > 1:  # else it has failed
        first, *_, last = whole
        expected = read_checkpoint(last)["state_dict"]
        last.unlink()  # the run goes on in its own folder, and writes it again
        train("resumed", CONFIG, "deterministic=true", resume=("--resume", first))
        found = read_checkpoint(last)["state_dict"] if last.exists() else {}
        same = found.keys() == expected.keys() and all(
            torch.equal(found[name], tensor) for name, tensor in expected.items()
        )
        findings.note("training: goes on exactly", 0.0 if same else "it does not")
        train("regressor", REGRESSOR, resume=("--resume", first))
        found = run("test_matching.py", "--config", CONFIG, "--resume", first, "--device",
                    device_name, "--mini_train", "--set", f"trainer.save_dir={folder / 'matching'}")
        findings.note("evaluation", 0.0 if found is None else found)
    settings = ["cache=device", "cache=memory", "cache=disk", "cache=off", "trainer.compile=true"]
    fast = fast_precisions(torch.device(findings.device))
    settings += [f"trainer.precision={name}" for name in fast]
    for setting in settings:
        train(setting, CONFIG, setting)
    if findings.device.startswith("cuda") and torch.cuda.device_count() > 1:
        train("two processes", CONFIG, devices="0,1")
