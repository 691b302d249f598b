"""Split a checkpoint's weights, ours or published ones, into backbone and landmark regressor."""

import re

from utils.errors import UserError

BACKBONE_PREFIX = "0.wrapped_module."
REGRESSOR_KEYS = {"inner_conv.weight", "reg_conv.weight"}
UNUSED_KEY = re.compile(r"[12]\.(descriptors|linear\.\d+\.weight)")


def backbone_state(state_dict):
    """Return the backbone's part of a state dict, under its own names."""
    return _split(state_dict)[0]


def regressor_state(state_dict):
    """Return the landmark regressor's part of a state dict, under its own names, or None.

    Parameters that published regressors hold and never use are dropped.
    """
    return _split(state_dict)[1]


def _split(state_dict):
    backbone, rest = {}, {}
    for name, tensor in state_dict.items():
        name = _without_module(name)
        if name.startswith(BACKBONE_PREFIX):
            backbone[_without_module(name.removeprefix(BACKBONE_PREFIX))] = tensor
        else:
            rest[name] = tensor
    if not backbone:
        return rest, None
    used = {name: tensor for name, tensor in rest.items() if not UNUSED_KEY.fullmatch(name)}
    # "2." if an upsampling layer precedes it.
    regressor = {re.sub(r"^[12]\.", "", name): tensor for name, tensor in used.items()}
    if regressor.keys() != REGRESSOR_KEYS or len(used) != len(regressor):
        raise UserError(
            f"a landmark regressor with the parameters {sorted(used)}, "
            f"expected {sorted(REGRESSOR_KEYS)} behind '1.' or '2.'"
        )
    return backbone, regressor


def _without_module(name):
    """Return a parameter's name without the prefixes of DataParallel."""
    return re.sub(r"^(module\.)+", "", name)
