"""What a config may say: every key that means something, its default and its range."""

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

    epochs: int = setting("passes over the training images", valid=at_least(1))
    save_dir: str = setting("the folder below which runs are written", "saved/", PATH)
    save_period: int = setting(
        "epochs between checkpoints; the last epoch is always saved", 1, at_least(1)
    )
    keep_last: int | None = setting(
        "keep the checkpoints of so many last epochs only; 0: of all, unless keep_best is given",
        None,
        at_least(0, "epochs"),
    )
    keep_best: int | None = setting(
        "keep the checkpoints of so many best epochs, by the monitored value, and the last",
        None,
        at_least(0, "epochs"),
    )
    verbosity: int = setting(
        "what the terminal shows: 0 warnings, 1 epochs, 2 everything; info.log holds it all",
        2,
        VERBOSITY,
    )
    monitor: str = setting(
        "the value of an epoch that model_best.pth is the best by", "off", MONITOR
    )
    patience: int = setting(
        "stop after so many epochs without a better monitored value; 0: never",
        0,
        at_least(0, "epochs"),
    )
    tensorboardX: bool = setting("write TensorBoard events", True)
    accumulation: int = setting(
        "parts that a batch is taken in, one after another: less memory", 1, at_least(1)
    )
    sync_batchnorm: bool = setting("several GPUs: batch norm over the whole batch", True)
    on_nonfinite: str = setting(
        "where a gradient is no number: halt, skip the step, or roll back to the last checkpoint "
        "at half the rate",
        "halt",
        one_of("halt", "skip", "rollback"),
    )
    compile: bool = setting(
        "torch.compile of what learns: minutes at first, then faster steps; evaluation never is",
        False,
    )
    precision: str = setting(
        "bfloat16: autocast of the network; losses stay in float32",
        "float32",
        one_of("float32", "bfloat16"),
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

    arch: dict = setting("the backbone, a section")
    dataset: dict = setting("the images, a section")
    optimizer: dict = setting("the optimiser, a section")
    loss: str = setting("the name of the loss")
    trainer: dict = setting("how to train; its keys are below")
    batch_size: int = setting("images, or pairs, of a step", 32, at_least(1))
    bias_lr: float | None = setting(
        "learning rate of the convolutions' biases, where it differs", None, at_least(0)
    )
    warper: dict | None = setting(
        "the random warps, a section: Warper to learn an embedding, WarperSingle to augment "
        "annotated images",
        None,
    )
    loss_args: dict = setting("arguments of the loss", factory=dict)
    metrics: list[str] = setting("names of what is measured on validation images", factory=list)
    visualizations: list[str] = setting(
        "names of the pictures drawn after each epoch", factory=list
    )
    lr_scheduler: dict | None = setting("the schedule of the learning rate, a section", None)
    finetune_from: str | None = setting(
        "a checkpoint: the backbone starts from its weights; --resume overrides it", None, PATH
    )
    keypoint_regressor: dict | None = setting(
        "the landmark regressor, a section; its presence makes this a landmark config", None
    )
    keypoint_regressor_upsample: bool = setting(
        "double the size of the descriptor map before the regressor", False
    )
    cache_descriptors: bool = setting(
        "compute the descriptors that landmarks are fitted on once", False
    )
    descriptor_precision: str = setting(
        "of cached descriptors; float16 takes half the memory",
        "float16",
        one_of("float16", "float32"),
    )
    warp_val: bool = setting("warp validation images too, the same warps in every epoch", True)
    restrict_annos: int | None = setting(
        "fit the regressor on so many annotated images, drawn by the seed", None, at_least(1)
    )
    min_epoch_images: int = setting(
        "repeat a small training set to at least so many images an epoch, each with warps of its "
        "own",
        0,
        at_least(0),
    )
    on_broken_image: str = setting(
        "an error where it is met, or found before the training, left out and counted",
        "halt",
        one_of("halt", "skip"),
    )
    seed: int = setting("of all randomness: weights, order, warps, augmentation", 0, SEED)
    deterministic: bool = setting(
        "the same numbers every time on a GPU too, slower; an operation that cannot is an error",
        False,
    )
    num_workers: int | None = setting(
        "processes that decode images; null: none on the CPU, up to 8 on a GPU", None, WORKERS
    )
    cache: str = setting(
        "keep decoded images: in memory, on disk, or all of them on the device",
        "off",
        one_of("off", "memory", "disk", "device"),
    )
    cache_dir: str | None = setting(
        "where the cache on disk lies; null: cache below trainer.save_dir", None, PATH
    )

    def __post_init__(self):
        require_valid(self)

    @property
    def is_landmark(self):
        """Whether this config fits landmarks on a frozen embedding."""
        return self.keypoint_regressor is not None
