"""The part of a report that is looked at: pictures of single cases, run below run."""

from functools import partial

from misc.reporting import pictures
from misc.reporting.blocks import captioned, galleries, note, section
from misc.reporting.figures import FIGURES, figures_parts
from misc.reporting.findings import NUM_PAIRS, place_chart
from misc.reporting.markup import tag
from trainer.evaluation.cases import pair_label

KINDS = {"first": "First pairs", "best": "Best pairs", "worst": "Worst pairs"}
IDENTITIES = {"same": "Same identity", "different": "Different identity"}
DENSE = {
    "source": "source",
    "target": "target",
    "warped": "source, warped",
    "field": "where from",
}
SPREAD_NOTE = (
    "Spread: a thin line from 5 to 95 %, a thick one from 25 to 75 %, the median across it, the "
    "mean as a ring. The last bar of a histogram holds all larger errors."
)
MATCHING_NOTES = (
    "Landmarks of one image, found in another by their descriptors alone: in a warped copy (same "
    "identity), and in another image (different identity). An error is the mean over the landmarks "
    "of a pair, in pixels of a 70 x 70 image. By dot product on the grid of cells, as published, "
    "and by cosine similarity at every pixel.",
    f"{SPREAD_NOTE} Pictures show the published way of matching; crosses are the true places.",
)
DENSE_NOTE = (
    "Every pixel of the target takes the source's pixel whose descriptor is most similar, by "
    "cosine. The last picture of each tells where in the source that pixel lies: the square here "
    "has the colours of the source's places."
)
COLOURS_NOTE = (
    "The first three principal components of all descriptors of the test images, as red, green "
    "and blue. The same descriptor has the same colour in every image of a run; colours of "
    "different runs do not compare."
)
LANDMARKS_NOTE = (
    "Landmarks of the regressor on the frozen embedding: dots; true ones: crosses. The error of an "
    "image is the mean over its landmarks, in percent of the distance between the eyes. "
    f"{SPREAD_NOTE}"
)
VIRTUAL_NOTE = (
    "The places that the regressor computes each landmark from, in the colour of the landmark."
)


def matching_section(runs):
    """Return figures and galleries of matches of the runs that have them."""
    runs = _having(runs, "matches-same")
    if not runs:
        return None
    parts = [figures_parts(runs, [name for name in FIGURES if name.endswith("_px")])]
    for identity, title in IDENTITIES.items():
        parts.append(tag("h3", f"Matches: {title.lower()}"))
        for kind, heading in KINDS.items():
            parts.append(tag("h4", heading))
            parts.append(galleries(runs, partial(_pairs, identity=identity, kind=kind)))
    return section("matching", "Matching", *map(note, MATCHING_NOTES), *parts)


def _having(runs, case):
    return [run for run in runs if case in run.findings.cases]


def _pairs(run, identity, kind):
    case = run.findings.cases[f"matches-{identity}"][kind]
    names = ("sources", "targets", "points", "matched", "truth")
    for m in range(min(NUM_PAIRS, len(case["errors"]))):
        label = pair_label(run.findings.dataset, int(case["numbers"][m]), identity)
        alt = f"{label}: landmarks of one image joined to their matches in another"
        drawn = pictures.pair(*(case[name][m] for name in names), alt)
        yield captioned(drawn, f"{label}: {float(case['errors'][m]):.1f} px")


def dense_section(runs):
    """Return dense correspondences of the runs that have them."""
    runs = _having(runs, "dense-same")
    if not runs:
        return None
    chart = pictures.plain(place_chart((32, 32))[0], "A square with another colour at each place")
    parts = [tag("div", chart, note(DENSE_NOTE), class_="key")]
    for identity, title in IDENTITIES.items():
        parts += [tag("h3", title), galleries(runs, partial(_dense, identity=identity))]
    return section("dense", "Dense correspondence", *parts)


def _dense(run, identity):
    case = run.findings.cases[f"dense-{identity}"]
    for m in range(len(case["source"])):
        shown = (
            captioned(pictures.plain(case[row][m], f"Pair {m}: {says}"), says)
            for row, says in DENSE.items()
        )
        yield tag("div", *shown, class_="quad")


def colours_section(runs):
    """Return descriptors as colours of the runs that have them."""
    runs = _having(runs, "colours")
    if not runs:
        return None
    pairs = galleries(runs, _colours)
    return section("colours", "Embedding as colours", note(COLOURS_NOTE), pairs)


def _colours(run):
    case = run.findings.cases["colours"]
    for n, (image, colours) in enumerate(zip(case["images"], case["colours"])):
        label = run.findings.dataset.label(n)
        left = pictures.plain(image, label)
        right = pictures.cells(colours, f"Descriptors of {label}")
        yield captioned(tag("div", left, right, class_="duo"), label)


def landmarks_section(runs):
    """Return figures and predictions of the runs that have landmarks."""
    runs = _having(runs, "landmarks")
    if not runs:
        return None
    return section(
        "landmarks",
        "Landmarks",
        note(LANDMARKS_NOTE),
        figures_parts(runs, ["inter_ocular_error_pct"]),
        tag("h3", "From the best prediction to the worst"),
        galleries(runs, _predictions),
        tag("h3", "Virtual keypoints"),
        note(VIRTUAL_NOTE),
        galleries(runs, _virtual),
    )


def _predictions(run):
    case, of = run.findings.cases["landmarks"], run.findings.num_images
    for n in range(len(case["errors"])):
        error, rank = float(case["errors"][n]), int(case["ranks"][n])
        label = run.findings.dataset.label(int(case["numbers"][n]))
        alt = f"{label}: predicted and true landmarks"
        points = case["predicted"][n], case["truth"][n]
        drawn = pictures.landmarks(case["images"][n], *points, alt)
        yield captioned(drawn, f"{rank} of {of}, {label}: {error:.1f} %")


def _virtual(run):
    case = run.findings.cases["landmarks"]
    for n in range(0, len(case["errors"]), 2):
        label = run.findings.dataset.label(int(case["numbers"][n]))
        alt = f"{label}: virtual keypoints, a colour for each landmark"
        drawn = pictures.virtual_keypoints(case["images"][n], case["virtual"][n], alt)
        yield captioned(drawn, label)
