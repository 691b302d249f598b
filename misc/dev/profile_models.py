"""Measure the cost of each network: parameters, operations, memory, images per second.

    python misc/dev/profile_models.py                 # on the CPU
    python misc/dev/profile_models.py --device 0 --batch_size 256

A forward pass over a batch, without gradients, at the published input sizes; "and regressor" adds
five landmarks from fifty virtual keypoints each. Every row is measured in a process of its own.
"""

import json
import sys
from pathlib import Path
from subprocess import CalledProcessError

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the project's packages

from misc.benchmarking.measuring import machine, markdown_table, measure_in_process, seconds_of
from utils.cli import EXIT_USER_ERROR, add_device_option, make_parser, positive, run_program

INPUT_SIZES = {"SmallNet": 70, "HourglassNet": 96}  # the published crops
MODELS = {
    f"{backbone}{extra}": (backbone, bool(extra))
    for backbone in INPUT_SIZES
    for extra in ("", " and regressor")
}
HEADER = ("", "input", "parameters", "GFLOP per image", "peak memory, GiB", "images per s")


def measure(name, channels, batch_size, seconds, device):
    """Return the figures of one row, of a network with fresh weights."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from model import BACKBONES, REGRESSORS
    from model.keypoint_regressor import landmark_model
    from utils.device import peak_memory_gib

    backbone, with_regressor = MODELS[name]
    side, model = INPUT_SIZES[backbone], BACKBONES[backbone](channels)
    if with_regressor:
        regressor = REGRESSORS["IntermediateKeypointPredictor"](channels, 5, 50, softargmax_mul=100)
        model = landmark_model(model, regressor, upsample=False)
    model = model.to(device, memory_format=torch.channels_last).eval()
    images = torch.rand(batch_size, 3, side, side, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            model(images)
        fastest = min(seconds_of(lambda: model(images), seconds))
    return {
        "side": side,
        "parameters": sum(p.numel() for p in model.parameters()),
        "gflop_per_image": counter.get_total_flops() / batch_size / 1e9,
        "peak_memory_gib": peak_memory_gib(device),
        "images_per_s": batch_size / fastest,
    }


def table(results):
    """Return {name: result of ``measure``} as Markdown."""
    form = "{side}x{side};{parameters:,};{gflop_per_image:.2f};{peak_memory_gib:.2f}"
    form += ";{images_per_s:.0f}"
    rows = [[name, *form.format(**row).split(";")] for name, row in results.items()]
    return markdown_table(HEADER, rows)


def main(argv=None):
    parser = make_parser(__doc__)
    add_device_option(parser)
    for option, default, meaning in (
        ("--channels", 64, "dimension of the descriptors"),
        ("--batch_size", 32, "images in a batch"),
        ("--seconds", 5, "time for passes, of which the fastest counts"),
    ):
        parser.add_argument(
            option, type=positive, default=default, help=f"{meaning} (default: %(default)s)"
        )
    parser.add_argument("--model", choices=MODELS, help="measure this alone, print JSON")
    args = parser.parse_args(argv)
    from utils.device import select_device  # imported late: torch takes seconds

    device = select_device(args.device)
    if args.model:
        row = measure(args.model, args.channels, args.batch_size, args.seconds, device)
        print(json.dumps(row))
        return None
    given = sys.argv[1:] if argv is None else argv
    results = {}
    for name in tqdm(MODELS, unit="model", leave=False, disable=None):
        try:
            results[name] = measure_in_process(__file__, *given, "--model", name)
        except CalledProcessError as error:
            if error.returncode != EXIT_USER_ERROR:
                raise
            return EXIT_USER_ERROR  # which it has explained
    print(f"{args.channels}-d, batches of {args.batch_size}, float32\n{machine(device)}\n")
    print(table(results))
    return None


if __name__ == "__main__":
    sys.exit(run_program(main))
