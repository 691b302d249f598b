"""The pictures of a report, as data URIs."""

import base64
import io
from dataclasses import dataclass

from PIL import Image

from misc.reporting.findings import NUM_PAIRS, place_chart
from trainer.evaluation.cases import pair_label
from utils.drawing.galleries import bare_landmarks_figure, bare_match_figure, bare_virtual_figure

JPEG = {"quality": 88, "subsampling": 0}
DPI = 160
DENSE = {"source": "source", "target": "target", "warped": "source, warped", "field": "where from"}


@dataclass(frozen=True)
class Picture:
    """The data URI of an image, and its alternative text."""

    src: str
    alt: str
    caption: str = ""
    is_map: bool = False  # shown cell by cell


def photo(image, alt, caption=""):
    """Return the ``Picture`` of an image (3, H, W) uint8."""
    return Picture(_encoded(image, "jpeg", **JPEG), alt, caption)


def colour_map(colours, alt):
    """Return the ``Picture`` of colours (3, h, w) in [0, 1], exact to 8 bits."""
    return Picture(_encoded((255 * colours).round().byte(), "png"), alt, is_map=True)


def drawing(figure, alt, caption):
    """Return the ``Picture`` of a matplotlib figure."""
    file = io.BytesIO()
    figure.savefig(file, format="jpeg", dpi=DPI, pil_kwargs=JPEG)
    return Picture(_data_uri(file, "jpeg"), alt, caption)


def _encoded(image, kind, **options):
    file = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).save(file, kind, **options)
    return _data_uri(file, kind)


def _data_uri(file, kind):
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def matches(run, identity, kind):
    """Yield pictures of pairs whose landmarks were matched; kind: "first", "best" or "worst"."""
    case = run.findings.cases[f"matches-{identity}"][kind]
    names = ("sources", "targets", "points", "matched", "truth")
    for m in range(min(NUM_PAIRS, len(case["errors"]))):
        label = pair_label(run.findings.dataset, int(case["numbers"][m]), identity)
        alt = f"{label}: landmarks of one image joined to their matches in another"
        figure = bare_match_figure(*(case[name][m] for name in names))
        yield drawing(figure, alt, f"{label}: {float(case['errors'][m]):.1f}\u00a0px")


def dense(run, identity):
    """Yield groups of the four pictures of a dense correspondence."""
    case = run.findings.cases[f"dense-{identity}"]
    for m in range(len(case["source"])):
        yield [photo(case[row][m], f"Pair {m}: {says}", says) for row, says in DENSE.items()]


def places():
    """Return the picture that shows which colour stands for which place."""
    return photo(place_chart((32, 32))[0], "A square with a different colour at each place")


def colours(run):
    """Yield groups of an image and its descriptors as colours."""
    case = run.findings.cases["colours"]
    for n, (image, painted) in enumerate(zip(case["images"], case["colours"])):
        label = run.findings.dataset.label(n)
        yield [photo(image, label, label), colour_map(painted, f"Descriptors of {label}")]


def predictions(run):
    """Yield pictures of predicted and true landmarks, from the best to the worst."""
    case, of = run.findings.cases["landmarks"], run.findings.num_images
    unit = "%" if run.findings.dataset.eye_indices else "px"
    for n, (error, rank) in enumerate(zip(case["errors"].tolist(), case["ranks"].tolist())):
        label = run.findings.dataset.label(int(case["numbers"][n]))
        figure = bare_landmarks_figure(*(case[k][n] for k in ("images", "predicted", "truth")))
        alt = f"{label}: predicted and true landmarks"
        yield drawing(figure, alt, f"{rank} of {of}, {label}: {error:.1f}\u00a0{unit}")


def virtual_keypoints(run):
    """Yield pictures of virtual keypoints, of every second of the images of ``predictions``."""
    case = run.findings.cases["landmarks"]
    for n in range(0, len(case["errors"]), 2):
        label = run.findings.dataset.label(int(case["numbers"][n]))
        figure = bare_virtual_figure(case["images"][n], case["virtual"][n])
        yield drawing(figure, f"{label}: virtual keypoints, a colour for each landmark", label)
