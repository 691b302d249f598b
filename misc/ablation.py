"""Train SmallNet 64-d on generated faces with and without DVE, and compare the matching errors.

    python misc/ablation.py                              # what make ablation runs
    python misc/ablation.py --device 0 --seeds 0,1,2
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from misc.benchmarking.measuring import markdown_table
from trainer.figures import DIFFERENT, SAME
from utils.cli import add_run_options, make_parser, parse_seeds, path_text, run_program
from utils.config.read import read_config
from utils.disk import disk_errors, write_json

CONFIGS = {
    "without DVE": "configs/synthetic/smallnet-64d.json",
    "with DVE": "configs/synthetic/smallnet-64d-dve.json",
}
FIGURES = SAME, DIFFERENT


def unmoved_error(config, device):
    """Return {figure: error} of the prediction that landmarks do not move."""
    import torch

    from model.metric import pixel_error
    from trainer.datasets import evaluation_dataset
    from trainer.evaluation.matching import evaluation_pairs

    dataset = evaluation_dataset(config)
    errors = {figure: [] for figure in FIGURES}
    for pair in evaluation_pairs(dataset, device, num_workers=config.num_workers):
        truths = (pair.keypts_second[0::2], pair.keypts_second[1::2])  # same, different identity
        for figure, truth in zip(FIGURES, truths):
            error = pixel_error(pair.keypts_first[0::2], truth, pair.first.shape[-1])
            errors[figure].append(error)
    return {figure: float(torch.cat(parts).mean()) for figure, parts in errors.items()}


def table(results, seeds):
    """Return a Markdown table of {name: [{figure: value} of each seed]}; the last row is the ratio
    of the errors with and without DVE.
    """
    rows = [
        [name, *(f"{figures[figure]:.2f} px" for figures in per_seed for figure in FIGURES)]
        for name, per_seed in results.items()
    ]
    without, with_dve = (results[name] for name in CONFIGS)
    ratios = [b[figure] / a[figure] for a, b in zip(without, with_dve) for figure in FIGURES]
    rows.append(["ratio", *(f"{ratio:.2f}" for ratio in ratios)])
    header = ["", *(f"{identity}, seed {s}" for s in seeds for identity in ("same", "different"))]
    return markdown_table(header, rows)


def main():
    parser = make_parser(__doc__)
    parser.add_argument(
        "--seeds", type=parse_seeds, default=[0, 1], metavar="0,1",
        help="seeds to train with (default: 0,1)",
    )
    add_run_options(parser)
    parser.add_argument(
        "--output", type=path_text, default="saved/ablation.json",
        help="where the figures go (default: %(default)s)",
    )
    args = parser.parse_args()
    with disk_errors(args.output):  # before the trainings, to find errors at once
        Path(args.output).parent.mkdir(parents=True, exist_ok=True)
    configs = {name: read_config(path, args.overrides) for name, path in CONFIGS.items()}
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    from trainer.training import train_seeds
    from utils.device import select_device
    from utils.distributed import World

    device = select_device(args.device)
    results = {
        name: train_seeds(config, None, args.seeds, World(device=device))
        for name, config in configs.items()
    }
    unmoved = unmoved_error(configs["with DVE"], device)
    write_json(args.output, {"seeds": args.seeds, "results": results, "unmoved": unmoved})
    print(f"\n{table(results, args.seeds)}\n")
    print("Landmarks that stay where they were: {:.2f} px, {:.2f} px".format(*unmoved.values()))
    print(f"\nfigures: {args.output}")


if __name__ == "__main__":
    sys.exit(run_program(main))
