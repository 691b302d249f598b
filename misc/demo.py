"""Learn dense landmarks on generated faces without labels, and draw them: minutes on a CPU.

    python misc/demo.py                            # what make demo runs
    python misc/demo.py --set trainer.epochs=1     # a quick look: both trainings in one epoch

Trains a DVE embedding on SyntheticFaces, matches landmarks with it, trains the landmark regressor
on it, writes pictures to saved/demo/. A finished training is used again, an interrupted one
resumes; if the embedding was trained further, the regressor is trained anew.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages

from misc.parts.steps import is_newer
from trainer.figures import FIGURES
from utils.checkpoint.find import progress_of
from utils.cli import add_run_options, make_parser, run_program
from utils.config.read import read_config

EMBEDDING = "configs/synthetic/smallnet-64d-dve.json"
LANDMARKS = "configs/synthetic-keypoints/smallnet-64d-dve.json"
RESULTS = "results.json"


def ensure_trained(config, device, embedding=None):
    """Return the last checkpoint of a config's newest run; train it, or resume it, if necessary.

    embedding: the checkpoint that a detector is trained on; one on an older embedding is left.
    """
    from trainer.training import train_seeds
    from utils.distributed import World

    found, has_all_epochs = progress_of(config)
    if found and embedding and not is_newer(found.path, [embedding]):
        found = None
    if found and has_all_epochs and is_newer(found.path.with_name(RESULTS), [found.path]):
        print(f"using {found.path}")
        return found.path
    start = found.path if found else embedding
    train_seeds(config, start and str(start), world=World(device=device))
    return progress_of(config)[0].path


def print_table(figures, folder, checkpoints):
    """Print the figures, and the paths of pictures and checkpoints."""
    width = max(len(text.title) for text in FIGURES.values())
    print("\nerror on faces of people never seen")
    for name in filter(figures.__contains__, FIGURES):
        text = FIGURES[name]
        print(f"  {text.title:{width}}   {figures[name]:.2f} {text.unit}")
    print("\npictures:   ", *sorted(str(path) for path in folder.iterdir()), sep="\n  ")
    print("\ncheckpoints:", *checkpoints, sep="\n  ")
    print(f"\nTensorBoard: tensorboard --logdir {folder.with_name('log')}")


def main():
    parser = make_parser(__doc__)
    add_run_options(parser)
    args = parser.parse_args()
    embedding, landmarks = (read_config(path, args.overrides) for path in (EMBEDDING, LANDMARKS))
    # Imported late: torch takes seconds, which --help and mistakes need not wait for.
    from misc.parts.animation import save_gif
    from misc.parts.demo import animate, draw_faces, draw_matches, look_at_faces
    from trainer.datasets import evaluation_dataset
    from trainer.evaluation.results import load_for_evaluation
    from utils.device import select_device

    device = select_device(args.device)
    embedding_path = ensure_trained(embedding, device)
    landmark_path = ensure_trained(landmarks, device, embedding_path)

    dataset = evaluation_dataset(landmarks)
    backbone = load_for_evaluation(embedding, embedding_path, dataset, device)
    model = load_for_evaluation(landmarks, landmark_path, dataset, device)
    folder = Path(embedding.trainer.save_dir) / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    faces = look_at_faces(backbone, model, landmarks, device)
    for name, figure in {**draw_faces(faces), **draw_matches(backbone, dataset, device)}.items():
        figure.savefig(folder / f"{name}.png", dpi=120)
    save_gif(folder / "following.gif", animate(faces))

    results = {}
    for path in (embedding_path, landmark_path):
        results.update(json.loads(path.with_name(RESULTS).read_text()))
    print_table(results, folder, [embedding_path, landmark_path])


if __name__ == "__main__":
    sys.exit(run_program(main))
