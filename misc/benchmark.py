"""Measure time and memory of the expensive parts, against a stated baseline in the same run.

    python misc/benchmark.py                   # everything
    python misc/benchmark.py step loss         # only these
    python misc/benchmark.py step --device 0

Every variant runs in a process of its own, so that the peak memory is its own. Variants in bfloat16
are skipped on a device that would emulate it, those of the fused loss where it is not available,
and those that memory does not hold. Prints Markdown, and writes it to docs/benchmarks.md, which
keeps earlier results of other subjects and devices; docs/benchmarks.json holds the figures.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from utils.cli import add_device_option, make_parser, parse_path, positive, run_program
from utils.config.objects import look_up

SUBJECTS = ("step", "hourglass", "pairs", "roofline", "loss", "implementations", "kernels")
SUBJECTS += ("scaling", "loader", "lists", "evaluation", "regressor")


def main(argv=None):
    parser = make_parser(__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument(
        "--seconds", type=positive, default=10,
        help="how long to time each variant (default: %(default)s)",
    )
    parser.add_argument(
        "--folder", type=parse_path, default=Path("docs"),
        help="of the report (default: %(default)s)",
    )
    parser.add_argument("--variant", metavar="NAME", help="measure this one alone, print JSON")
    add_device_option(parser)
    args = parser.parse_args(argv)
    names = args.subjects or SUBJECTS
    for name in names:
        look_up(name, dict.fromkeys(SUBJECTS), "SUBJECT")
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    import torch

    from misc.benchmarking import report
    from utils.device import select_device

    if args.variant:
        subject = report.SUBJECTS[names[0]]
        look_up(args.variant, subject.variants, "--variant")
        plain = args.device is None and args.variant in subject.plain
        device = torch.device("cpu") if plain else select_device(args.device)
        print(json.dumps(subject.measure(args.variant, args.seconds, device)))
        return
    news = {}
    for name in names:
        news[name] = report.measure_subject(name, args.seconds, args.device)
        print(report.describe(name, news[name]))
    print(f"figures: {report.write_documents(args.folder, news)}")


if __name__ == "__main__":
    sys.exit(run_program(main))
