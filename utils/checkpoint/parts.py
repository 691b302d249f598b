"""The backbone's and the regressor's part of a checkpoint's weights, ours or a published one's."""

import re

from utils.errors import UserError

BACKBONE_PREFIX = "0.wrapped_module."
REGRESSOR_KEYS = {"inner_conv.weight", "reg_conv.weight"}
UNUSED_KEY = re.compile(r"[12]\.(descriptors|linear\.\d+\.weight)")


def backbone_state(state_dict):
    """Return the embedding network's part of a state dict, under its own names."""
    backbone, _ = _split(state_dict)
    return backbone


def regressor_state(state_dict):
    """Return the landmark regressor's part, under its own names; None where there is none.

    What published regressors hold and never use is left out.
    """
    _, regressor = _split(state_dict)
    return regressor


def _split(state_dict):
    named = {_without_module(name): tensor for name, tensor in state_dict.items()}
    backbone = {_without_module(name.removeprefix(BACKBONE_PREFIX)): tensor
                for name, tensor in named.items() if name.startswith(BACKBONE_PREFIX)}
    if not backbone:
        return named, None
    return backbone, _regressor_part({name: tensor for name, tensor in named.items()
                                      if not name.startswith(BACKBONE_PREFIX)})


def _regressor_part(rest):
    """``rest``: all but the backbone, under ``1.``, or ``2.`` behind an upsampling layer."""
    used = {name: tensor for name, tensor in rest.items() if not UNUSED_KEY.fullmatch(name)}
    regressor = {re.sub(r"^[12]\.", "", name): tensor for name, tensor in used.items()}
    if regressor.keys() != REGRESSOR_KEYS or len(used) != len(regressor):
        raise UserError(f"a landmark regressor with the parameters {sorted(used)}, "
                        f"expected {sorted(REGRESSOR_KEYS)} behind '1.' or '2.'")
    return regressor


def _without_module(name):
    """Strip what DataParallel puts before each name."""
    return re.sub(r"^(module\.)+", "", name)
