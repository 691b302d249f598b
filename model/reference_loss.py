"""The formulas of the dense losses, with every matrix written out.

``model.loss`` computes them in chunks or by kernels; tests compare the two.
"""


def match_probabilities(desc1, desc2):
    """Return p(v | u) = softmax over v of <desc1_u, desc2_v>, (B, P, P), of (B, P, C) each."""
    return (desc1 @ desc2.mT).softmax(dim=-1)


def exchange(desc1, desc_aux):
    """Return desc1 rebuilt from an auxiliary image: sum over w of p(w | u; x, xa) desc_aux_w.

    Descriptors: (B, P, C). Thewlis et al., ICCV 2019, section 3.2.
    """
    return match_probabilities(desc1, desc_aux) @ desc_aux


def expected_distance(desc1, desc2, warped, pixels, pow=0.5):
    """Return the mean over cells u of sum over v of |v - g(u)|^pow p(v | u).

    desc1, desc2: (B, P, C); warped: (B, P, 2), g(u), and pixels: (P, 2), v, both in input pixels.
    Thewlis et al., ICCV 2019, section 3.1. With Descriptor Vector Exchange, desc1 is
    ``exchange(desc1, desc_aux)``, where desc_aux describes the first image of the next pair.
    """
    cost = (pixels - warped[:, :, None]).norm(dim=-1) ** pow
    return (match_probabilities(desc1, desc2) * cost).sum(dim=-1).mean()


def negative_log_likelihood(desc1, desc2, warped, pixels, inside, sigma=4.5, outlier=3):
    """Return the mean of -log(outlier + sum over v of p(v | u) exp(-|v - g(u)|^2 / (2 sigma^2))).

    The mean is over the cells u of a pair whose g(u) is in the frame, and over pairs. The other
    arguments are those of ``expected_distance``. Descriptors of length 1 are multiplied by the
    square root of the learned scale first.

    inside: (B, P), whether g(u) is in the frame.
    """
    near = (-(pixels - warped[:, :, None]).square().sum(dim=-1) / (2 * sigma**2)).exp()
    likelihood = outlier + (match_probabilities(desc1, desc2) * near).sum(dim=-1)
    means = [-likelihood[b, inside[b]].log().mean() for b in range(len(desc1)) if inside[b].any()]
    return sum(means) / len(desc1)
