"""For what the host waits in a training step on a GPU, counted on a pretend one."""

import pytest

from base import base_trainer
from base.base_trainer import BaseTrainer
from tests.data_helpers.finished_runs import finished_embedding
from tests.data_helpers.pretend_gpu import PretendGpu

LOOK_EVERY, MOST_LAUNCHES = 4, 400


@pytest.fixture
def steps(monkeypatch):
    """A list that is filled with (waits, copies, launches) of each step that was taken, the time
    between two of them included.
    """
    monkeypatch.setattr(base_trainer, "LOOK_EVERY", LOOK_EVERY)
    optimise, counted = BaseTrainer.optimise, []

    def counting(trainer, batch, epoch):
        gpu = PretendGpu.current
        counted.append((gpu.waits, gpu.copies, gpu.launches))
        gpu.reset()
        return optimise(trainer, batch, epoch)

    monkeypatch.setattr(BaseTrainer, "optimise", counting)
    return counted


def assert_waits_now_and_then(counted, num_copies):
    """Check (waits, copies, launches) of the steps of an epoch, the first one excepted, which
    copies constants.
    """
    assert len(counted) > 2 * LOOK_EVERY
    for number, (waits, copies, _) in enumerate(counted[2:], start=1):
        assert copies.total() == num_copies, copies
        assert waits.total() == (number % LOOK_EVERY == 0) * waits.total() <= 2, (number, waits)


@pytest.mark.parametrize("changes, copies", [
    ({}, 2), ({"trainer": {"epochs": 1, "tensorboardX": False, "accumulation": 2}}, 4),
    ({"cache": "device"}, 2)], ids=["plain", "accumulation", "cache on the device"])
def test_a_step_makes_two_copies_and_waits_for_nothing(
        train, embedding_config, steps, changes, copies):
    config = embedding_config(**{
        "min_epoch_images": 40, "num_workers": 0, "trainer": {"epochs": 1, "tensorboardX": False},
        "loss_args": {"implementation": "chunked"}, **changes})
    with PretendGpu():
        train(config, "--device", "0")
    assert_waits_now_and_then(steps, copies)
    assert max(launches.total() for *_, launches in steps[2:]) <= MOST_LAUNCHES * copies / 2


@pytest.mark.parametrize("cached, copies", [(True, 1), (False, 3)])
def test_a_regressors_step_waits_for_nothing(
        train, landmark_config, steps, landmark_folder, tmp_path, cached, copies):
    embedding = finished_embedding(tmp_path / "embedding", landmark_folder)
    config = landmark_config(min_epoch_images=40, num_workers=0, cache_descriptors=cached,
                             trainer={"epochs": 1, "tensorboardX": False})
    with PretendGpu():
        train(config, "--device", "0", "--resume", embedding.checkpoint)
    assert_waits_now_and_then(steps, copies)
