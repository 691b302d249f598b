"""Parse info.log for figures, epochs and speed; also logs of the original code."""

import re
from dataclasses import dataclass

from trainer.figures import FIGURES, LANDMARKS

NUMBER = r"([-+]?\d[\d.]*(?:[eE][-+]?\d+)?)"
LINE = re.compile(r"\S+ \S+ - \S+ - [A-Z]+ - (.*)")
VALUE = re.compile(rf"\s*(\w+)\s*: {NUMBER}\s*")
SPREAD = re.compile(rf"(\w+) -> mean: {NUMBER}, std: {NUMBER}")
ORIGIN = re.compile(r"start: backbone weights of (.+) \(epoch (\d+|None)\)")
PATTERNS = {  # the original has no colon after (different-identity)
    name: re.compile(rf"{re.escape(text.log_line)}:?\s*{NUMBER}") for name, text in FIGURES.items()
}
LANDMARK_METRIC = "val_inter_ocular_error"
OWN_FIRST_WORDS = ("start: ", "evaluating ")  # of each training or evaluation of this project


@dataclass(frozen=True)
class Origin:
    """The checkpoint that a training took its backbone from."""

    path: str
    epoch: int | None


@dataclass(frozen=True)
class InfoLog:
    """The messages of a log, () if there is no log, and what can be parsed from them."""

    messages: tuple = ()

    def last_after(self, beginning):
        """Return the rest of the last message with this beginning, None if there is none."""
        found = [m.removeprefix(beginning) for m in self.messages if m.startswith(beginning)]
        return found[-1] if found else None

    @property
    def is_own(self):
        """Whether this project wrote it, rather than the original code."""
        return any(message.startswith(OWN_FIRST_WORDS) for message in self.messages)

    @property
    def origin(self):
        """The ``Origin`` of the backbone's first weights, None if they were fresh or unknown."""
        found = next(filter(None, map(ORIGIN.match, self.messages)), None)
        return found and Origin(found[1], None if found[2] == "None" else int(found[2]))

    @property
    def device(self):
        """The device of the last training, None if the log does not have it."""
        text = self.last_after("device: ")
        return text and text.partition(",")[0]

    @property
    def epochs(self):
        """The values of each epoch, [{"epoch": 1, "loss": ...}, ...], in the log's order."""
        epochs = []
        for found in filter(None, map(VALUE.fullmatch, self.messages)):
            if found[1] == "epoch":
                epochs.append({})
            if epochs:
                epochs[-1][found[1]] = float(found[2])
        return epochs

    @property
    def spread(self):
        """{figure: (mean, deviation)} over the seeds of a training with several."""
        found = {m[1]: (float(m[2]), float(m[3])) for m in map(SPREAD.match, self.messages) if m}
        if LANDMARK_METRIC in found:
            found.setdefault(LANDMARKS, found[LANDMARK_METRIC])
        return {name: found[name] for name in FIGURES if name in found}

    @property
    def figures(self):
        """{figure: value} of the last evaluation.

        The original evaluated landmarks in every epoch only, so of its logs the last epoch counts.
        """
        found = {}
        for name, pattern in PATTERNS.items():
            for match in filter(None, map(pattern.search, self.messages)):
                found[name] = float(match[1])
        if not self.is_own:
            measured = [e[LANDMARK_METRIC] for e in self.epochs if LANDMARK_METRIC in e]
            found.update({LANDMARKS: measured[-1]} if measured else {})
        return found


def read_log(path):
    """Return the ``InfoLog`` of a file, an empty one if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return InfoLog()
    found = map(LINE.fullmatch, text.splitlines())
    return InfoLog(tuple(match[1] for match in found if match))
