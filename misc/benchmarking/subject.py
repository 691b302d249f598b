"""Measure the time and memory of variants of a function, and make a table of them."""

import statistics
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import inf

from torch.utils.flop_counter import FlopCounterMode

from misc.benchmarking.measuring import markdown_table, seconds_of
from model.fused_loss import why_not_fused
from utils.device import computes_bfloat16, peak_memory_gib

HEADER = ["", "best, s", "median, s", "peak memory, GiB", "added, GiB"]


@dataclass(frozen=True)
class Subject:
    """A section of the benchmark.

    variants: {name: make(device) -> a function to be timed, which may return a number}
    ratios: pairs of variants to compare, the baseline first
    count: images, or pairs, that a run processes
    peaks: {variant: the variant whose operations per second are its upper bound}
    plain: variants that run without the project's settings of the allocator
    """

    title: str
    variants: dict[str, Callable]
    ratios: tuple = ()
    note: str = ""
    count: int | None = None
    peaks: dict[str, str] = field(default_factory=dict)
    plain: tuple = ()

    def variants_on(self, device):
        """Return the names of the variants that a device can compute: those of bfloat16 where it is
        not emulated, those of the fused loss where it is available.
        """
        absent = set() if computes_bfloat16(device) else {"bfloat16"}
        absent |= {"fused"} if why_not_fused(device) else set()
        return [name for name in self.variants if not any(word in name for word in absent)]

    def measure(self, variant, min_seconds, device):
        """Return the seconds of single runs, the values of the first and the last run, operations
        per run, and the peak memory in GiB, in all and added by the runs.

        min_seconds: see ``seconds_of``.
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
        """Return {variant: result of ``measure``} as Markdown, with rows for the ratios."""
        figures = {}  # in the order of HEADER
        for variant, result in results.items():
            best, median = min(result["seconds"]), statistics.median(result["seconds"])
            figures[variant] = best, median, result["peak_gib"], result["added_gib"]
        rows = [
            [name, *map(seconds_text, row[:2]), *(f"{gib:.2f}" for gib in row[2:])]
            for name, row in figures.items()
        ]
        if self.count is not None:
            for row, (best, *_) in zip(rows, figures.values()):
                row.append(f"{self.count / best:.0f}")
        for row in rows if self.peaks else ():
            pair = (results[name] for name in (row[0], self.peaks[row[0]]))
            rates = [result["flop"] / min(result["seconds"]) for result in pair]
            row += [f"{rates[0] / 1e12:.3g}", f"{100 * rates[0] / rates[1]:.0f} %"]
        for baseline, other in self.ratios:
            if baseline not in figures or other not in figures:
                continue
            ratios = [a / b if b else inf for a, b in zip(figures[baseline], figures[other])]
            rows.append([f"{baseline} / {other}", *(f"{ratio:.1f}" for ratio in ratios)])
        header = HEADER + ["per s"] * (self.count is not None)
        header += ["TFLOP/s", "of the peak"] * bool(self.peaks)
        return markdown_table(header, [row + [""] * (len(header) - len(row)) for row in rows])


def seconds_text(seconds):
    """Return seconds with two decimals, or three digits if they are less than one."""
    return f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.3g}"
