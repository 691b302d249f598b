"""Load a ``Model`` from a checkpoint or the folder of a run."""

from functools import partial
from pathlib import Path

from data_loader import DATASETS
from data_loader.boxes import check_cutting
from inference.model import Model
from inference.view import Viewer
from trainer.evaluation.results import network_with_weights
from utils.checkpoint.find import last_of_run
from utils.checkpoint.save_and_load import read_checkpoint
from utils.config.objects import call, check_arguments, look_up
from utils.config.read import check_config, errors_of, read_config
from utils.errors import UserError, config_errors


def load(path, device="cpu", config=None, whole=False, box_margin=None):
    """Return the ``Model`` in a checkpoint of this project or a published one.

    Raises ``UserError``.

    path: the checkpoint, or the folder of a run: its model_best.pth, or else its last checkpoint.
    config: path of its config; None: the one in the checkpoint, or config.json beside it.
    whole: show whole images to the network, without the crop of its training; it has not been
    trained on what lies near the borders.
    box_margin: what to show around the boxes of objects, as a share of their longer sides; None: as
    in the training, nothing if it was not on boxes.
    """
    try:
        check_cutting(box_margin)
    except ValueError as error:  # not one in the checkpoint's config
        raise UserError(str(error)) from error
    network, config, names = read_network(path, config)
    viewer = build_viewer(config, whole, box_margin)
    if config.is_landmark:
        return Model(network[0], viewer, network[1:], device, names)
    return Model(network, viewer, device=device)


def read_network(path, config=None):
    """Return a checkpoint's network in eval mode, its ``Config``, and the names of its landmarks
    or None.
    """
    path = Path(last_of_run(path, prefer_best=True))
    checkpoint = read_checkpoint(path)
    config = _config_of(checkpoint, path, config)
    with errors_of(config):
        network = network_with_weights(config, checkpoint["state_dict"], path)
    return network.eval(), config, _landmark_names(checkpoint)


def _landmark_names(checkpoint):
    names = checkpoint.get("landmark_names")
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return names if is_list else None


def _config_of(checkpoint, path, config):
    if config is not None:
        return read_config(config)
    own, beside = checkpoint.get("config"), path.with_name("config.json")
    if own is not None:
        with config_errors(f"{path}: its config"):
            return check_config(path, own)
    if beside.is_file():
        return read_config(beside)
    raise UserError(
        f"{path}: holds no config, and there is no config.json beside it; name the config that it "
        "was trained with"
    )


def build_viewer(config, whole=False, box_margin=None):
    """Return the ``Viewer`` that prepares images as the data set of a config did."""
    with errors_of(config):
        kind = look_up(config.dataset["type"], DATASETS, "dataset.type")
        args = config.dataset["args"]
        check_arguments(kind, args, "dataset.args", runtime=("split",))
        frame = {"imwidth": args["imwidth"], "crop": 0 if whole else args.get("crop", 0)}
        trained = args.get("box_margin")
        frame["box_margin"] = trained or 0 if box_margin is None else box_margin
        frame["box_outside"] = args.get("box_outside", "edge")
        window = partial(kind.window, **args)
        return call(Viewer, frame, "dataset.args", window=window, by_content=trained is not None)
