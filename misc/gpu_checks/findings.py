"""What a check of a GPU found: a line for each comparison and each time, and the file of all."""

import math
import time
from dataclasses import asdict, dataclass, field

import torch

from utils.errors import one_line


@dataclass
class Findings:
    """Comparisons and times of a device.

    compared: {name: {"error": relative, "tolerance": number, "good": bool}}; "error" is a line of
        text if something could not be computed.
    milliseconds: {name: number}.
    """

    device: str
    machine: str
    compared: dict = field(default_factory=dict)
    milliseconds: dict = field(default_factory=dict)

    @property
    def bad(self):
        """The names of the comparisons that differ by more than they may."""
        return [name for name, found in self.compared.items() if not found["good"]]

    def compare(self, name, compute, expected, tolerance):
        """Compare a tensor, or several, that a function computes on the device, with those of the
        CPU: the norm of the difference as a share of the norm.
        """
        try:
            error = relative_error(compute(), expected)
        except Exception as failure:  # whatever a device is not capable of is a finding
            error = f"{type(failure).__name__}: {one_line(failure)}"
        self.note(name, error, tolerance)

    def note(self, name, error, tolerance=0.0):
        """Note an error, a number or a line of text, and print it."""
        error = error if isinstance(error, str) or math.isfinite(error) else str(error)
        good = not isinstance(error, str) and error <= tolerance
        self.compared[name] = {"error": error, "tolerance": tolerance, "good": good}
        shown = error if isinstance(error, str) else f"{error:.1e}"
        print(f"{'ok  ' if good else 'FAIL'} {name}: {shown} (at most {tolerance:.0e})", flush=True)

    def time(self, name, run, repeats):
        """Note the mean milliseconds of a function, after two calls that do not count."""
        try:
            run(), run()
            self._wait()
            begin = time.perf_counter()
            for _ in range(repeats):
                run()
            self._wait()
        except Exception as failure:  # as in ``compare``
            return self.note(name, f"{type(failure).__name__}: {one_line(failure)}")
        self.milliseconds[name] = 1000 * (time.perf_counter() - begin) / repeats
        print(f"     {name}: {self.milliseconds[name]:.3f} ms", flush=True)

    def _wait(self):
        torch.zeros(1, device=self.device).item()

    def content(self):
        """Return all of it as plain data."""
        return {**asdict(self), "differences": self.bad}


def relative_error(found, expected):
    """Return the largest relative error of tensors, compared in float64."""
    if isinstance(expected, torch.Tensor):
        found, expected = [found], [expected]
    errors = []
    for ours, theirs in zip(found, expected, strict=True):
        ours, theirs = ours.detach().cpu().double(), theirs.detach().double()
        errors.append((ours - theirs).norm() / theirs.norm().clamp(min=1e-30))
    return torch.stack(errors).max().item()
