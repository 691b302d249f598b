"""What the programs that measure share: timing, a process for each figure, what it ran on."""

import json
import platform
import subprocess
import sys
from pathlib import Path

from utils.text import counted


def measure_in_process(script, *arguments):
    """Run a script in a fresh Python, so that the peak memory is its own; returns what it printed,
    as JSON.
    """
    command = [sys.executable, script, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def seconds_of(run, min_seconds):
    """Return how long single runs of a function take, a list: of as many as take ``min_seconds``
    together, after at least one that is not counted. A GPU is waited for.
    """
    import torch
    from torch.utils.benchmark import Timer  # which looks for a compiler as it is imported

    timer = Timer("run()", globals={"run": run}, num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=min_seconds).times


def machine(device):
    """Describe where this runs."""
    import torch  # here, since programs that only want tables need not wait for it

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
