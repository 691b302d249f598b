"""How errors spread over images: quantiles, a histogram, a cumulative curve."""

import torch

NUM_BINS = 24
NUM_STEPS = 200  # of a cumulative curve
SHOWN_SHARE = 0.98  # of the errors that the axis of a distribution reaches
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}


def spread_of(errors):
    """Return {"mean", "std" (of the population), "q05", ..., "q95": value} of errors (N,)."""
    errors = errors.double()
    places = torch.tensor(list(QUANTILES.values()), dtype=torch.float64)
    quantiles = dict(zip(QUANTILES, errors.quantile(places).tolist()))
    return {"mean": errors.mean().item(), "std": errors.std(correction=0).item(), **quantiles}


def shown_range(many):
    """Return up to which error the distributions of several runs, [(N,), ...], are shown."""
    reach = max(errors.double().quantile(SHOWN_SHARE).item() for errors in many)
    return reach or 1.0  # where all errors are 0


def histogram(errors, high):
    """Return the outline [(error, share of all)] of a histogram from 0 to ``high``, whose last bin
    holds all errors above too.
    """
    width = high / NUM_BINS
    bins = (errors.double() / width).long().clamp(max=NUM_BINS - 1)
    shares = torch.bincount(bins, minlength=NUM_BINS).double() / len(errors)
    return [
        ((n + side) * width, share) for n, share in enumerate(shares.tolist()) for side in (0, 1)
    ]


def cumulative(errors, high):
    """Return [(error, share of all with at most this error)], from 0 to ``high``."""
    edges = torch.linspace(0, high, NUM_STEPS + 1, dtype=torch.float64)
    ordered = errors.double().sort().values
    shares = torch.searchsorted(ordered, edges, right=True).double() / len(errors)
    return list(zip(edges.tolist(), shares.tolist()))
