"""Monitor a value of each epoch, to find the best epoch and for early stopping."""

import math

from utils.errors import ConfigError


class Monitor:
    """Follows the value that ``trainer.monitor`` names: "off", "min NAME" or "max NAME".

    With ``patience`` > 0, ``exhausted`` is true after that many epochs without a better value.
    """

    def __init__(self, monitor, patience):
        self.name, self.sign = None, 1
        if monitor != "off":
            direction, self.name = monitor.split()
            self.sign = 1 if direction == "min" else -1
        self.patience = patience
        self.best = math.inf  # of sign * value
        self.epochs_without_gain = 0
        self.history = {}  # epoch -> sign * value

    def check(self, names):
        """Raise ``ConfigError`` if the monitored name is not in ``names``, those of an epoch."""
        if self.name is not None and self.name not in names:
            raise ConfigError(
                f"trainer.monitor: no value '{self.name}', expected one of {', '.join(names)}"
            )

    def update(self, values, epoch):
        """Add the values of an epoch; returns whether it is the best so far (if "off", always)."""
        if self.name is None:
            return True
        value = self.history[epoch] = self.sign * values[self.name]
        improved = value < self.best
        self.best = value if improved else self.best
        self.epochs_without_gain = 0 if improved else self.epochs_without_gain + 1
        return improved

    @property
    def exhausted(self):
        """Whether training stops early."""
        return 0 < self.patience <= self.epochs_without_gain

    def ranked(self, epochs):
        """Return epochs, the best first; those without a value, or with NaN, last."""
        values = {epoch: self.history.get(epoch, math.nan) for epoch in epochs}
        return sorted(epochs, key=lambda epoch: (math.isnan(values[epoch]), values[epoch], epoch))

    def state_dict(self):
        """Return the state for a checkpoint."""
        return {
            "best": self.best,
            "epochs_without_gain": self.epochs_without_gain,
            "history": dict(self.history),
        }

    def load_state_dict(self, state):
        """Load the state of a checkpoint."""
        self.best, self.epochs_without_gain = state["best"], state["epochs_without_gain"]
        self.history = dict(state.get("history", {}))
