"""How long a job may take, from the speed that logs of like trainings tell."""

import statistics
from dataclasses import dataclass
from pathlib import Path

from misc.reproduction.run_records import run_folders

TRAIN_IMAGES = {  # per epoch
    # partition 0, 162,770 images, without its share of MAFL, which is a tenth of CelebA: about
    "CelebAPrunedAligned_MAFLVal": 146_700,
    "MAFLAligned": 19_000,
    "AFLW": 10_122,
    "AFLW_MTFL": 10_122,
    "ThreeHundredW": 3_148,
}
BASIS = (
    "time: training alone, at the images_per_s of the newest run in {} with the same network, "
    "loss, image size and kind of device; unknown without such a run"
)


@dataclass(frozen=True)
class Speed:
    """Images per second; cached descriptors make the first epoch slower than the others."""

    first: float
    later: float


def likeness(config, device):
    """Return what makes the speeds of two trainings comparable; config: as JSON holds it."""
    dataset = config.get("dataset", {}).get("args", {})
    sections = [config.get(key) for key in ("arch", "loss", "keypoint_regressor")]
    size = dataset.get("imwidth"), dataset.get("crop", 0)
    kind = "cpu" if device in (None, "cpu") else "gpu"
    return str((sections, size, config.get("cache_descriptors"), kind))


def measured_speeds(save_dir):
    """Return {likeness: ``Speed``} of the runs below a save_dir, of like ones the newest's."""
    names = {path.name for path in (Path(save_dir) / "log").glob("*")}
    places = [place for name in names for place in run_folders(save_dir, name)]
    speeds = {}
    for place in sorted(places, key=lambda place: place.relative.parts[1:], reverse=True):
        device, speed = place.log.device, _speed(place.log)
        if place.config is not None and device and speed:
            speeds.setdefault(likeness(place.config, device), speed)
    return speeds


def _speed(log):
    rates = [epoch.get("images_per_s", 0) for epoch in log.epochs]
    if not rates or min(rates) <= 0:
        return None
    return Speed(rates[0], statistics.harmonic_mean(rates[1:] or rates))


def estimate_seconds(job, state, device, speeds):
    """Return about how long the rest of a job trains, None if no log tells."""
    speed = speeds.get(likeness(job.config.raw, device))
    images = TRAIN_IMAGES.get(job.config.raw["dataset"]["type"])
    if state.finished or job.epochs == state.epoch:
        return 0
    if speed is None or images is None:
        return None
    later = job.epochs - state.epoch - 1
    return images / speed.first + later * images / speed.later


def duration(seconds):
    """Return seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
