"""Make files like the published ones: state dicts, and checkpoints as torch 1.1 wrote them."""

import argparse
import json
import logging
import sys
import types
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path, PosixPath
from unittest import mock

import torch

STATE_DICTS = Path(__file__).parents[1] / "published_state_dicts.json"


def published_shapes(model):
    """Return name -> shape of "smallnet64", "hourglass64" or "regressor" (16-d, 5 landmarks)."""
    shapes = json.loads(STATE_DICTS.read_text())[model]
    return {name: tuple(shape) for name, shape in shapes.items()}


def published_state_dict(model, seed=0):
    """Return random tensors under the published names; running variances are positive."""
    generator = torch.Generator().manual_seed(seed)
    state = OrderedDict()
    state._metadata = OrderedDict({"": {"version": 1}, "conv1.1": {"version": 2}})
    for name, shape in published_shapes(model).items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(17)
        else:
            state[name] = torch.rand(shape, generator=generator) - 0.4 * ("running_var" not in name)
    return state


def save_published(path, state_dict, zip_format=False, epoch=100, arch="SmallNet",
                   plain_config=False, config=None):
    """Write a checkpoint like the original's: CUDA storages, an optimiser, foreign objects."""
    config = config or {"arch": {"type": arch, "args": {"num_output_channels": 64}}}
    with _foreign_modules() as config_parser:
        config = config if plain_config else _foreign_config(config_parser, config)
        contents = {
            "arch": arch, "epoch": epoch, "state_dict": state_dict, "monitor_best": float("inf"),
            "optimizer": _optimizer_state(), "config": config,
            "logger": sys.modules["logger.logger"].Logger(),
        }
        save_as_cuda(contents, path, zip_format)


def save_as_cuda(contents, path, zip_format=False, pickle_protocol=2):
    with mock.patch("torch.serialization.location_tag", lambda storage: "cuda:0"):
        torch.save(contents, path, pickle_protocol=pickle_protocol,
                   _use_new_zipfile_serialization=zip_format)


def _foreign_config(config_parser, content):
    config = config_parser()
    config.args = argparse.Namespace(config="configs/celeba/x.json", device="0", resume=None)
    config._config = json.loads(json.dumps(content), object_pairs_hook=OrderedDict)
    config._save_dir = PosixPath("data/saved/models/celeba-x/2019-08-02_06-19-59")
    config.resume = None
    config.log_levels = {0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}
    config.logger = logging.getLogger("train")
    return config


def _optimizer_state():
    """Return Adam's state as torch 1.1 had it: parameters are named by their addresses."""
    moments = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    addresses = [140245612363784, 140245612363856]
    of_one = {"step": 7, **{name: torch.rand(3) for name in moments}}
    group = {"lr": 0.001, "betas": (0.9, 0.999), "amsgrad": True, "params": addresses}
    return {"state": {address: of_one for address in addresses}, "param_groups": [group]}


@contextmanager
def _foreign_modules():
    """Have the original's classes importable, as they were for the program that saved them."""
    modules = {name: types.ModuleType(name) for name in ("parse_config", "logger", "logger.logger")}
    config_parser = _foreign_class(modules["parse_config"], "ConfigParser")
    _foreign_class(modules["logger.logger"], "Logger")
    sys.modules.update(modules)
    try:
        yield config_parser
    finally:
        for name in modules:
            del sys.modules[name]


def _foreign_class(module, name):
    created = type(name, (), {"__module__": module.__name__})
    setattr(module, name, created)
    return created
