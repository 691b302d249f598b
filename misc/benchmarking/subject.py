"""What is measured, how, and the table it makes."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from misc.measuring import markdown_table
from utils.device import peak_memory_gib

HEADER = ("", "best, s", "median, s", "peak memory, GiB", "added, GiB")


@dataclass(frozen=True)
class Subject:
    """variants: {name: make(device) -> a function to be timed, which may return a number};
    ratios: pairs of variants to compare, the baseline first.
    """

    title: str
    variants: dict[str, Callable]
    ratios: tuple = ()
    note: str = ""

    def measure(self, variant, repeats, device):
        """Return the seconds of each run, after one that is not counted, what the runs returned,
        and the peak memory in GiB: of all, and what the runs added to it.
        """
        run = self.variants[variant](device)
        before = peak_memory_gib(device)
        values, seconds = [run()], []
        for _ in range(repeats):
            begin = time.perf_counter()
            values.append(run())
            seconds.append(time.perf_counter() - begin)
        peak = peak_memory_gib(device)
        return {
            "seconds": seconds,
            "values": values,
            "peak_gib": peak,
            "added_gib": peak - before,
        }

    def table(self, results):
        """Return {variant: what ``measure`` returned} as Markdown, with a row for each ratio."""
        rows = {variant: _figures(result) for variant, result in results.items()}
        cells = [[name, *(f"{figure:.2f}" for figure in row)] for name, row in rows.items()]
        for baseline, other in self.ratios:
            ratios = [a / b if b else float("inf") for a, b in zip(rows[baseline], rows[other])]
            cells.append([f"{baseline} / {other}", *(f"{ratio:.1f}" for ratio in ratios)])
        return markdown_table(HEADER, cells)


def _figures(result):
    seconds = result["seconds"]
    return min(seconds), statistics.median(seconds), result["peak_gib"], result["added_gib"]
