"""Measure the subjects of ``misc/benchmark.py`` one by one, and write the report."""

import json
import sys
from datetime import date
from pathlib import Path
from subprocess import CalledProcessError

from tqdm import tqdm

from misc.benchmarking import evaluation, kernels, lists, loader, loss, pairs, roofline, step
from misc.benchmarking.measuring import machine, measure_in_process
from utils.cli import EXIT_USER_ERROR
from utils.device import select_device
from utils.disk import write_atomically, write_json

SUBJECTS = {
    "step": step.SUBJECT,
    "hourglass": step.HOURGLASS,
    "pairs": pairs.SUBJECT,
    "roofline": roofline.SUBJECT,
    "loss": loss.SUBJECT,
    "implementations": loss.IMPLEMENTATIONS,
    "kernels": kernels.SUBJECT,
    "scaling": loss.SCALING,
    "loader": loader.SUBJECT,
    "lists": lists.SUBJECT,
    "evaluation": evaluation.SUBJECT,
    "regressor": step.REGRESSOR,
}
PROGRAM = Path(__file__).parents[1] / "benchmark.py"
NO_GPU = "Nothing was measured on a GPU yet: `--device 0` does that."


def measure_subject(name, seconds, device_name):
    """Return the figures of a subject, with machine and date.

    A variant whose process ends with a line, memory that ran out say, is left out.
    """
    options = ["--seconds", seconds, *(["--device", device_name] if device_name else [])]
    device = select_device(device_name)
    variants = SUBJECTS[name].variants_on(device)
    results = {}
    for variant in tqdm(variants, desc=name, leave=False, disable=None):
        try:
            found = measure_in_process(PROGRAM, name, "--variant", variant, *options)
        except CalledProcessError as error:
            if error.returncode != EXIT_USER_ERROR:
                raise
            print(f"left out: {name}, {variant}", file=sys.stderr)
        else:
            results[variant] = found
    where = {"device": device.type, "machine": machine(device), "date": str(date.today())}
    return {**where, "results": results}


def describe(name, measured):
    """Return a section of Markdown."""
    subject, device = SUBJECTS[name], measured.get("device", "cpu")
    options = "" if device == "cpu" else " --device 0"
    parts = [
        f"## {subject.title}",
        f"{measured['machine']}; {measured['date']}; `python misc/benchmark.py {name}{options}`",
        subject.table(measured["results"]),
        subject.note,
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def write_documents(folder, news):
    """Merge new figures into the files of a folder; return the path of the Markdown.

    Figures of a subject on other kinds of devices are kept.
    """
    path = folder / "benchmarks.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for name, measured in news.items():
        known[name if measured["device"] == "cpu" else f"{name}, {measured['device']}"] = measured
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, known)
    sections = [
        describe(name, measured)
        for name in SUBJECTS
        for key, measured in known.items()
        if key.partition(",")[0] == name
    ]
    on_gpu = any(measured.get("device") == "cuda" for measured in known.values())
    about = "Written by `misc/benchmark.py`; [figures.md](figures.md) sums it up."
    about += "" if on_gpu else f" {NO_GPU}"
    text = "\n".join(["# Benchmarks\n", f"{about}\n", *sections])
    write_atomically(path.with_suffix(".md"), lambda file: file.write(text.encode()))
    return path.with_suffix(".md")
