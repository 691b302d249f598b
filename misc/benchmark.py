"""Time and memory of a training step, against a literal implementation of the loss in the same run.

Every variant runs in a process of its own, so that the peak memory is its own. Writes
docs/benchmarks.json and prints a Markdown table.
"""

import argparse
import json
import statistics
import sys
import time
from datetime import date
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from misc.literal_loss import literal_loss  # noqa: E402
from misc.measuring import machine, measure_in_process  # noqa: E402
from model import DENSE_LOSSES, SmallNet  # noqa: E402
from utils.cli import positive, run  # noqa: E402
from utils.device import peak_memory_gib  # noqa: E402
from utils.keyed_random import sample_keys  # noqa: E402
from utils.run import write_json  # noqa: E402
from utils.warper import Warper  # noqa: E402

PAIRS, WIDTH, CROP, CHANNELS = 32, 100, 15, 64  # of the published SmallNet 64-d run
VARIANTS = ("literal", "ours", "literal, no loss", "ours, no loss")


def make_step(variant):
    """Return a function that makes one training step of SmallNet 64-d with DVE, 32 pairs of 70 x 70
    pixels.
    """
    torch.manual_seed(0)
    network = SmallNet(CHANNELS)
    if variant.startswith("ours"):
        network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, amsgrad=True)
    side = WIDTH - 2 * CROP
    images = torch.randn(2 * PAIRS, 3, side, side)
    warper = Warper(WIDTH, WIDTH, CROP)
    draws = warper.draw_keyed(sample_keys(0, 1, torch.arange(PAIRS)))
    blank = torch.zeros(PAIRS, 3, WIDTH, WIDTH, dtype=torch.uint8)
    grid = warper(blank, torch.zeros(PAIRS, 0, 2), draws).grid
    ours = partial(DENSE_LOSSES["dense_correlation_loss_dve"], normalize_vectors=False)
    literal = partial(literal_loss, dve=True, normalize_vectors=False)
    loss_function = ours if variant.startswith("ours") else literal

    def step():
        first, second = network(images).chunk(2)
        if variant.endswith("no loss"):
            loss = first.square().mean() + second.square().mean()
        else:
            loss = loss_function(first, second, grid)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def measure(variant, repeats):
    """Return the seconds of each step, after one that is not counted, the losses, and the peak
    memory in GiB.
    """
    step = make_step(variant)
    losses, seconds = [step()], []
    for _ in range(repeats):
        begin = time.perf_counter()
        losses.append(step())
        seconds.append(time.perf_counter() - begin)
    peak = peak_memory_gib(torch.device("cpu"))
    return {"seconds": seconds, "losses": losses, "peak_memory_gib": peak}


def table(results):
    """Return the results as Markdown; the last row is literal / ours."""
    lines = ["| | s per step, best | median | peak memory, GiB |", "|---|---|---|---|"]
    for variant, result in results.items():
        best, median = min(result["seconds"]), statistics.median(result["seconds"])
        lines.append(f"| {variant} | {best:.2f} | {median:.2f} | {result['peak_memory_gib']:.2f} |")
    a, b = results["literal"], results["ours"]
    ratios = [
        min(a["seconds"]) / min(b["seconds"]),
        statistics.median(a["seconds"]) / statistics.median(b["seconds"]),
        a["peak_memory_gib"] / b["peak_memory_gib"],
    ]
    return "\n".join(
        lines + ["| literal / ours | " + " | ".join(f"{r:.1f}" for r in ratios) + " |"]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--repeats", type=positive, default=5, help="counted steps (default: %(default)s)"
    )
    parser.add_argument("--output", default="docs/benchmarks.json", help="(default: %(default)s)")
    parser.add_argument("--variant", choices=VARIANTS, help="measure this alone, print JSON")
    args = parser.parse_args()
    if args.variant:
        print(json.dumps(measure(args.variant, args.repeats)))
        return
    results = {
        variant: measure_in_process(__file__, "--variant", variant, "--repeats", args.repeats)
        for variant in VARIANTS
    }
    where = machine(torch.device("cpu"))
    Path(args.output).parent.mkdir(parents=True, exist_ok=True)
    write_json(args.output, {"machine": where, "date": str(date.today()), "step": results})
    print(f"One training step, SmallNet 64-d with DVE, 32 pairs of 70x70, float32\n{where}\n")
    print(f"{table(results)}\n\nfigures: {args.output}")


if __name__ == "__main__":
    sys.exit(run(main))
