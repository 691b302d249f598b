"""What is measured, how, and the table it makes."""

import statistics
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import inf

from torch.utils.flop_counter import FlopCounterMode

from misc.dev.measuring import markdown_table, seconds_of
from utils.device import computes_bfloat16, peak_memory_gib

HEADER = ["", "best, s", "median, s", "peak memory, GiB", "added, GiB"]


@dataclass(frozen=True)
class Subject:
    """variants: {name: make(device) -> a function to be timed, which may return a number};
    ratios: pairs of variants to compare, the baseline first; count: images, or pairs, of a run;
    peaks: {variant: another, of whose operations per second it is to reach a share}; plain: the
    variants for which memory is as torch gets it, not kept as by the programs of the project.
    """

    title: str
    variants: dict[str, Callable]
    ratios: tuple = ()
    note: str = ""
    count: int | None = None
    peaks: dict[str, str] = field(default_factory=dict)
    plain: tuple = ()

    def variants_on(self, device):
        """Return the names of the variants, without those of bfloat16 where it is emulated."""
        bfloat16 = computes_bfloat16(device)
        return [name for name in self.variants if bfloat16 or "bfloat16" not in name]

    def measure(self, variant, min_seconds, device):
        """Return the seconds of single runs, what the first and the last one returned, their
        operations, and the peak memory in GiB: of all, and what the runs added to it.

        min_seconds: how long to time, see ``seconds_of``.
        """
        run = self.variants[variant](device)
        before = peak_memory_gib(device)
        with FlopCounterMode(display=False) if self.peaks else nullcontext() as counter:
            first = run()
        seconds, last = seconds_of(run, min_seconds), run()
        peak = peak_memory_gib(device)
        return {
            "seconds": seconds,
            "values": [first, last],
            "flop": counter and counter.get_total_flops(),
            "peak_gib": peak,
            "added_gib": peak - before,
        }

    def table(self, results):
        """Return {variant: what ``measure`` returned} as Markdown, with a row for each ratio of two
        that are there.
        """
        figures = {variant: _figures(result) for variant, result in results.items()}
        rows = [[name, *(f"{value:.2f}" for value in row)] for name, row in figures.items()]
        if self.count is not None:
            for row, (best, *_) in zip(rows, figures.values()):
                row.append(f"{self.count / best:.0f}")
        for row in rows if self.peaks else ():
            rates = [_flop_per_s(results[name]) for name in (row[0], self.peaks[row[0]])]
            row += [f"{rates[0] / 1e12:.3g}", f"{100 * rates[0] / rates[1]:.0f} %"]
        for baseline, other in self.ratios:
            if baseline not in figures or other not in figures:
                continue
            ratios = [a / b if b else inf for a, b in zip(figures[baseline], figures[other])]
            rows.append([f"{baseline} / {other}", *(f"{ratio:.1f}" for ratio in ratios)])
        header = HEADER + ["per s"] * (self.count is not None)
        header += ["TFLOP/s", "of the peak"] * bool(self.peaks)
        return markdown_table(header, [row + [""] * (len(header) - len(row)) for row in rows])


def _flop_per_s(result):
    return result["flop"] / min(result["seconds"])


def _figures(result):
    seconds = result["seconds"]
    return min(seconds), statistics.median(seconds), result["peak_gib"], result["added_gib"]
