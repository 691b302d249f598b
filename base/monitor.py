"""Which epoch is the best so far, and whether to go on."""

import math

from utils.errors import ConfigError


class Monitor:
    """Follows one of the values of an epoch, as ``trainer.monitor`` says: "off", "min NAME" or "max
    NAME".

    With ``patience`` > 0, ``exhausted`` turns true after so many epochs without a better value.
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
        """Raise ``ConfigError`` if the monitored value is none of the names an epoch has."""
        if self.name is not None and self.name not in names:
            raise ConfigError(
                f"trainer.monitor: no value '{self.name}', expected one of {', '.join(names)}"
            )

    def update(self, values, epoch):
        """Take the values of an epoch.

        Returns whether it is the best so far (with "off": every one is).
        """
        if self.name is None:
            return True
        value = self.history[epoch] = self.sign * values[self.name]
        improved = value < self.best
        self.best = value if improved else self.best
        self.epochs_without_gain = 0 if improved else self.epochs_without_gain + 1
        return improved

    @property
    def exhausted(self):
        """Whether patience has run out."""
        return 0 < self.patience <= self.epochs_without_gain

    def ranked(self, epochs):
        """Return epochs, the best first; those without a value, or with none that is a number,
        last.
        """
        values = {epoch: self.history.get(epoch, math.nan) for epoch in epochs}
        return sorted(epochs, key=lambda epoch: (math.isnan(values[epoch]), values[epoch], epoch))

    def state_dict(self):
        """What a resumed run needs."""
        return {
            "best": self.best,
            "epochs_without_gain": self.epochs_without_gain,
            "history": dict(self.history),
        }

    def load_state_dict(self, state):
        """Go on where another monitor was."""
        self.best, self.epochs_without_gain = state["best"], state["epochs_without_gain"]
        self.history = dict(state.get("history", {}))
