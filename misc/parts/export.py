"""What ``misc/export.py`` writes: a traced network, as a torch.export or an ONNX file."""

import json

import torch
from torch import nn
from torch.export import Dim

from data_loader.augmentation import normalise
from model import HourglassNet
from utils.disk import write_atomically
from utils.errors import UserError
from utils.geometry.coordinates import to_pixels

# A map of one cell would be traced as one that never grows: smaller images are refused.
LEAST_SIDE = 4
LEAST_HOURGLASS_SIDE = 63
LEAST_OPSET = 18  # that torch.onnx writes; it converts to older ones, but not always


class Exportable(nn.Module):
    """Images (B, 3, H, W) in [0, 1] to descriptors, or with a head to landmarks in pixels."""

    def __init__(self, backbone, head=None):
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, images):
        descriptors = self.backbone(normalise(255 * images))
        if self.head is None:
            return descriptors
        return to_pixels(self.head(descriptors), *images.shape[-2:])

    @property
    def output_name(self):
        return "descriptors" if self.head is None else "landmarks"


def exportable(network, config):
    """Return what is exported of a checkpoint's network.

    In the plain memory format: channels_last would be traced as a condition on the sizes.
    """
    if config.is_landmark:
        module = Exportable(network[0].wrapped_module, network[1:])
    else:
        module = Exportable(network)
    return module.eval().to(memory_format=torch.contiguous_format)


@torch.no_grad()
def trace(module, side):
    """Return the ``ExportedProgram`` of a module that learned from images ``side`` pixels wide."""
    free = free_dimensions(module.backbone, side)
    return torch.export.export(module, (torch.rand(2, 3, side, side),), dynamic_shapes=(free,))


def free_dimensions(backbone, side):
    """Return the dimensions of images that may change: their number, and their size unless the
    network was trained on images smaller than what can be traced.
    """
    least = LEAST_HOURGLASS_SIDE if isinstance(backbone, HourglassNet) else LEAST_SIDE
    free = {0: Dim("batch")}
    if side >= least:
        free.update({2: Dim("height", min=least), 3: Dim("width", min=least)})
    return free


def write_torch(path, program, module, facts):
    """Write a torch.export file."""
    extra = {"dve.json": json.dumps(facts)}
    write_atomically(path, lambda file: torch.export.save(program, file, extra_files=extra))


def write_onnx(path, program, module, facts, opset=None):
    """Write an ONNX file; opset: the version of its operators, None for the one torch prefers."""
    onnx = import_onnx()
    exported = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=opset,
        input_names=["images"],
        output_names=[module.output_name],
        verbose=False,
    )
    proto = exported.model_proto
    onnx.helper.set_model_props(proto, {name: str(value) for name, value in facts.items()})
    write_atomically(path, lambda file: file.write(proto.SerializeToString()))


def import_onnx(opset=None):
    """Return the module onnx, once it and onnxscript are known to be there, and to know an opset.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401  (torch.onnx needs it)
    except ImportError as error:
        raise UserError(
            f"--format onnx: {error.name} is missing; "
            "pip install -r requirements/export-requirements.txt"
        ) from error
    latest = onnx.defs.onnx_opset_version()
    if opset is not None and not LEAST_OPSET <= opset <= latest:
        raise UserError(f"--opset {opset}: expected {LEAST_OPSET} to {latest}")
    return onnx


FORMATS = {"onnx": write_onnx, "torch": write_torch}
