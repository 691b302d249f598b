"""Export a trained network to a file for other programs: ONNX, or torch.export.

    python misc/export.py saved/models/<run>/<time> --format onnx --output embedding.onnx
    python misc/export.py <landmarks>.pth --format torch --output landmarks.pt2

MODEL is a checkpoint, or the folder of a run. The file takes ``images``, float32 (B, 3, H, W), RGB
in [0, 1]; normalisation is inside. It returns ``descriptors`` (B, C, h, w), or of a landmark model
``landmarks`` (B, K, 2), (x, y) in pixels of the images it was given. B, H and W are free; H and W
are at least 4, or 63 with the Hourglass. In training, images were resized to imwidth x imwidth, and
``crop`` pixels were cut from every side: both numbers go with the file, as metadata of ONNX and as
dve.json in a torch.export file.

    program = torch.export.load("landmarks.pt2").module(); landmarks = program(images)

--format onnx needs requirements/export-requirements.txt.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from utils.cli import add_model, make_parser, parse_path, positive, run_program
from utils.disk import disk_errors


def main(argv=None):
    parser = make_parser(__doc__)
    add_model(parser)
    parser.add_argument("--format", required=True, choices=("onnx", "torch"), help="of the file")
    parser.add_argument(
        "--output", required=True, type=parse_path, metavar="FILE", help="what to write"
    )
    parser.add_argument(
        "--opset", type=positive, metavar="N",
        help="version of ONNX's operators, for older runtimes (default: the one torch prefers)",
    )
    args = parser.parse_args(argv)
    if args.opset and args.format != "onnx":
        parser.error(f"argument --opset: {args.opset}, expected none with --format {args.format}")
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    from inference.loading import build_viewer, read_network
    from misc.parts.export import FORMATS, exportable, import_onnx, trace

    if args.format == "onnx":
        import_onnx(args.opset)
    network, config, _ = read_network(args.model, args.config)
    viewer, module = build_viewer(config), exportable(network, config)
    side = viewer.imwidth - 2 * viewer.crop
    facts = {"output": module.output_name, "imwidth": viewer.imwidth, "crop": viewer.crop}
    if viewer.by_content:
        facts["by_content"] = 1
    with disk_errors(args.output):
        args.output.parent.mkdir(parents=True, exist_ok=True)
    options = {"opset": args.opset} if args.opset else {}
    FORMATS[args.format](args.output, trace(module, side), module, facts, **options)
    print(f"{args.output}: {', '.join(f'{name} {value}' for name, value in facts.items())}")


if __name__ == "__main__":
    sys.exit(run_program(main))
