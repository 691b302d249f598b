"""The axes of a chart: from values to places on the page, and round numbers to mark."""

import math
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

NUM_TICKS = 5


@dataclass(frozen=True)
class Axis:
    """Places the values from ``low`` to ``high`` at ``start`` to ``end``, in units of the page.

    log: by their logarithms; whole: marks are whole numbers; shares: they are written in percent.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False
    shares: bool = False

    @classmethod
    def over(cls, values, start, end, **kind):
        """Return the axis that all values fit on; a logarithmic one is of whole powers of ten."""
        low, high = min(values), max(values)
        if kind.get("log"):
            first, last = math.floor(_exponent(low)), math.ceil(_exponent(high))
            low, high = (10.0**first, 10.0 ** (last if last > first else first + 1))
        elif high == low:
            low, high = low - 0.5, high + 0.5
        return cls(low, high, start, end, **kind)

    def place(self, value):
        """Return where a value lies."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self):
        """Return [(place, text)] of round values; on a logarithmic axis of powers of ten."""
        return [(self.place(value), self._text(value)) for value in self._round_values()]

    def _round_values(self):
        if self.log:
            first, last = round(_exponent(self.low)), round(_exponent(self.high))
            return [10.0**exponent for exponent in range(first, last + 1)]
        locator = MaxNLocator(NUM_TICKS, steps=[1, 2, 2.5, 5, 10], integer=self.whole)
        values = locator.tick_values(self.low, self.high).tolist()
        slack = 1e-9 * (self.high - self.low)
        return [
            0.0 if abs(v) < slack else v
            for v in values
            if self.low - slack <= v <= self.high + slack
        ]

    def _text(self, value):
        if self.log:
            return f"1e{_exponent(value):.0f}"
        return f"{100 * value:g}%" if self.shares else f"{value:g}"


def _exponent(value):
    """Return the logarithm to base 10, without the noise of the last digits."""
    return round(math.log10(value), 9)
