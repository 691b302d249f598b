"""Check that a GPU computes what the CPU does, and measure how fast: a few minutes.

    python misc/check_gpu.py --device 0

Compares everything that a training and an evaluation compute with the CPU's float64 (warps,
augmentation, networks in every precision, losses in every implementation and at all published
dimensions, the regressor, matches); trains a little, goes on exactly, and tries every cache,
torch.compile, deterministic algorithms, and two processes where there are two GPUs; then measures
milliseconds. Ends with one line and exit code 0, or 1 if something differs. Writes all of it to a
JSON file, to be attached to a report of a problem.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from utils.cli import add_device_option, make_parser, parse_path, run_program


def check(findings, device, args):
    """Compare what a device computes with the CPU, train on it, and time it, into ``Findings``."""
    from misc.gpu_checks import numbers
    from misc.gpu_checks.times import measure_times
    from misc.gpu_checks.trainings import check_trainings

    views = numbers.check_images(findings, device, *((4, 56) if args.quick else (32, 112)))
    numbers.check_networks(findings, device, views[0])
    sizes = ((3, 16), (5, 8)) if args.quick else ()
    numbers.check_losses(findings, device, *sizes)
    numbers.check_landmarks(findings, device)
    if not args.quick:
        with tempfile.TemporaryDirectory() as folder:
            check_trainings(findings, args.device, Path(folder))
        measure_times(findings, device)


def main(argv=None):
    parser = make_parser(__doc__)
    add_device_option(parser)
    parser.add_argument(
        "--output", type=parse_path, default=Path("check_gpu.json"), metavar="FILE",
        help="of all that was found (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="few sizes, no trainings, no times")
    args = parser.parse_args(argv)
    if args.device in (None, "cpu"):
        parser.error("--device: expected a GPU, such as 0")
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    from misc.benchmarking.measuring import machine
    from misc.gpu_checks.findings import Findings
    from utils.device import select_device
    from utils.disk import write_json
    from utils.errors import one_line
    from utils.text import counted

    device = select_device(args.device)
    findings = Findings(str(device), machine(device))
    try:
        check(findings, device, args)
    except Exception as failure:
        findings.note("all checks", f"ended early by {type(failure).__name__}: {one_line(failure)}")
        raise
    finally:  # whatever went wrong, what was found until then can be attached to a report
        write_json(args.output, findings.content())
    result = f"differs in {counted(len(findings.bad), 'place')}" if findings.bad else "is sound"
    print(f"{findings.machine}: {result}; {args.output}")
    return 1 if findings.bad else 0


if __name__ == "__main__":
    sys.exit(run_program(main))
