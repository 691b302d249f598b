"""What a config may say: every key that means something, its default and its range."""

import re
from dataclasses import dataclass, field

NONFINITE_POLICIES = ("halt", "skip", "rollback")
PRECISIONS = ("float32", "bfloat16")
DESCRIPTOR_PRECISIONS = ("float16", "float32")
CACHES = ("off", "memory", "disk", "device")


def _require(holds, name, value, expected):
    if not holds:
        raise ValueError(f"{name} = {value!r}, expected {expected}")


@dataclass
class TrainerOptions:
    """The section ``trainer``."""

    epochs: int
    save_dir: str = "saved/"
    save_period: int = 1  # epochs between checkpoints; the last epoch is always saved
    verbosity: int = 2  # 0 warnings, 1 epochs, 2 everything
    monitor: str = "off"  # "off", "min NAME" or "max NAME": what model_best.pth is the best of
    patience: int = 0  # stop after so many epochs without a better monitored value; 0: never
    tensorboardX: bool = True  # write TensorBoard events
    accumulation: int = 1  # parts that a batch is taken in, one after another: less memory
    sync_batchnorm: bool = True  # several GPUs: batch norm over the whole batch
    on_nonfinite: str = "halt"  # a gradient that is no number: "halt", "skip" or "rollback"
    precision: str = "float32"  # "bfloat16": autocast of the network; losses stay in float32

    def __post_init__(self):
        for name in ("epochs", "save_period", "accumulation"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        _require(self.verbosity in (0, 1, 2), "verbosity", self.verbosity, "0, 1 or 2")
        _require(self.patience >= 0, "patience", self.patience, "at least 0 (epochs)")
        _require(
            self.on_nonfinite in NONFINITE_POLICIES,
            "on_nonfinite",
            self.on_nonfinite,
            f"one of {', '.join(NONFINITE_POLICIES)}",
        )
        _require(
            self.precision in PRECISIONS,
            "precision",
            self.precision,
            f"one of {', '.join(PRECISIONS)}",
        )
        _require(
            self.monitor == "off" or re.fullmatch(r"(min|max) \S+", self.monitor),
            "monitor",
            self.monitor,
            "'off', 'min NAME' or 'max NAME'",
        )
        _require(
            not self.patience or self.monitor != "off",
            "patience",
            self.patience,
            "0, or a 'monitor' to watch",
        )


@dataclass
class Experiment:
    """A whole config. Sections are {"type": name, "args": {...}}."""

    arch: dict
    dataset: dict
    optimizer: dict
    loss: str
    trainer: dict
    batch_size: int = 32
    bias_lr: float | None = None  # learning rate of the convolutions' biases, where it differs
    warper: dict | None = None
    loss_args: dict = field(default_factory=dict)
    metrics: list = field(default_factory=list)
    visualizations: list = field(default_factory=list)
    lr_scheduler: dict | None = None
    finetune_from: str | None = None  # a checkpoint: the backbone starts from its weights
    keypoint_regressor: dict | None = None  # its presence makes this a landmark config
    keypoint_regressor_upsample: bool = False
    cache_descriptors: bool = False
    descriptor_precision: str = "float16"  # of cached descriptors: half the memory of "float32"
    warp_val: bool = True
    restrict_annos: int | None = None  # train the regressor on so many annotated images
    seed: int = 0
    num_workers: int | None = None  # that decode images; null: none on the CPU, up to 8 on a GPU
    cache: str = "off"  # keep decoded images: in "memory", on "disk", or on the "device"
    cache_dir: str | None = None  # where "disk" keeps them; null: <trainer.save_dir>/cache

    def __post_init__(self):
        for name in ("batch_size", "restrict_annos"):
            value = getattr(self, name)
            _require(value is None or value >= 1, name, value, "at least 1")
        _require(
            self.num_workers is None or self.num_workers >= 0,
            "num_workers",
            self.num_workers,
            "at least 0",
        )
        _require(self.bias_lr is None or self.bias_lr >= 0, "bias_lr", self.bias_lr, "at least 0")
        _require(0 <= self.seed < 1 << 63, "seed", self.seed, "0 to 2^63 - 1")
        _require(
            self.descriptor_precision in DESCRIPTOR_PRECISIONS,
            "descriptor_precision",
            self.descriptor_precision,
            f"one of {', '.join(DESCRIPTOR_PRECISIONS)}",
        )
        _require(self.cache in CACHES, "cache", self.cache, f"one of {', '.join(CACHES)}")

    @property
    def is_landmark(self):
        """Whether this config fits landmarks on a frozen embedding."""
        return self.keypoint_regressor is not None
