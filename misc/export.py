"""Export a trained network to a file that other programs run: ONNX, or torch.export.

    python misc/export.py saved/models/<run>/<time> --format onnx --output embedding.onnx
    python misc/export.py <landmarks>.pth --format torch --output landmarks.pt2

MODEL is a checkpoint, or the folder of a run. The file takes ``images``, float32 (B, 3, H, W), RGB
in [0, 1]; normalisation is inside. It returns ``descriptors`` (B, C, h, w), or of a landmark model
``landmarks`` (B, K, 2), (x, y) in pixels of the images it was given. B, H and W are free. In
training, images were resized to imwidth x imwidth, and ``crop`` pixels were cut from every side:
both numbers go with the file, as metadata of ONNX and as dve.json in a torch.export file.

    program = torch.export.load("landmarks.pt2").module(); landmarks = program(images)

--format onnx needs requirements/export-requirements.txt.
"""

import json
import sys
from pathlib import Path

import torch
from torch import nn
from torch.export import Dim

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python misc/export.py`

from data_loader.augmentation import normalise  # noqa: E402
from inference.loading import build_viewer, read_network  # noqa: E402
from model import HourglassNet  # noqa: E402
from utils.checkpoint import write_atomically  # noqa: E402
from utils.cli import make_parser, run  # noqa: E402
from utils.disk import disk_errors  # noqa: E402
from utils.errors import UserError  # noqa: E402
from utils.tps import to_pixels  # noqa: E402

# A map of one cell would be traced as one that never grows: smaller images are refused.
LEAST_SIDE = 4
LEAST_HOURGLASS_SIDE = 63


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


def write_onnx(path, program, module, facts):
    """Write an ONNX file."""
    onnx = import_onnx()
    exported = torch.onnx.export(
        program,
        dynamo=True,
        input_names=["images"],
        output_names=[module.output_name],
        verbose=False,
    )
    proto = exported.model_proto
    onnx.helper.set_model_props(proto, {name: str(value) for name, value in facts.items()})
    write_atomically(path, lambda file: file.write(proto.SerializeToString()))


def import_onnx():
    """Return the module onnx, once it and onnxscript are known to be there."""
    try:
        import onnx
        import onnxscript  # noqa: F401  (torch.onnx needs it)
    except ImportError as error:
        raise UserError(
            f"--format onnx: {error.name} is missing; "
            "pip install -r requirements/export-requirements.txt"
        ) from error
    return onnx


FORMATS = {"onnx": write_onnx, "torch": write_torch}


def main(argv=None):
    parser = make_parser(__doc__)
    parser.add_argument("model", metavar="MODEL", help="a checkpoint, or the folder of a run")
    parser.add_argument("--format", required=True, choices=FORMATS, help="of the file")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="what to write")
    parser.add_argument(
        "--config", metavar="FILE", help="the model's config, if it does not come with it"
    )
    args = parser.parse_args(argv)
    if args.format == "onnx":
        import_onnx()
    network, config, _ = read_network(args.model, args.config)
    viewer, module = build_viewer(config), exportable(network, config)
    side = viewer.imwidth - 2 * viewer.crop
    facts = {"output": module.output_name, "imwidth": viewer.imwidth, "crop": viewer.crop}
    with disk_errors(args.output):
        args.output.parent.mkdir(parents=True, exist_ok=True)
    FORMATS[args.format](args.output, trace(module, side), module, facts)
    print(f"{args.output}: {', '.join(f'{name} {value}' for name, value in facts.items())}")


if __name__ == "__main__":
    sys.exit(run(main))
