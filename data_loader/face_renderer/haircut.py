"""Hair styles as a few lengths, in head units (see ``geometry``)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cut:
    """How a style grows; ``None`` where there is nothing."""

    height: float = 0.12  # above the skull
    puff: float = 0.06  # beside the skull
    fringe: float = None  # height down to which it hangs over the forehead
    sweep: float = 0.0  # how much lower one side of the hairline is than the other
    recede: float = 0.0
    sideburn: float = 0.05
    curtain: float = None  # height down to which it hangs beside the face
    back: float = None  # height down to which it hangs behind the neck
    wide: float = 0.1  # of the hair behind the neck
    ragged: float = 0.01  # roughness of the outline
    soft: float = 0.012  # blur of its edge
    opacity: float = 1.0


def cut_of(look):
    """The Cut of a person's style, with its own volume, parting and curl; None for the bald."""
    volume, sweep, curl = look.volume, 0.30 * look.parting, 0.02 + 0.05 * look.curl
    full, half = 0.14 + 0.1 * volume, 0.4 * curl
    return {
        "bald": None,
        "buzz": Cut(0.04, 0.015, opacity=0.78, recede=0.1 * volume, soft=0.035),
        "short": Cut(0.12 + 0.12 * volume, 0.04, sweep=0.3 * sweep, ragged=0.02, soft=0.03),
        "quiff": Cut(0.28 + 0.2 * volume, 0.03, sweep=0.4 * sweep, ragged=0.02),
        "side": Cut(0.18 + 0.12 * volume, 0.06, fringe=-0.78, sweep=sweep),
        "curly": Cut(0.22 + 0.2 * volume, 0.14 + 0.1 * volume, fringe=-0.8, ragged=curl,
                     back=0.5 + 0.5 * volume, wide=0.2),
        "afro": Cut(0.45 + 0.3 * volume, 0.40 + 0.25 * volume, ragged=0.03, back=0.5, wide=0.5,
                    soft=0.025),
        "fringe": Cut(full, 0.10, fringe=-0.50, curtain=0.3 + 1.2 * volume, back=0.8 + volume,
                      wide=0.18),
        "bob": Cut(full, 0.12 + 0.08 * volume, sweep=sweep, curtain=1.0 + 0.4 * volume,
                   back=1.2 + 0.4 * volume, wide=0.26 + 0.2 * look.curl, ragged=half),
        "long": Cut(full, 0.10 + 0.06 * volume, sweep=sweep, curtain=2.6, back=2.8,
                    wide=0.22 + 0.25 * look.curl, ragged=half),
        "tied": Cut(0.08, 0.03, sweep=0.3 * sweep),
        "receding": Cut(0.06 + 0.05 * volume, 0.05, recede=0.35 + 0.3 * volume, opacity=0.9,
                        soft=0.035),
        "beanie": Cut(0.24 + 0.15 * volume, 0.08, fringe=-0.62),
        "scarf": Cut(0.14, 0.12, fringe=-0.86, curtain=1.5, back=2.8, wide=0.35),
    }[look.style]


def hairline(cut, shape, longitude):
    """Height of the hairline at each longitude (radians); smaller is higher."""
    front = shape.hairline if cut.fringe is None else cut.fringe
    angle = np.degrees(np.abs(longitude))
    y = np.interp(angle, [0, 24, 44, 60, 70, 78, 96, 112, 180],
                  [front, front - 0.01, front + 0.04, -0.50, cut.sideburn, 0.0, -0.05, 0.75, 0.95])
    y -= cut.recede * (np.exp(-((angle - 32) / 20) ** 2) + 0.3 * (angle < 80))
    swept = cut.sweep * np.sin(longitude) * np.exp(-(angle / 55) ** 2)
    return y + (0.5 if cut.fringe is None else 1.0) * swept
