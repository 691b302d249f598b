"""Keys that change nothing for the kind of training that a config describes are noted; and indeed
they change nothing.
"""

import copy
import json

import pytest
import torch

from tests.data_helpers.tiny_runs import EMBEDDING, LANDMARKS
from trainer.optimisation import rehearse_schedule, unreached_milestones
from trainer.resume import StartingPoint
from trainer.training import build_trainer
from utils.config.read import check_config, read_config
from utils.run import Run
from utils.run_folder import RunFolder

FACES = {"type": "SyntheticFaces", "args": {"imwidth": 32, "crop": 4, "num_images": 4}}
ONE_CYCLE = {"lr_scheduler.type": "OneCycleLR", "lr_scheduler.args": {"max_lr": 0.01}}
SINGLE = {"warper": {"type": "WarperSingle", "args": {}}}

# Of which kind, what is set, and the key of the note; no key: it has its effect, or asks for none.
OF_EMBEDDINGS = [
    ({"metrics": ["inter_ocular_error"]}, "metrics"), ({"metrics": []}, None),
    ({"restrict_annos": 2}, "restrict_annos"), ({"restrict_annos": None}, None),
    ({"cache_descriptors": True}, "cache_descriptors"), ({"cache_descriptors": False}, None),
    ({"descriptor_precision": "float32"}, "descriptor_precision"),
    ({"keypoint_regressor_upsample": True}, "keypoint_regressor_upsample"),
    ({"dataset.args.use_keypoints": True}, "dataset.args.use_keypoints"),
    ({"dataset.args.use_keypoints": False}, None),
    ({"loss_args.fold_corr": True}, "loss_args.fold_corr"),
    ({"loss_args.fold_corr": False}, "loss_args.fold_corr"),
    ({"cache_dir": "somewhere"}, "cache_dir"), ({"cache_dir": "there", "cache": "disk"}, None),
    ({"warp_val": False}, None), ({"bias_lr": 0.1}, None),
    ({"trainer.precision": "bfloat16"}, None),
    ({**ONE_CYCLE, "lr_scheduler.args.milestones": [2]}, "lr_scheduler.args.milestones"),
    ({"lr_scheduler": {"type": "MultiStepLR", "args": {"milestones": [2]}}}, None),
]
OF_REGRESSORS = [
    ({"warper": {"type": "Warper", "args": {}}}, "warper"),
    (SINGLE, None), ({"warper": None}, None),
    ({"warp_val": True}, "warp_val"), ({"warp_val": True, **SINGLE}, None),
    ({"warp_val": False}, None),
    ({"dataset.args.use_keypoints": False}, "dataset.args.use_keypoints"),
    ({"dataset.args.use_keypoints": True}, None),
    ({"bias_lr": 0.1}, "bias_lr"),
    *(({"trainer.precision": name}, "trainer.precision")
      for name in ("bfloat16", "float16", "tfloat32")),
    ({"trainer.sync_batchnorm": False}, "trainer.sync_batchnorm"),
    ({"descriptor_precision": "float32"}, None),
    ({"descriptor_precision": "float32", "cache_descriptors": False}, "descriptor_precision"),
    ({"cache_dir": "somewhere"}, "cache_dir"),
    ({"restrict_annos": 2}, None), ({"dataset.args.do_augmentations": True}, None),
]
CASES = [(EMBEDDING, *case) for case in OF_EMBEDDINGS]
CASES += [(LANDMARKS, *case) for case in OF_REGRESSORS]


def config_with(kind, changes):
    """Return a tiny config of generated faces with some values set, by their key paths."""
    raw = {**copy.deepcopy(kind), "dataset": copy.deepcopy(FACES)}
    for path, value in changes.items():
        *sections, key = path.split(".")
        holder = raw
        for section in sections:
            holder = holder.setdefault(section, {})
        holder[key] = copy.deepcopy(value)
    return check_config("idle/tiny.json", raw)


@pytest.mark.parametrize("kind, changes, noted", CASES, ids=lambda value: (
    ("regressor" if "metrics" in value and "loss" in value else "embedding")
    if isinstance(value, dict) and "arch" in value else json.dumps(value)))
def test_a_key_without_effect_is_noted_by_its_name(kind, changes, noted):
    notes = config_with(kind, changes).notes
    assert [note.split("'")[1] for note in notes] == ([noted] if noted else [])
    assert all(note.startswith(f"config: '{noted}' is accepted but changes nothing: ")
               for note in notes)


@pytest.mark.parametrize("dataset, given, noted", [
    ("LandmarkFolder", {"use_keypoints": True}, []),  # only the images with landmarks are taken
    ("LandmarkFolder", {"eye_indices": [1, 2]}, ["dataset.args.eye_indices"]),
    ("LandmarkFolder", {"box_outside": "zero"}, ["dataset.args.box_outside"]),
    ("LandmarkFolder", {"box_outside": "zero", "box_margin": 0}, []),
    ("MAFLAligned", {"val_split": "mafl"}, ["dataset.args.val_split"]),
    ("MAFLAligned", {"val_size": 10}, ["dataset.args.val_size"]),
    ("CelebAPrunedAligned_MAFLVal", {"val_split": "mafl"}, []),
    ("CelebAPrunedAligned_MAFLVal", {"val_size": 10}, []),
    ("CelebAPrunedAligned_MAFLVal", {"val_split": "mafl", "val_size": 10},
     ["dataset.args.val_size"]),
    ("AFLW", {"use_hq_ims": True}, ["dataset.args.use_hq_ims"]),
])
def test_arguments_of_a_data_set_that_an_embedding_does_without(dataset, given, noted):
    raw = {**EMBEDDING, "dataset": {"type": dataset, "args": {"imwidth": 32, **given}}}
    assert [note.split("'")[1] for note in check_config("x.json", raw).notes] == noted


def trained(config, tmp_path):
    """Return losses, validation figures and weights after two steps and a validation."""
    start = StartingPoint()
    if config.is_landmark:
        torch.manual_seed(1)
        backbone = trainer_of(config_with(EMBEDDING, {}), tmp_path, start).model
        start = StartingPoint("embedding.pth", {"state_dict": backbone.state_dict()})
    trainer = trainer_of(config, tmp_path, start)
    trainer.prepare()
    trainer.model.train()
    losses = []
    for batch in list(trainer.loader) * 2:
        trainer.optimizer.zero_grad()
        loss = trainer.train_step(batch, epoch=1)
        loss.backward()
        trainer.optimizer.step()
        losses.append(loss.item())
    return losses, trainer.validate(1), trainer.model.state_dict()


def trainer_of(config, tmp_path, start):
    torch.manual_seed(0)
    config = config.mini()
    return build_trainer(config, start, Run(RunFolder.new(tmp_path, config.name), config))


@pytest.mark.parametrize("kind, changes, noted", [
    (kind, changes, noted) for kind, changes, noted in CASES if noted and noted != "metrics"])
def test_a_noted_key_changes_neither_losses_nor_weights(kind, changes, noted, tmp_path):
    # descriptor_precision has its note where nothing is kept: that is what it is compared with.
    without = {"cache_descriptors": False} if "cache_descriptors" in changes and (
        kind is LANDMARKS) else {}
    if noted.startswith("lr_scheduler"):
        without = ONE_CYCLE
    torch.testing.assert_close(trained(config_with(kind, changes), tmp_path),
                               trained(config_with(kind, without), tmp_path), rtol=0, atol=0)


@pytest.mark.parametrize("milestones", [None, 3, "abc", [40]])
def test_milestones_beside_a_one_cycle_schedule_are_not_looked_at(milestones):
    config = config_with(EMBEDDING, {**ONE_CYCLE, "lr_scheduler.args.milestones": milestones})
    rehearse_schedule(config)
    assert unreached_milestones(config) == []


def test_the_log_notes_them(train, embedding_config):
    run = train(embedding_config(restrict_annos=3), "--mini_train")
    assert "config: 'restrict_annos' is accepted but changes nothing: an embedding needs" in run.log
    assert read_config(run.folder / "config.json").raw["restrict_annos"] == 3
