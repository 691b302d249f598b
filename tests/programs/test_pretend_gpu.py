"""The pretend GPU of the tests: what it refuses and what it counts."""

import copy
import io

import pytest
import torch
from torch import nn

from tests.data_helpers.pretend_gpu import MixedDevices, PretendGpu


@pytest.fixture
def gpu():
    with PretendGpu() as gpu:
        yield gpu


def test_tensors_name_their_device_and_hold_numbers(gpu):
    made = [torch.ones(3, device="cuda"), torch.ones(3).to("cuda:0"), torch.ones(3).cuda(),
            torch.tensor([1.0, 1, 1], device=torch.device("cuda", 0))]
    made += [made[0].new_ones(3), torch.ones_like(made[0]), made[0] * 1, made[0].double().float()]
    for tensor in made:
        assert tensor.device == torch.device("cuda:0") and tensor.is_cuda and not tensor.is_cpu
        assert (tensor.cpu().device.type, tensor.tolist()) == ("cpu", [1, 1, 1])


@pytest.mark.parametrize("mix", [
    lambda here, there: here + there, lambda here, there: torch.cat([here, there]),
    lambda here, there: there.add_(here), lambda here, there: here[there.long()],
    lambda here, there: torch.where(there > 0, here, here)])
def test_tensors_of_two_devices_do_not_meet(gpu, mix):
    with pytest.raises(MixedDevices, match=r"same device.* in tests/programs/test_pretend_gpu.py"):
        mix(torch.ones(3), torch.ones(3, device="cuda"))


def test_numbers_on_the_cpu_may_meet_any_tensor(gpu):
    assert (torch.ones(3, device="cuda") * torch.tensor(2.0)).tolist() == [2, 2, 2]
    with pytest.raises(TypeError, match="can't convert cuda:0"):
        torch.ones(3, device="cuda").numpy()


@pytest.mark.parametrize("wait, what", [
    (lambda a: a.sum().item(), "item"), (lambda a: float(a[0]), "item"),
    (lambda a: bool(a[0] > 0), "item"), (lambda a: a.tolist(), "tolist"),
    (lambda a: a.cpu(), "copy to the host"), (lambda a: a.nonzero(), "nonzero"),
    (lambda a: a[a > 0], "boolean index"), (lambda a: a[torch.tensor([0])], "index on the CPU"),
    (lambda a: torch.tensor(1.0, device="cuda"), "copy from numbers"),
    (lambda a: torch.ones(3).to("cuda", non_blocking=True), "copy"),
    (lambda a: torch.ones(3).pin_memory().to("cuda"), "copy"),
    (lambda a: torch.cuda.synchronize(), "synchronize")])
def test_the_host_waits(gpu, wait, what):
    a = torch.ones(3, device="cuda")
    wait(a)
    (place,) = gpu.waits
    assert place.startswith(f"{what} in tests/programs/test_pretend_gpu.py:")


def test_nobody_waits_for_copies_of_pinned_memory_and_for_arithmetic(gpu):
    sent = torch.ones(3).pin_memory()[:2].to("cuda", non_blocking=True)
    (sent.view(2, 1) + 1).sum()
    assert not gpu.waits and gpu.copies.total() == 1 and gpu.bytes_sent == 8
    assert gpu.launches == {"aten.add.Tensor": 1, "aten.sum.default": 1}


def test_networks_learn_there_as_on_the_cpu(gpu):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))
    images = torch.randn(2, 3, 8, 8)
    learned = {}
    for device in ("cpu", "cuda:0"):
        own = copy.deepcopy(network).to(device, memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(own.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            own(images.to(device)).square().mean().backward()
            optimizer.step()
        file = io.BytesIO()
        torch.save(own.state_dict(), file)
        file.seek(0)
        learned[device] = torch.load(file, map_location="cpu", weights_only=True)
    for name, value in learned["cpu"].items():
        assert torch.equal(learned["cuda:0"][name], value), name


@pytest.mark.parametrize("name", ["mps", "xpu:0"])
def test_it_may_be_of_another_kind(name):
    with PretendGpu(name):
        there = torch.ones(3, device=name)
        assert there.device == torch.device(name) and not there.is_cuda
        with pytest.raises(MixedDevices):
            there + torch.ones(3)
