"""Does the exchange help? Trains SmallNet 64-d on generated faces with and without DVE, and
compares the matching errors.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from trainer.training import train_seeds  # noqa: E402
from utils.cli import parse_seeds, run  # noqa: E402
from utils.config import read_config  # noqa: E402
from utils.device import select_device  # noqa: E402
from utils.run import write_json  # noqa: E402

CONFIGS = {
    "without DVE": "configs/synthetic/smallnet-64d.json",
    "with DVE": "configs/synthetic/smallnet-64d-dve.json",
}
FIGURES = ("same_identity_px", "different_identity_px")


def table(results, seeds):
    """Return the figures, {name.

    [{figure: value} per seed]}, as a Markdown table; the last row is with / without.
    """
    lines = [
        "| | " + " | ".join(f"same, seed {s} | different, seed {s}" for s in seeds) + " |",
        "|---" * (1 + 2 * len(seeds)) + "|",
    ]
    for name, per_seed in results.items():
        cells = [f"{figures[figure]:.2f} px" for figures in per_seed for figure in FIGURES]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    without, with_dve = (results[name] for name in CONFIGS)
    ratios = [
        f"{b[figure] / a[figure]:.2f}" for a, b in zip(without, with_dve) for figure in FIGURES
    ]
    lines.append(f"| ratio | {' | '.join(ratios)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seeds", type=parse_seeds, default=[0, 1], metavar="0,1", help="seeds to train with"
    )
    parser.add_argument("--device", metavar="N", help="number of the GPU; without it, the CPU")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY.PATH=VALUE",
        help="change a value of both configs",
    )
    parser.add_argument(
        "--output",
        default="saved/ablation.json",
        help="where the figures go (default: %(default)s)",
    )
    args = parser.parse_args()
    device = select_device(args.device)
    results = {
        name: train_seeds(read_config(path, args.overrides), device, seeds=args.seeds)
        for name, path in CONFIGS.items()
    }
    write_json(args.output, {"seeds": args.seeds, "results": results})
    print(f"\n{table(results, args.seeds)}\n\nfigures: {args.output}")


if __name__ == "__main__":
    sys.exit(run(main))
