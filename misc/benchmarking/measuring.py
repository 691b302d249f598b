"""Time functions, measure in fresh processes, describe the machine, and write Markdown tables."""

import json
import platform
import subprocess
import sys
from pathlib import Path

from utils.text import counted


def measure_in_process(script, *arguments):
    """Return the JSON that a script prints in a fresh Python, whose peak memory is its own."""
    command = [sys.executable, script, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def seconds_of(run, min_seconds):
    """Return the seconds of single runs of a function, a list, for ``min_seconds`` in all, after at
    least one run that does not count. Includes the work of a GPU.
    """
    import torch
    from torch.utils.benchmark import Timer  # its import looks for a compiler

    timer = Timer("run()", globals={"run": run}, num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=min_seconds).times


def machine(device):
    """Return the name of the processor or GPU, with threads and torch's version."""
    import torch  # imported late: tables do not need it

    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{_processor()}, {counted(torch.get_num_threads(), 'thread')}"
    return f"{name}, torch {torch.__version__}"


def _processor():
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def markdown_table(header, rows):
    """Return rows of cells as a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
