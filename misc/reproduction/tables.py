"""The published tables: their experiments, the published figures, and ours."""

import statistics
from dataclasses import dataclass

from misc.reproduction.protocol import EXPERIMENTS, NUM_SEEDS, deviations
from trainer.figures import DIFFERENT, FIGURES, LANDMARKS, SAME

LANDMARK_SETS = {"AFLW_M": "aflw-mtfl", "AFLW_R": "aflw", "300-W": "300w"}
BACKBONES = {"smallnet": "SmallNet", "hourglass": "Hourglass"}


@dataclass(frozen=True)
class Model:
    """A network of the tables: a row."""

    backbone: str
    dim: int
    dve: bool

    @property
    def name(self):
        """Its part of experiment names."""
        return f"{self.backbone}-{self.dim}d{'-dve' if self.dve else ''}"


@dataclass(frozen=True)
class Column:
    """A published figure, with ours beside it; experiment: its name, with a slot {model}."""

    title: str
    experiment: str
    figure: str


@dataclass(frozen=True)
class Table:
    """A published table; note: its measure and its images, below it."""

    title: str
    note: str
    models: tuple
    columns: tuple
    labels: tuple = ("Embedding dim", "Model", "DVE")

    def experiments(self, models=None):
        """Return the names of its experiments, only those of some models if they are given."""
        rows = [model.name for model in self.models if not models or model.name in models]
        shown = (column.experiment.format(model=row) for row in rows for column in self.columns)
        return list(dict.fromkeys(shown))


@dataclass(frozen=True)
class Figure:
    """A figure of one run, or the mean of several.

    std: over seeds, None for a single run
    deviations: from the published protocol, as texts
    """

    mean: float
    std: float | None = None
    deviations: tuple = ()


def _models(*kinds):
    return tuple(Model("smallnet", dim, dve) for dim in (3, 16, 32, 64) for dve in kinds)


DVE_MODELS = (*_models(True), Model("hourglass", 64, True))
ALL_MODELS = (*_models(False, True), Model("hourglass", 64, True))
MATCHING = tuple(Column(FIGURES[f].title, "celeba-{model}", f) for f in (SAME, DIFFERENT))
REGRESSION = tuple(
    Column(title, f"{family}-keypoints-celeba-{{model}}", LANDMARKS)
    for title, family in {
        "MAFL": "mafl", "AFLW_M": "aflw-mtfl-ft", "AFLW_R": "aflw-ft", "300-W": "300w"
    }.items()
)
FEW = "aflw-mtfl-limit-annos-ft-keypoints"
PIXELS = "Mean matching error in pixels of a 70x70 image"
PERCENT = "Landmark error in percent of the distance between the eyes"
WHERE_TUNED = "AFLW_M and AFLW_R after fine-tuning there without annotations"

TABLES = {
    "matching": Table(
        "Landmark matching",
        f"{PIXELS}; MAFL's test images.",
        DVE_MODELS,
        MATCHING,
        ("Embedding dim", "Model", "Params"),
    ),
    "matching-finetuned": Table(
        "Landmark matching after fine-tuning without annotations",
        f"{PIXELS}; the test images of the data set that the embedding was fine-tuned on.",
        ALL_MODELS,
        tuple(
            Column(f"{title}, {identity}", f"{name}-ft-celeba-{{model}}", figure)
            for title, name in LANDMARK_SETS.items()
            for identity, figure in (("same", SAME), ("different", DIFFERENT))
        ),
    ),
    "landmarks": Table(
        "Landmark regression",
        f"{PERCENT}; {WHERE_TUNED}.",
        DVE_MODELS,
        REGRESSION,
        ("Embedding dim", "Model"),
    ),
    "ablation-dve": Table(
        "Ablation: with and without DVE",
        f"{PIXELS} (MAFL); {PERCENT[0].lower()}{PERCENT[1:]} ({WHERE_TUNED}).",
        _models(False, True),
        MATCHING + REGRESSION,
    ),
    "ablation-finetuning": Table(
        "Ablation: regressor with and without fine-tuning the embedding on the target",
        f"{PERCENT}; ft: the embedding was fine-tuned there without annotations.",
        ALL_MODELS,
        tuple(
            Column(f"{title}{suffix}", f"{name}{family}-keypoints-celeba-{{model}}", LANDMARKS)
            for title, name in LANDMARK_SETS.items()
            for suffix, family in (("", ""), (" ft", "-ft"))
        ),
    ),
    "few-annotations": Table(
        "Few annotations, AFLW_M",
        f"{PERCENT}, for a number of annotated images; mean and deviation over three seeds.",
        (Model("smallnet", 3, False), Model("smallnet", 64, True), Model("hourglass", 64, True)),
        tuple(
            Column(f"{n}", f"{FEW}-{n}-annos-celeba-{{model}}", LANDMARKS) for n in (1, 5, 10, 20)
        ),
    ),
}


def published_figure(experiment, figure):
    """Return the published ``Figure``."""
    published = EXPERIMENTS[experiment]["published"]
    if figure in published:
        return Figure(published[figure])
    return Figure(published[f"{figure}_mean"], published[f"{figure}_std"])


def our_figure(store, experiment, figure):
    """Return our ``Figure``, or None: that of the newest run that follows the published protocol,
    else of the newest; with few annotations, over the seeds' newest runs.
    """
    records = store.records(experiment)
    with_figure = [
        (record, Figure(record.figures[figure], deviations=tuple(deviations(record))))
        for record in records
        if figure in record.figures
    ]
    with_figure.sort(key=lambda found: bool(found[1].deviations))  # stable: the newest stay first
    if "annotations" not in EXPERIMENTS[experiment]:
        return with_figure[0][1] if with_figure else None
    of_seed = {}
    for record, value in with_figure:
        if figure not in record.spread:
            of_seed.setdefault(record.results.get("seed"), value)
    if of_seed:
        means = [value.mean for value in of_seed.values()]
        texts = dict.fromkeys(text for value in of_seed.values() for text in value.deviations)
        if len(means) != NUM_SEEDS:
            texts[f"{len(means)} instead of {NUM_SEEDS} seeds"] = None
        return Figure(statistics.fmean(means), statistics.pstdev(means), tuple(texts))
    logged = next((record for record in records if figure in record.spread), None)
    return logged and Figure(*logged.spread[figure], tuple(deviations(logged)))
