"""Trace a network, and write it as a torch.export or an ONNX file."""

import json

import torch
from torch import nn
from torch.export import Dim

from data_loader.augmentation import normalise
from model import HourglassNet
from utils.disk import write_atomically
from utils.errors import UserError
from utils.geometry.coordinates import to_pixels

# With smaller images, whose map is one cell, the traced program would have a fixed size.
LEAST_SIDE = 4
LEAST_HOURGLASS_SIDE = 63
LEAST_OPSET = 18  # written by torch.onnx; conversion to older ones can fail


class Exportable(nn.Module):
    """Maps images (B, 3, H, W) in [0, 1] to descriptors, or with a head to landmarks in pixels."""

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
    """Return the ``Exportable`` of a checkpoint's network, in the plain memory format: tracing
    would turn channels_last into a condition on the sizes.
    """
    parts = (network[0].wrapped_module, network[1:]) if config.is_landmark else (network,)
    module = Exportable(*parts)
    return module.eval().to(memory_format=torch.contiguous_format)


@torch.no_grad()
def trace(module, side):
    """Return the ``ExportedProgram`` of a module trained on images ``side`` pixels wide."""
    free = free_dimensions(module.backbone, side)
    return torch.export.export(module, (torch.rand(2, 3, side, side),), dynamic_shapes=(free,))


def free_dimensions(backbone, side):
    """Return the dynamic dimensions of images: their number, and their size unless the network was
    trained on images too small to be traced with a free size.
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
    """Write an ONNX file; opset: the version of its operators, None for the one torch prefers.

    Raises ``UserError`` if the operators cannot be converted to that version.
    """
    onnx = import_onnx()
    names = {"input_names": ["images"], "output_names": [module.output_name]}
    exported = torch.onnx.export(program, dynamo=True, opset_version=opset, verbose=False, **names)
    proto = exported.model_proto
    version = next(entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))
    if opset not in (None, version):  # torch goes on with a warning where a conversion fails
        raise UserError(f"--opset {opset}: this network needs version {version}")
    # The oldest file format that holds these operators; torch's own choice needs a newer runtime.
    proto.ir_version = onnx.helper.find_min_ir_version_for(proto.opset_import)
    onnx.helper.set_model_props(proto, {name: str(value) for name, value in facts.items()})
    write_atomically(path, lambda file: file.write(proto.SerializeToString()))


def import_onnx(opset=None):
    """Return the module onnx; raises ``UserError`` if it, onnxscript or the opset is missing."""
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
