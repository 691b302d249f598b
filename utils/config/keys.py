"""The keys of a config: type, meaning, default and valid range of each."""

import re
from dataclasses import dataclass

from utils.config.ranges import PATH, Range, at_least, one_of, require_valid, setting

MONITOR = Range(
    lambda value: value == "off" or re.fullmatch(r"(min|max) \S+", value),
    "'off', 'min NAME' or 'max NAME'",
)
VERBOSITY = Range(lambda value: value in (0, 1, 2), "0, 1 or 2")
WORKERS = Range(lambda value: 0 <= value <= 1024, "0 to 1024")
PATH_ARGUMENTS = ("root", "annotation")  # of sections
SEED = Range(lambda value: 0 <= value < 1 << 63, "0 to 2^63 - 1")


@dataclass
class TrainerOptions:
    """The section ``trainer``."""

    epochs: int = setting("number of passes over the training images", valid=at_least(1))
    save_dir: str = setting("folder of all runs", "saved/", PATH)
    save_period: int = setting(
        "epochs between checkpoints; the last epoch is always saved", 1, at_least(1)
    )
    keep_last: int | None = setting(
        "number of last epochs whose checkpoints are kept; 0: all, unless keep_best is given",
        None,
        at_least(0, "epochs"),
    )
    keep_best: int | None = setting(
        "number of best epochs, by the monitored value, whose checkpoints are kept besides the "
        "last one",
        None,
        at_least(0, "epochs"),
    )
    verbosity: int = setting(
        "output on the terminal: 0 warnings, 1 epochs, 2 everything; info.log has everything",
        2,
        VERBOSITY,
    )
    monitor: str = setting(
        "value of an epoch that selects model_best.pth; off: the last epoch is the best",
        "off",
        MONITOR,
    )
    patience: int = setting(
        "early stopping: epochs without a better monitored value before training stops; 0: never",
        0,
        at_least(0, "epochs"),
    )
    tensorboardX: bool = setting("write TensorBoard events", True)
    accumulation: int = setting(
        "gradient accumulation: parts that each batch is split into, to save memory",
        1,
        at_least(1),
    )
    sync_batchnorm: bool = setting(
        "on several GPUs, compute batch normalisation over the whole batch", True
    )
    on_nonfinite: str = setting(
        "what to do about a NaN or infinite gradient: halt, skip the step, or roll back to the "
        "last checkpoint with half the learning rate",
        "halt",
        one_of("halt", "skip", "rollback"),
    )
    compile: bool = setting(
        "use torch.compile in training: the first step takes minutes, later ones are faster",
        False,
    )
    precision: str = setting(
        "of the network in training: float32, exact; tfloat32: products rounded to TF32 by a GPU; "
        "bfloat16; float16, with a gradient scaler, for GPUs without bfloat16. All else is exact",
        "float32",
        one_of("float32", "tfloat32", "bfloat16", "float16"),
    )

    def __post_init__(self):
        require_valid(self)
        for name in ("patience", "keep_best"):
            value = getattr(self, name)
            if value and self.monitor == "off":
                raise ValueError(f"{name} = {value!r}, expected 0, or a trainer.monitor to watch")


@dataclass
class Experiment:
    """A whole config. Sections are {"type": name, "args": {...}}."""

    arch: dict = setting("section: the backbone")
    dataset: dict = setting("section: the images")
    optimizer: dict = setting("section: the optimiser")
    loss: str = setting("name of the loss")
    trainer: dict = setting("options of the training; its keys are below")
    batch_size: int = setting("images, or pairs, in a step", 32, at_least(1))
    bias_lr: float | None = setting(
        "learning rate of the convolutions' biases; null: the optimiser's", None, at_least(0)
    )
    warper: dict | None = setting(
        "section: the random warps, Warper to learn an embedding, WarperSingle to augment "
        "annotated images",
        None,
    )
    loss_args: dict = setting("arguments of the loss", factory=dict)
    metrics: list[str] = setting("names of the metrics of validation", factory=list)
    visualizations: list[str] = setting(
        "names of the pictures drawn after each epoch", factory=list
    )
    lr_scheduler: dict | None = setting("section: the learning-rate schedule", None)
    finetune_from: str | None = setting(
        "checkpoint with the initial weights of the backbone; --resume overrides it", None, PATH
    )
    keypoint_regressor: dict | None = setting(
        "section: the landmark regressor; its presence makes this a landmark config", None
    )
    keypoint_regressor_upsample: bool = setting(
        "upsample descriptor maps by two before the regressor", False
    )
    cache_descriptors: bool = setting(
        "compute descriptors once, before the regressor is fitted, and keep them", False
    )
    descriptor_precision: str = setting(
        "data type of cached descriptors; float16 takes half the memory",
        "float16",
        one_of("float16", "float32"),
    )
    warp_val: bool = setting("warp validation images too, equally in every epoch", True)
    restrict_annos: int | None = setting(
        "number of annotated images to fit the regressor on, chosen by the seed; null: all",
        None,
        at_least(1),
    )
    min_epoch_images: int = setting(
        "repeat a small training set, with other warps, until an epoch has this many images",
        0,
        at_least(0),
    )
    on_broken_image: str = setting(
        "halt: stop at the first broken image; skip: find broken images before training and "
        "leave them out",
        "halt",
        one_of("halt", "skip"),
    )
    seed: int = setting("seed of all random numbers: weights, order, warps, augmentation", 0, SEED)
    deterministic: bool = setting(
        "use deterministic algorithms, slower; an operation that has none is an error", False
    )
    num_workers: int | None = setting(
        "processes that decode images; null: none on the CPU, up to 8 on a GPU", None, WORKERS
    )
    cache: str = setting(
        "where decoded images are kept: in memory, on disk, or all of them on the device",
        "off",
        one_of("off", "memory", "disk", "device"),
    )
    cache_dir: str | None = setting(
        "folder of the cache on disk; null: cache below trainer.save_dir", None, PATH
    )

    def __post_init__(self):
        require_valid(self)

    @property
    def is_landmark(self):
        """Whether this config fits a landmark regressor on a frozen embedding."""
        return self.keypoint_regressor is not None
