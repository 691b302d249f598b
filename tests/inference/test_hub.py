"""hubconf.py: the entries that ``torch.hub`` finds in a checkout."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

import hubconf
import inference
from model import HourglassNet, SmallNet
from tests.data_helpers.stand_ins import ramp, save_both
from tests.data_helpers.tiny_runs import ENVIRONMENT, ROOT


def hub(entry, *args, **options):
    return torch.hub.load(str(ROOT), entry, *args, source="local", **options)


def test_only_entries_are_offered_each_with_its_help():
    """``torch.hub`` takes every callable whose name has no underscore before it."""
    entries = {name for name, value in vars(hubconf).items()
               if callable(value) and not name.startswith("_")}
    assert entries == {"smallnet", "hourglass", "model"}
    assert all(len(getattr(hubconf, name).__doc__) > 50 for name in entries)
    assert all(find_spec(name) for name in hubconf.dependencies)


def test_networks_with_fresh_weights():
    small = hub("smallnet", num_output_channels=3, do_maxpool=False)
    assert isinstance(small, SmallNet) and small(torch.rand(1, 3, 9, 8)).shape == (1, 3, 9, 8)
    large = hub("hourglass", 5, num_blocks=1, planes_conv1=4, planes_block=4, planes_hg=4)
    assert isinstance(large, HourglassNet) and large.num_output_channels == 5
    assert hub("smallnet").num_output_channels == hub("hourglass").num_output_channels == 64


def test_a_trained_model_from_another_folder(tmp_path):
    """In a process of its own, which finds the packages by ``torch.hub`` alone."""
    embedding, _ = save_both(tmp_path)
    code = f"""if True:
        import numpy, torch
        model = torch.hub.load({str(ROOT)!r}, "model", "embedding.pth", source="local")
        print(model.embed(numpy.full((9, 7, 3), 50, numpy.uint8)).descriptors.sum().item())
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    expected = inference.load(embedding).embed(0 * ramp(7, 9) + 50).descriptors.sum().item()
    assert abs(float(done.stdout) - expected) < 1e-3


OWN_NAMES = ("base", "data_loader", "inference", "model", "trainer", "utils")


@pytest.mark.parametrize("imported_before", [(), OWN_NAMES])
def test_a_script_keeps_its_own_modules_of_the_same_names(tmp_path, imported_before):
    embedding, _ = save_both(tmp_path)
    for name in OWN_NAMES:
        (tmp_path / f"{name}.py").write_text(f"owner = 'the script, {name}'")
    code = f"""if True:
        import importlib, sys, numpy, torch
        before = {{name: importlib.import_module(name) for name in {imported_before}}}
        path = list(sys.path)
        first, second = (torch.hub.load({str(ROOT)!r}, "model", "embedding.pth", source="local")
                         for _ in range(2))
        network = torch.hub.load({str(ROOT)!r}, "smallnet", source="local")
        assert sys.path == path
        assert type(network) is type(first.backbone)
        for name in {OWN_NAMES}:
            module = importlib.import_module(name)
            assert module.owner == "the script, " + name
            assert before.get(name, module) is module
        picture = numpy.full((9, 7, 3), 50, numpy.uint8)
        first.match(picture, second.embed(picture), [[3, 3]])
        print(second.embed(picture).descriptors.sum().item())
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    expected = inference.load(embedding).embed(0 * ramp(7, 9) + 50).descriptors.sum().item()
    assert abs(float(done.stdout) - expected) < 1e-3
