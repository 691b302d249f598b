"""Load a checkpoint's network, evaluate it, and save the figures in results.json."""

import math
from dataclasses import dataclass

from trainer.datasets import left_out_line
from trainer.evaluation.landmarks import evaluate_landmarks
from trainer.evaluation.matching import evaluate_matching
from trainer.figures import FIGURES
from trainer.parts import build_backbone, build_landmark_model
from utils.checkpoint.parts import backbone_state, regressor_state
from utils.checkpoint.save_and_load import load_weights, read_checkpoint
from utils.disk import write_json
from utils.errors import UserError, config_errors
from utils.text import counted

UNIT = "pixels of a 70x70 image"
FEW = 20  # test images: figures of fewer vary much with their choice


@dataclass(frozen=True)
class Results:
    """The figures of an evaluation.

    figures: {name: value}.
    num_images: images that they are means over.
    remarks: further entries of results.json: unit, normalisation, number of pairs, images left out.
    """

    figures: dict
    num_images: int
    remarks: dict


def load_for_evaluation(config, path, dataset, device):
    """Return the network of a config with the weights of a checkpoint, in eval mode.

    Raises ``UserError`` if the checkpoint does not fit the config or the data set.
    """
    state = read_checkpoint(path)["state_dict"]
    return network_with_weights(config, state, path, dataset.num_landmarks).to(device).eval()


def network_with_weights(config, state, path, num_landmarks=None):
    """Return the network of a config with the weights of a state dict.

    path: where it was read, for messages.
    num_landmarks: of a landmark model; None: that of the weights.
    """
    with config_errors(path):
        backbone, regressor = backbone_state(state), regressor_state(state)
    is_landmark = regressor is not None
    if is_landmark != config.is_landmark:
        kinds = {True: "a landmark regressor", False: "an embedding"}
        raise UserError(
            f"{path}: holds {kinds[is_landmark]}, "
            f"but {config.path} describes {kinds[not is_landmark]}"
        )
    if not is_landmark:
        model = build_backbone(config)
        load_weights(model, backbone, path)
        return model
    if num_landmarks is None:
        num_landmarks = regressor["reg_conv.weight"].shape[:1].numel() // 2  # an x and a y of each
    model = build_landmark_model(config, num_landmarks)
    load_weights(model[0].wrapped_module, backbone, path)
    load_weights(model[-1], regressor, path)
    return model


def evaluate(model, config, dataset, device, watch=None):
    """Return the ``Results`` of a model: of matching for an embedding, of landmarks otherwise.

    watch: None, or called with the matches or ``LandmarkPredictions`` of each batch.
    """
    options = config.limits.evaluation_images, config.num_workers
    if not config.is_landmark:
        figures, num_images = evaluate_matching(model, dataset, device, *options, watch)
        pairs = num_images // 2  # the published protocol takes images in pairs
        return Results(figures, num_images, {"unit": UNIT, "num_pairs": pairs})
    name, errors = evaluate_landmarks(model, dataset, device, *options, watch)
    left_out = [dataset.label(index) for index in errors.isnan().nonzero().flatten().tolist()]
    remarks = {"unit": UNIT}
    if dataset.eye_indices:
        remarks = {"normalised_by": f"distance of landmarks {list(dataset.eye_indices)}"}
    if left_out:
        remarks["left_out"] = left_out
    figures = {name: errors.double().nanmean().item()}
    return Results(figures, len(errors) - len(left_out), remarks)


def save_results(results, run, dataset, checkpoint, output=None):
    """Log the figures, and write them to the run's results.json and to ``output``.

    Raises ``UserError`` for a figure that is not finite.
    """
    config = run.config
    for name, value in results.figures.items():
        if not math.isfinite(value):
            raise UserError(f"{checkpoint}: {name} is {value}: its predictions are not finite")
        run.logger.info(f"{FIGURES[name].log_line}: {value:.4f}")
    count, pairs = counted(results.num_images, "image"), results.remarks.get("num_pairs")
    count += f" in {counted(pairs, 'pair')}" if pairs else ""
    run.logger.info(f"measured on {count} of {type(dataset).__name__}")
    if "left_out" in results.remarks:
        run.logger.warning(left_out_line(dataset, results.remarks["left_out"]))
    if len(dataset) < FEW:
        run.logger.warning(
            f"the test split has {len(dataset)} annotated images: figures of fewer than {FEW} say "
            "little, others could give quite different ones"
        )
    content = {
        **results.figures,
        **results.remarks,
        "dataset": type(dataset).__name__,
        "split": dataset.split,
        "num_images": results.num_images,
        "partial": run.partial,
        "checkpoint": str(checkpoint),
        "config": str(config.path),
        "run_name": config.name,
        "seed": config.seed,
    }
    for path in filter(None, (run.folder.model_dir / "results.json", output)):
        write_json(path, content)
    run.logger.info(f"figures: {run.folder.model_dir / 'results.json'}")
