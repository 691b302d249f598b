"""Estimate how long a job takes, from the speed in the logs of similar trainings."""

import statistics
from pathlib import Path

from misc.reproduction.run_records import recorded_runs

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


def likeness(config, device):
    """Return a key that trainings of comparable speed share; config: as JSON holds it."""
    dataset = config.get("dataset", {}).get("args", {})
    sections = [config.get(key) for key in ("arch", "loss", "keypoint_regressor")]
    size = dataset.get("imwidth"), dataset.get("crop", 0)
    kind = "cpu" if device in (None, "cpu") else "gpu"
    return str((sections, size, config.get("cache_descriptors"), kind))


def measured_speeds(save_dir):
    """Return {likeness: (images per second of the first epoch, of the later ones)} of the newest
    run of each likeness below a save_dir. Cached descriptors make the first epoch slower; runs of
    ``--mini_train`` are too short to count.
    """
    names = {path.name for path in (Path(save_dir) / "log").glob("*")}
    runs = [run for name in names for run in recorded_runs(save_dir, name)]
    speeds = {}
    for run in sorted(runs, key=lambda run: run.relative.parts[1:], reverse=True):
        rates = [epoch.get("images_per_s", 0) for epoch in run.log.epochs]
        mini = any("--mini_train" in message for message in run.log.messages)
        if run.config is not None and run.log.device and rates and min(rates) > 0 and not mini:
            speed = rates[0], statistics.harmonic_mean(rates[1:] or rates)
            speeds.setdefault(likeness(run.config, run.log.device), speed)
    return speeds


def estimate_seconds(job, state, device, speeds):
    """Return about how long the rest of a job trains, None if no log has the speed."""
    speed = speeds.get(likeness(job.config.raw, device))
    images = TRAIN_IMAGES.get(job.config.raw["dataset"]["type"])
    if state.finished or job.epochs == state.epoch:
        return 0
    if speed is None or images is None:
        return None
    first, later = speed
    return images / first + (job.epochs - state.epoch - 1) * images / later


def duration(seconds):
    """Return seconds as text, in the unit that suits: 42 s, 17 min, 3 h 05 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
