"""misc/export.py: the exported files, run by others, give what the network gives."""

import ast
import json
import re
import subprocess
import sys
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import ExifTags, Image

import inference
from data_loader.augmentation import normalise
from inference.loading import read_network
from misc import export
from misc.parts import export as exporting
from model import HourglassNet, SmallNet
from tests.data_helpers.stand_ins import ramp, save_both, save_tiny_checkpoint
from tests.data_helpers.tiny_runs import EMBEDDING, ENVIRONMENT, ROOT
from utils.cli import run_program
from utils.errors import UserError
from utils.geometry.coordinates import to_pixels

HOURGLASS = {"num_output_channels": 3, "num_blocks": 1, "planes_conv1": 4, "planes_block": 4,
             "planes_hg": 4}
SIZES = [(1, 63, 64), (5, 65, 98), (2, 97, 71), (3, 96, 96)]  # batch, height, width
SMALL_SIZES = [(1, 24, 24), (4, 33, 47), (2, 7, 4)]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Paths by kind, none of them trained."""
    folder = tmp_path_factory.mktemp("models")
    embedding, landmarks = save_both(folder)
    torch.manual_seed(0)
    config = {**EMBEDDING, "arch": {"type": "HourglassNet", "args": HOURGLASS},
              "dataset": {"type": "LandmarkFolder", "args": {"imwidth": 80, "crop": 6}}}
    hourglass = save_tiny_checkpoint(folder / "hourglass.pth", HourglassNet(**HOURGLASS), config)
    return {"embedding": embedding, "landmarks": landmarks, "hourglass": hourglass}


@pytest.fixture(scope="module")
def traced(checkpoints):
    """Return a function of a kind: what is exported, and its program; traced once."""

    @cache
    def trace(kind):
        network, config, _ = read_network(checkpoints[kind])
        module, args = exporting.exportable(network, config), config.dataset["args"]
        return module, exporting.trace(module, args["imwidth"] - 2 * args["crop"])

    return trace


@pytest.fixture(scope="module")
def written(traced, tmp_path_factory):
    """Return a function of kind and format: the path of the exported file."""
    folder = tmp_path_factory.mktemp("exported")

    @cache
    def write(kind, form):
        module, program = traced(kind)
        path = folder / f"{kind}.{form}"
        exporting.FORMATS[form](path, program, module, {"kind": kind, "crop": 4})
        return path

    return write


def runner(path):
    """Return a function that runs an exported file as another program would."""
    if path.suffix == ".torch":
        return torch.export.load(path).module()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # more of them wait for each other in a busy loop
    session = onnxruntime.InferenceSession(path, options)
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def expected(checkpoint, images):
    """Return what the project's own network gives for images in [0, 1]."""
    model = inference.load(checkpoint)
    with torch.no_grad():
        descriptors = model.backbone(normalise(images * 255))
        if not model.has_landmarks:
            return descriptors
        return to_pixels(model.head(descriptors), *images.shape[-2:])


def assert_agrees(program, checkpoint, sizes, is_landmark=False):
    for B, H, W in sizes:
        images = torch.rand(B, 3, H, W, generator=torch.Generator().manual_seed(H))
        unit = max(H, W) / 2 if is_landmark else 1  # pixels of the normalised 1e-4
        torch.testing.assert_close(
            program(images), expected(checkpoint, images), atol=1e-4 * unit, rtol=0)


@pytest.mark.parametrize("form", exporting.FORMATS)
def test_landmark_files_agree_with_the_network_at_all_sizes(written, checkpoints, form):
    program = runner(written("landmarks", form))
    assert_agrees(program, checkpoints["landmarks"], SMALL_SIZES + SIZES, is_landmark=True)


def test_an_hourglass_agrees_with_the_network_at_all_sizes(traced, written, checkpoints):
    assert_agrees(traced("hourglass")[1].module(), checkpoints["hourglass"], SIZES)
    assert_agrees(runner(written("hourglass", "onnx")), checkpoints["hourglass"], SIZES)
    onnx.checker.check_model(onnx.load(written("hourglass", "onnx")), full_check=True)


def test_metadata_say_how_images_are_shown(written):
    properties = onnx.load(written("landmarks", "onnx")).metadata_props
    assert {p.key: p.value for p in properties} == {"kind": "landmarks", "crop": "4"}
    extra = {"dve.json": ""}
    torch.export.load(written("landmarks", "torch"), extra_files=extra)
    assert json.loads(extra["dve.json"]) == {"kind": "landmarks", "crop": 4}


def test_an_export_as_users_type_it(run_program, checkpoints, tmp_path):
    output = tmp_path / "models" / "embedding.onnx"
    finished = run_program("misc/export.py", checkpoints["embedding"], "--format", "onnx",
                           "--output", output)
    assert finished.code == 0, finished.stderr
    assert finished.stdout == f"{output}: output descriptors, imwidth 32, crop 4\n"
    assert [file.name for file in output.parent.iterdir()] == ["embedding.onnx"]
    onnx.checker.check_model(onnx.load(output), full_check=True)
    assert_agrees(runner(output), checkpoints["embedding"], SMALL_SIZES)


def test_an_image_gives_what_the_api_gives(written, checkpoints):
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    inner = torch.from_numpy(image[4:-4, 4:-4]).permute(2, 0, 1)[None] / 255
    landmarks = inference.load(checkpoints["landmarks"]).landmarks(image)
    found = runner(written("landmarks", "onnx"))(inner)[0] + 4
    torch.testing.assert_close(found, landmarks, atol=1e-3, rtol=0)


def test_a_network_trained_on_images_too_small_to_trace_has_one_size():
    large, small = HourglassNet(**HOURGLASS), SmallNet(2)
    free = exporting.free_dimensions
    assert set(free(large, 63)) == set(free(small, 62)) == {0, 2, 3}
    assert set(free(large, 62)) == set(free(small, 3)) == {0}


def test_a_missing_package_is_named_before_anything_runs(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    arguments = ["absent.pth", "--format", "onnx", "--output", "x.onnx"]
    code = run_program(lambda: export.main(arguments))
    assert code == 2 and capsys.readouterr().err == (
        "error: --format onnx: onnxscript is missing; "
        "pip install -r requirements/export-requirements.txt\n")


def test_what_cannot_be_exported_or_written(checkpoints, tmp_path, capsys):
    code = run_program(lambda: export.main(["absent.pth", "--format", "torch", "--output", "x"]))
    assert code == 2 and "absent.pth: cannot read" in capsys.readouterr().err
    (tmp_path / "file").touch()
    arguments = [str(checkpoints["embedding"]), "--format", "torch",
                 "--output", str(tmp_path / "file" / "x.pt2")]
    code = run_program(lambda: export.main(arguments))
    assert code == 2 and str(tmp_path / "file") in capsys.readouterr().err


@pytest.mark.parametrize("opset", [exporting.LEAST_OPSET, onnx.defs.onnx_opset_version()])
def test_the_version_of_the_operators_can_be_chosen(traced, checkpoints, tmp_path, opset):
    module, program = traced("embedding")
    exporting.write_onnx(tmp_path / "a.onnx", program, module, {}, opset=opset)
    proto = onnx.load(tmp_path / "a.onnx")
    assert {entry.domain: entry.version for entry in proto.opset_import} == {"": opset}
    onnx.checker.check_model(proto, full_check=True)
    if opset == exporting.LEAST_OPSET:  # runtimes follow the newest versions later
        assert proto.ir_version == 8  # the format's version when these operators were new
        assert_agrees(runner(tmp_path / "a.onnx"), checkpoints["embedding"], SMALL_SIZES)


def test_a_version_that_is_not_reached_is_an_error(traced, monkeypatch, tmp_path):
    """torch only warns where it cannot convert, and returns the version that it began with."""
    module, program = traced("embedding")
    export_program = torch.onnx.export
    monkeypatch.setattr(torch.onnx, "export", lambda *args, opset_version, **options:
                        export_program(*args, opset_version=18, **options))
    with pytest.raises(UserError, match="--opset 19: this network needs version 18"):
        exporting.write_onnx(tmp_path / "a.onnx", program, module, {}, opset=19)
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.parametrize("form, opset, expected", [
    ("onnx", "17", "error: --opset 17: expected 18 to "),
    ("onnx", "999", "error: --opset 999: expected 18 to "),
    ("torch", "19", "argument --opset: 19, expected none with --format torch"),
])
def test_a_version_that_is_none_is_told_at_once(capsys, form, opset, expected):
    words = ["absent.pth", "--format", form, "--output", "x", "--opset", opset]
    try:
        code = run_program(lambda: export.main(words))
    except SystemExit as end:
        code = end.code
    assert code == 2 and expected in capsys.readouterr().err


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The program of docs/onnx.md, in a folder of its own."""
    page = (ROOT / "docs" / "onnx.md").read_text()
    (text,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    path = tmp_path_factory.mktemp("example") / "find.py"
    path.write_text(text)
    return path


@pytest.mark.parametrize("facts", [{}, {"by_content": 1}])
def test_the_documented_program_finds_what_the_api_finds(
        example, written, checkpoints, traced, facts):
    """In photographs that are nearly square, wide, high, and stored on their side."""
    rotated = Image.Exif()
    rotated[ExifTags.Base.Orientation] = 6
    shapes = {"near.png": (230, 200), "wide.jpg": (301, 160), "high.jpg": (90, 203)}
    for name, size in {**shapes, "turned.jpg": (300, 160)}.items():
        options = {"exif": rotated} if name == "turned.jpg" else {}
        Image.fromarray(ramp(*size)).save(example.parent / name, **options)
    names = [*shapes, "turned.jpg"]
    model = example.parent / "landmarks.onnx"
    exporting.write_onnx(model, traced("landmarks")[1], traced("landmarks")[0],
                         {"imwidth": 32, "crop": 4, **facts})
    done = subprocess.run([sys.executable, "find.py", model.name, *names], cwd=example.parent,
                          env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    api = inference.load(checkpoints["landmarks"])
    api.viewer.by_content = bool(facts)
    for name, line in zip(names, done.stdout.splitlines(), strict=True):
        assert line.startswith(f"{name} [[")
        found = torch.tensor(json.loads(line.removeprefix(name)))
        expected = api.landmarks(example.parent / name)
        torch.testing.assert_close(found, expected, atol=0.11, rtol=0)


def test_the_documented_program_needs_three_packages(example):
    tree = ast.parse(example.read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
               for alias in node.names}
    modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {"sys", "numpy", "onnxruntime", "PIL"}
    assert sum(bool(line.strip()) for line in example.read_text().splitlines()) <= 30
