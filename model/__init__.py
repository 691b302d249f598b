"""Networks, losses, metrics and matching: functions of tensors, without files, config or logs."""

from model.hourglass import HourglassNet
from model.keypoint_regressor import IntermediateKeypointPredictor
from model.loss import (
    dense_correlation_loss,
    dense_correlation_loss_dve,
    dense_likelihood_loss,
    dense_likelihood_loss_dve,
    regression_loss,
)
from model.metric import inter_ocular_error, landmark_pixel_error
from model.smallnet import SmallNet


def _by_name(*objects):
    return {thing.__name__: thing for thing in objects}


BACKBONES = _by_name(SmallNet, HourglassNet)
REGRESSORS = _by_name(IntermediateKeypointPredictor)
# Those that take ``desc_aux``.
EXCHANGING_LOSSES = _by_name(dense_correlation_loss_dve, dense_likelihood_loss_dve)
DENSE_LOSSES = {**_by_name(dense_correlation_loss, dense_likelihood_loss), **EXCHANGING_LOSSES}
LANDMARK_LOSSES = _by_name(regression_loss)
METRICS = _by_name(inter_ocular_error, landmark_pixel_error)
