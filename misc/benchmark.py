"""Time and memory of what takes time and memory, against a stated baseline in the same run.

    python misc/benchmark.py                   # everything
    python misc/benchmark.py step loss         # only these
    python misc/benchmark.py step --device 0

Every variant runs in a process of its own, so that the peak memory is its own; those of bfloat16
are left out on a device that would emulate it. Prints Markdown, and writes it to
docs/benchmarks.md, with what was measured before of the other subjects; the figures behind it are
in docs/benchmarks.json.
"""

import json
import sys
from datetime import date
from pathlib import Path

import torch
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python misc/benchmark.py`

from misc.benchmarking import (  # noqa: E402
    evaluation,
    lists,
    loader,
    loss,
    pairs,
    regressor,
    roofline,
    scaling,
    step,
)
from misc.measuring import machine, measure_in_process  # noqa: E402
from utils.build import look_up  # noqa: E402
from utils.cli import add_device_option, make_parser, positive, run  # noqa: E402
from utils.device import select_device  # noqa: E402
from utils.disk import write_atomically  # noqa: E402
from utils.run import write_json  # noqa: E402

SUBJECTS = {
    "step": step.SUBJECT,
    "hourglass": step.HOURGLASS,
    "pairs": pairs.SUBJECT,
    "roofline": roofline.SUBJECT,
    "loss": loss.SUBJECT,
    "scaling": scaling.SUBJECT,
    "loader": loader.SUBJECT,
    "lists": lists.SUBJECT,
    "evaluation": evaluation.SUBJECT,
    "regressor": regressor.SUBJECT,
}
NO_GPU = "Nothing here was measured on a GPU, which `--device 0` does; no GPU was at hand."


def measure_subject(name, seconds, device_name):
    """Return the figures of a subject, with machine and date."""
    options = ["--seconds", seconds, *(["--device", device_name] if device_name else [])]
    device = select_device(device_name)
    variants = SUBJECTS[name].variants_on(device)
    results = {
        variant: measure_in_process(__file__, name, "--variant", variant, *options)
        for variant in tqdm(variants, desc=name, leave=False, disable=None)
    }
    return {
        "device": device.type,
        "machine": machine(device),
        "date": str(date.today()),
        "results": results,
    }


def describe(name, measured):
    """Return a section of Markdown."""
    subject = SUBJECTS[name]
    parts = [
        f"## {subject.title}",
        f"{measured['machine']}; {measured['date']}; `python misc/benchmark.py {name}`",
        subject.table(measured["results"]),
        subject.note,
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def write_documents(folder, news):
    """Put new figures beside those that are there already; returns the path of the Markdown."""
    path = folder / "benchmarks.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known.update(news)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, known)
    sections = [describe(name, known[name]) for name in SUBJECTS if name in known]
    on_gpu = any(measured.get("device") == "cuda" for measured in known.values())
    about = "Written by `misc/benchmark.py`." + ("" if on_gpu else f" {NO_GPU}")
    text = "\n".join(["# Benchmarks\n", f"{about}\n", *sections])
    write_atomically(path.with_suffix(".md"), lambda file: file.write(text.encode()))
    return path.with_suffix(".md")


def main(argv=None):
    parser = make_parser(__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument(
        "--seconds",
        type=positive,
        default=10,
        help="how long to time each variant (default: %(default)s)",
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("docs"), help="of the report (default: %(default)s)"
    )
    parser.add_argument("--variant", metavar="NAME", help="measure this one alone, print JSON")
    add_device_option(parser)
    args = parser.parse_args(argv)
    names = args.subjects or list(SUBJECTS)
    for name in names:
        look_up(name, SUBJECTS, "SUBJECT")
    if args.variant:
        subject = SUBJECTS[names[0]]
        look_up(args.variant, subject.variants, "--variant")
        plain = args.device is None and args.variant in subject.plain
        device = torch.device("cpu") if plain else select_device(args.device)
        print(json.dumps(subject.measure(args.variant, args.seconds, device)))
        return
    news = {}
    for name in names:
        news[name] = measure_subject(name, args.seconds, args.device)
        print(describe(name, news[name]))
    print(f"figures: {write_documents(args.folder, news)}")


if __name__ == "__main__":
    sys.exit(run(main))
