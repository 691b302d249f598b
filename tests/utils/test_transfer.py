"""What goes to a GPU: equal to what was sent, in one copy, without a wait."""

import pytest
import torch

from tests.data_helpers.pretend_gpu import PretendGpu
from utils import transfer

CPU = torch.device("cpu")


@pytest.mark.parametrize("name, waits", [("cuda:0", 0), ("xpu:0", 1)])
def test_tensors_are_sent_in_one_copy(name, waits):
    tensors = [torch.randn(2, 3), torch.randn(4), torch.randn(0, 2), torch.randn(2, 1, 2)]
    with PretendGpu(name) as gpu:
        sent = transfer.send_together(tensors, gpu.device)
        assert (gpu.waits.total(), gpu.copies.total()) == (waits, 1 - waits)
        for tensor, expected in zip(sent, tensors, strict=True):
            assert tensor.device == gpu.device and torch.equal(tensor.cpu(), expected)


def test_on_the_cpu_nothing_is_copied():
    tensors = [torch.randn(2, 3), torch.randn(4)]
    assert all(a is b for a, b in zip(transfer.send_together(tensors, CPU), tensors, strict=True))


def test_a_constant_is_copied_once_to_a_gpu():
    with PretendGpu("cuda:3") as gpu:  # no other test has one
        values = [transfer.constant(((1, 2), (3, 4.5)), gpu.device) for _ in range(3)]
        assert gpu.waits.total() == 1
        assert all(value.tolist() == [[1, 2], [3, 4.5]] for value in values)
    assert transfer.constant((1, 2), CPU).dtype == torch.float32


def test_a_constant_can_be_trained_with_though_inference_asked_for_it_first():
    with PretendGpu("cuda:4") as gpu:
        with torch.inference_mode():
            transfer.constant((5, 6), gpu.device)
        weight = torch.ones(2, device=gpu.device, requires_grad=True)
        (weight * transfer.constant((5, 6), gpu.device)).sum().backward()
        assert weight.grad.tolist() == [5, 6]
