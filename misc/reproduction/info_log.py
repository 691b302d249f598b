"""What an info.log tells: figures, epochs, speed. Reads this project's logs and the original's."""

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
    """What a log holds; an absent log is one without messages."""

    messages: tuple = ()

    @property
    def is_own(self):
        """Whether this project wrote it, rather than the original code."""
        return any(message.startswith(OWN_FIRST_WORDS) for message in self.messages)

    @property
    def origin(self):
        """Where the backbone's first weights came from, None if they were fresh or it says not."""
        found = next(filter(None, map(ORIGIN.match, self.messages)), None)
        return found and Origin(found[1], None if found[2] == "None" else int(found[2]))

    @property
    def device(self):
        """The device of the last training, None if the log does not say."""
        lines = [m for m in self.messages if m.startswith("device: ")]
        return lines[-1].removeprefix("device: ").partition(",")[0] if lines else None

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
        """{figure: value}: what an evaluation said last. The original evaluated landmarks in every
        epoch only, so there the last epoch counts; of our own logs it does not: that run is not
        finished.
        """
        found = {}
        for name, pattern in PATTERNS.items():
            for match in filter(None, map(pattern.search, self.messages)):
                found[name] = float(match[1])
        if not self.is_own:
            for epoch in self.epochs:
                if LANDMARK_METRIC in epoch:
                    found[LANDMARKS] = epoch[LANDMARK_METRIC]
        return found


def read_log(path):
    """Return an ``InfoLog``; of a file that is not there, an empty one."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return InfoLog()
    found = map(LINE.fullmatch, text.splitlines())
    return InfoLog(tuple(match[1] for match in found if match))
