"""The 111 published experiments: their facts, configs, checkpoints and addresses."""

import json
from pathlib import Path

from utils.cli import parse_path, path_text
from utils.errors import UserError
from utils.project import HOME, PROJECT

CONFIGS = PROJECT / "configs"
BASE_URL = "http://www.robots.ox.ac.uk/~vgg/research/DVE/data"
SAVED = "data/saved"  # the folder of published models in configs, from the project root
EXPERIMENTS = Path(__file__).with_name("published_experiments.json")


def load_experiments():
    """Return {experiment: facts}: task, model, timestamp, last epoch, published figures."""
    return json.loads(EXPERIMENTS.read_text())


def config_path(name, facts):
    """Return the path of an experiment's config below configs/; its name is <folder>-<stem>."""
    folder = facts["dataset"]
    folder += "-limit-annos" if "annotations" in facts else ""
    folder += "-ft" if facts["finetuned"] else ""
    folder += "-keypoints" if facts["task"] == "keypoints" else ""
    return Path(folder, f"{name.removeprefix(f'{folder}-')}.json")


def starts_from(facts):
    """Return the experiment whose network this one starts from, None for an embedding."""
    model = f"{facts['backbone']}-{facts['dim']}d{'-dve' if facts['dve'] else ''}"
    if facts["task"] == "embedding":
        return None
    on_finetuned = facts["task"] == "keypoints" and facts["finetuned"]
    return f"{facts['dataset']}-ft-celeba-{model}" if on_finetuned else f"celeba-{model}"


def run_folder(name, facts):
    """Return the folder of a published run, below ``BASE_URL`` and ``SAVED`` alike."""
    return f"models/{name}/{facts['timestamp']}"


def checkpoint_path(name, facts):
    """Return the published checkpoint's path, below ``BASE_URL`` and ``SAVED`` alike."""
    return f"{run_folder(name, facts)}/checkpoint-epoch{facts['checkpoint_epoch']}.pth"


def locate(root_url, relative):
    """Return the address of ``relative`` below a URL, or its Path below a local folder."""
    if root_url.startswith(("http://", "https://")):
        return f"{root_url.rstrip('/')}/{relative}"
    folder = Path(root_url).expanduser()
    if not folder.is_dir():
        raise UserError(f"--root_url {root_url}: expected http(s)://… or an existing folder")
    return folder / relative


def add_fetch_options(parser):
    """Add the options that both programs for downloads share."""
    parser.add_argument(
        "--root_url", type=path_text, default=BASE_URL, metavar="URL",
        help="a mirror laid out like %(default)s (the default): http(s)://… or a local folder",
    )
    parser.add_argument(
        "--dest", type=parse_path, default=HOME, metavar="FOLDER",
        help="the folder that holds data/ (default: the project's own; of the installed package, "
        "the working folder)",
    )
    parser.add_argument("--refresh", action="store_true", help="replace existing files")
    parser.add_argument(
        "--retries", type=int, default=4, metavar="N",
        help="further attempts if nothing arrives (default: %(default)s)",
    )
