"""Build the networks, warpers, losses and metrics of a config."""

import inspect
from functools import partial

import torch

from model import BACKBONES, DENSE_LOSSES, LANDMARK_LOSSES, METRICS, REGRESSORS
from model.fused_loss import why_not_fused
from model.keypoint_regressor import landmark_model
from model.loss import check_implementation
from model.metric import landmark_pixel_error
from model.objectives import ExpectedDistance, NegativeLogLikelihood
from utils.config.objects import build, check_arguments, look_up
from utils.drawing.visualizations import EMBEDDING_PICTURES, LANDMARK_PICTURES
from utils.errors import ConfigError, config_errors
from utils.geometry.warper import Warper, WarperSingle

WARPERS = {cls.__name__: cls for cls in (Warper, WarperSingle)}


def build_backbone(config):
    """Return the config's backbone, with fresh weights."""
    return build(config.arch, BACKBONES, "arch").to(memory_format=torch.channels_last)


def build_landmark_model(config, num_landmarks):
    """Return the config's frozen backbone and its regressor in sequence, with fresh weights."""
    backbone = build_backbone(config)
    facts = {
        "descriptor_dimension": backbone.num_output_channels,
        "num_annotated_points": num_landmarks,
    }
    section = config.keypoint_regressor
    for name, value in facts.items():
        if section["args"].get(name, value) != value:
            raise ConfigError(
                f"keypoint_regressor.args.{name} = {section['args'][name]}, "
                f"but network and data set give {value}"
            )
    section = {"type": section["type"], "args": {**facts, **section["args"]}}
    regressor = build(section, REGRESSORS, "keypoint_regressor")
    return landmark_model(backbone, regressor, config.keypoint_regressor_upsample)


def build_pair_warper(config, dataset):
    """Return the warper of training pairs."""
    if config.warper is None or config.warper["type"] == WarperSingle.__name__:
        raise ConfigError(
            "warper: learning an embedding (a config without keypoint_regressor) takes pairs, "
            "expected type 'Warper'"
        )
    return _build_warper(config, dataset)


def build_single_warper(config, dataset):
    """Return the warper that augments annotated images, None if the config has one for pairs."""
    if config.warper is None or config.warper["type"] == Warper.__name__:
        return None
    return _build_warper(config, dataset)


def _build_warper(config, dataset):
    S = dataset.imwidth
    return build(config.warper, WARPERS, "warper", H=S, W=S, crop=dataset.crop)


def build_loss(config, device):
    """Return the config's loss, a callable of tensors with all other arguments bound."""
    registry = LANDMARK_LOSSES if config.is_landmark else DENSE_LOSSES
    function = look_up(config.loss, registry, "loss")
    given_in_training = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty or p.kind is p.KEYWORD_ONLY
    ]
    check_arguments(function, config.loss_args, "loss_args", runtime=given_in_training)
    for name, value in config.loss_args.items():
        if type(value) in (int, float) and value <= 0:
            raise ConfigError(f"loss_args.{name} = {value}, expected a positive number")
    with config_errors("loss_args.implementation"):
        check_implementation(config.loss_args.get("implementation", "auto"), device)
    return partial(function, **config.loss_args)


def loss_implementation(config, device, channels):
    """Return what computes the loss of an embedding on a device, "fused" or "chunked", None for a
    loss that has no such choice; and, if it is chunked on a GPU because nothing else is available,
    why, else None.
    """
    function = look_up(config.loss, DENSE_LOSSES, "loss")
    defaults = {n: p.default for n, p in inspect.signature(function).parameters.items()}
    arguments = {**defaults, **config.loss_args}
    chosen = arguments.get("implementation")
    if chosen != "auto" or device.type != "cuda":
        return "chunked" if chosen == "auto" else chosen, None
    if "sigma" in arguments:
        objective = NegativeLogLikelihood(arguments["sigma"], arguments["outlier"])
    else:
        objective = ExpectedDistance(arguments["pow"])
    reason = why_not_fused(device, torch.float32, channels, objective)
    return "fused" if reason is None else "chunked", reason


def build_metrics(config, dataset):
    """Return the config's metrics, {name: callable (predicted, target) -> (B,)}.

    If no two landmarks normalise the inter-ocular error, the error in pixels replaces it.
    """
    facts = {"eye_indices": dataset.eye_indices, "side": dataset.imwidth - 2 * dataset.crop}
    found = {}
    for name in config.metrics:
        metric = look_up(name, METRICS, "metrics")
        if "eye_indices" in inspect.signature(metric).parameters and not dataset.eye_indices:
            name, metric = landmark_pixel_error.__name__, landmark_pixel_error
        wanted = facts.keys() & inspect.signature(metric).parameters
        found[name] = partial(metric, **{fact: facts[fact] for fact in wanted})
    return found


def checked_pictures(config):
    """Return the names of the config's pictures; raises ``ConfigError`` for an invalid one."""
    registry = LANDMARK_PICTURES if config.is_landmark else EMBEDDING_PICTURES
    for name in config.visualizations:
        look_up(name, registry, "visualizations")
    return config.visualizations
