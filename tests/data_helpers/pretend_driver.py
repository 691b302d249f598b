"""What torch says of GPUs while a ``PretendGpu`` is there."""

import torch

FREE_BYTES = 8 << 30


def replacements(gpu):
    """Return {name: what stands in for it}."""
    kind = gpu.device.type
    autocast = torch.autocast

    def cpu_autocast(device_type, *args, **kwargs):
        return autocast("cpu" if device_type == kind else device_type, *args, **kwargs)

    found = {
        "torch.Tensor.pin_memory": lambda tensor, device=None: gpu.pin(tensor),
        "torch.Tensor.is_pinned": lambda tensor, device=None: gpu.is_pinned(tensor),
        "torch.autocast": cpu_autocast,
        "torch.__future__.get_overwrite_module_params_on_conversion": lambda: True,
        "utils.device.OTHER_GPUS": {kind: lambda: True},
    }
    for kind_of_graph in ("cuda", "accelerator"):  # the second is missing from older torch
        name = f"_{kind_of_graph}_graph_capture_health_check"
        if hasattr(torch.optim.Optimizer, name):
            found[f"torch.optim.Optimizer.{name}"] = lambda optimizer: None
    for module in ("optim.optimizer", "utils._foreach_utils"):  # as for parameters on real GPUs
        found[f"torch.{module}._foreach_supported_types"] = [torch.nn.Parameter, gpu.tensor_type]
    if kind == "mps":
        return found
    return found | {f"torch.{kind}.{name}": answer for name, answer in {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda device: None,
        "synchronize": lambda device=None: gpu.wait("synchronize"),
        "get_device_name": lambda device=None: "a pretend GPU",
        "get_device_capability": lambda device=None: gpu.capability,
        "mem_get_info": lambda device=None: (FREE_BYTES, FREE_BYTES),
        "max_memory_allocated": lambda device=None: 0,
        "is_bf16_supported":
            lambda including_emulation=True: including_emulation or gpu.capability >= (8, 0),
    }.items()} | {
        "torch.accelerator.set_device_index": lambda index: None,
        "torch.accelerator.current_device_index": lambda: 0,
    }
