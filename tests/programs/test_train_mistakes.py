"""What train.py refuses: one clear line each, exit code 2, and nothing is written."""

import pytest
import torch

from tests.data_helpers.run_contents import assert_one_clear_line
from tests.data_helpers.tiny_runs import write_image, write_landmark_folder

# In processes


def test_a_misspelt_class_name(run_program, embedding_config, tmp_path):
    config = embedding_config()
    done = run_program("train.py", "--config", config, "--set", "arch.type=SmalNet")
    assert_one_clear_line(done, f"{config}: arch.type = 'SmalNet'", "did you mean 'SmallNet'?")
    assert not (tmp_path / "saved").exists()


def test_a_broken_image_met_by_a_worker(run_program, embedding_config, tmp_path):
    root = write_landmark_folder(tmp_path / "faces", 8, 2)
    (root / "images" / "003.jpg").write_text("not an image")
    done = run_program("train.py", "--config", embedding_config(root=root),
                       "--set", "num_workers=1")
    assert_one_clear_line(done, f"error: {root / 'images' / '003.jpg'}: cannot read this image (")


# In this process


@pytest.mark.parametrize("override, words", [
    ("dataset.type=LandmarksFolder",
     ["dataset.type = 'LandmarksFolder': did you mean 'LandmarkFolder'?", "SyntheticFaces"]),
    ("warper.type=Wrper", ["warper.type = 'Wrper': did you mean 'Warper'? expected one of: Warp"]),
    ("warper.type=WarperSingle", [
        "warper: learning an embedding (a config without keypoint_regressor) takes pairs"]),
    ("warper=null", ["warper: learning an embedding", "takes pairs, expected type 'Warper'"]),
    ("optimizer.type=Adm", ["optimizer.type = 'Adm': did you mean 'Adam'?", "SGD"]),
    ("lr_scheduler.type=MultistepLR", ["did you mean 'MultiStepLR'?", "StepLR"]),
    ("loss=dense_correlation_loss_dv", ["did you mean 'dense_correlation_loss_dve'?"]),
    ("loss=regression_loss", ["loss = 'regression_loss'", "dense_correlation_loss"]),
    ('visualizations=["sphere_colourmap"]', ["did you mean 'sphere_colormap'?"]),
    ("dataset.args.imwith=32", ["dataset.args.imwith is not a key", "did you mean 'imwidth'?"]),
    ("dataset.args.split=test", ["dataset.args.split is set by the code: remove it"]),
    ("warper.args.rotation=5", ["warper.args.rotation is not a key here", "rotsd"]),
    ("warper.args.H=5", ["warper.args.H is set by the code"]),
    ("loss_args.powr=1", ["loss_args.powr is not a key here: did you mean 'pow'?"]),
    ("loss_args.desc1=1", ["loss_args.desc1 is set by the code"]),
    ("optimizer.args.rate=1", ["optimizer.args.rate is not a key here", "lr"]),
    ("arch.args.channels=1", ["arch.args.channels is not a key here", "num_output_channels"]),
    ("arch.args.num_output_channels=many", ["num_output_channels = 'many', expected int"]),
    ("arch.args.num_output_channels=0", ["num_output_channels = 0, expected at least 1"]),
    ("warper.args.rotsd=-5", ["warper.args.rotsd = -5, expected a number >= 0"]),
    ("optimizer.args.lr=-1", ["optimizer.args.lr = -1, expected what Adam takes (", "-1)"]),
    ("loss_args.implementation=fast", [
        "loss_args.implementation: 'fast', expected one of auto, chunked, fused"]),
    ("loss_args.implementation=fused", [
        "loss_args.implementation: 'fused' cannot be had here: it takes a GPU (--device 0)"]),
    ("loss_args.num_auxiliary=4", ["loss_args.num_auxiliary = 4, expected less than the 4 pairs"]),
    ("loss_args.pow=0", ["loss_args.pow = 0, expected a positive number"]),
    ("dataset.args.crop=16", ["dataset.args.crop = 16, expected 0 <= crop < imwidth / 2 = 16"]),
    ("dataset.args.imwidth=33", ["(25, 25)", "choose imwidth and crop such that it is"]),
    ("batch_size=1", ["at least two pairs"]),
    ("batch_size=64", ["batch_size = 64, but the training set has 16 images"]),
    ("dataset.args.root=absent", ["dataset.args.root = 'absent': no such folder"]),
    ("trainer.monitor=min val_los", ["trainer.monitor: no value 'val_los', expected one of loss"]),
    ("finetune_from=absent.pth", ["absent.pth: ", "No such file"]),
])
def test_a_wrong_value_stops_the_training_before_it_begins(
        call_program, embedding_config, tmp_path, override, words):
    done = call_program("train.py", "--config", embedding_config(), "--set", override)
    assert_one_clear_line(done, *words)
    assert "absent" in override or done.stderr.startswith(f"error: {embedding_config()}: ")
    assert not list(tmp_path.rglob("*.pth"))


def test_a_list_of_landmarks_with_a_wrong_column_count(call_program, embedding_config, tmp_path):
    root = write_landmark_folder(tmp_path / "faces", 8, 2)
    with open(root / "landmarks.csv", "a") as file:
        file.write("more.jpg,train,1,2,3\n")
    done = call_program("train.py", "--config", embedding_config(root=root))
    assert_one_clear_line(
        done, f"{root / 'landmarks.csv'}, line 12: 5 columns, expected 8 as in the header")


@pytest.mark.parametrize("name, words", [
    ("7", "--device 7: no such GPU, 0 found; leave --device out for the CPU"),
    ("cuda:7", "--device 7: no such GPU, 0 found; leave --device out for the CPU"),
    ("mps", "--device mps: torch finds no such device, only cpu"),
])
def test_a_gpu_that_is_not_there(call_program, embedding_config, monkeypatch, name, words):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    done = call_program("train.py", "--config", embedding_config(), f"--device={name}")
    assert_one_clear_line(done, words)


@pytest.mark.parametrize("seeds", ["-1", "0,x", "", "0,,1", "0,1,0", "0,9223372036854775808"])
def test_invalid_seeds(call_program, embedding_config, capsys, seeds, tmp_path):
    with pytest.raises(SystemExit) as end:
        call_program("train.py", "--config", embedding_config(), f"--seeds={seeds}")
    assert end.value.code == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith(f"train.py: error: argument --seeds: '{seeds}', expected ")
    assert not (tmp_path / "saved").exists()


# Landmark regressors


def test_a_landmark_config_without_an_embedding(call_program, landmark_config):
    done = call_program("train.py", "--config", landmark_config())
    assert_one_clear_line(done, "a landmark config needs an embedding: give --resume")


def test_each_part_of_a_batch_has_its_auxiliary_images(call_program, embedding_config):
    config = embedding_config(trainer={"epochs": 1, "accumulation": 2},
                              loss_args={"num_auxiliary": 2})
    done = call_program("train.py", "--config", config)
    assert_one_clear_line(done, "num_auxiliary = 2, expected less than the 2 pairs of a batch "
                                "(batch_size = 4, trainer.accumulation = 2)")


@pytest.mark.parametrize("override, words", [
    ("keypoint_regressor.type=Predictor", ["keypoint_regressor.type = 'Predictor'"]),
    ("keypoint_regressor.args.num_intermediate_points=0", ["num_intermediate_points = 0"]),
    ("keypoint_regressor.args.num_annotated_points=5",
     ["num_annotated_points = 5, but network and data set give 3"]),
    ('metrics=["inter_occular_error"]', ["did you mean 'inter_ocular_error'?"]),
    ('metrics=[["inter_ocular_error"]]', ["metrics = [['inter_ocular_error']], expected list"]),
    ('visualizations=["sphere_colormap"]', ["expected one of: keypoints_intermediate"]),
    ("loss=dense_correlation_loss", ["loss = 'dense_correlation_loss'", "regression_loss"]),
    ("loss_args.alpha=-1", ["loss_args.alpha = -1, expected a positive number"]),
    ("restrict_annos=17", ["restrict_annos = 17, but training has 16 images"]),
    ("dataset.args.eye_indices=[0, 3]", ["eye_indices = [0, 3], expected two of the 3 landmarks"]),
    ("arch.args.num_output_channels=16", ["checkpoint-epoch3.pth: its weights do not fit SmallNet: "
                                          "conv6.bias is (8,), expected (16,)"]),
])
def test_a_wrong_value_of_a_landmark_config(
        call_program, landmark_config, trained_embedding, tmp_path, override, words):
    done = call_program("train.py", "--config", landmark_config(), "--set", override,
                        "--resume", trained_embedding.checkpoint(3))
    assert_one_clear_line(done, *words)
    assert not list(tmp_path.rglob("*.pth"))


def test_a_landmark_config_for_a_folder_without_landmarks(
        call_program, landmark_config, trained_embedding, tmp_path):
    write_image(tmp_path / "faces" / "a.jpg", 0)
    done = call_program("train.py", "--config", landmark_config(root=tmp_path / "faces"),
                        "--resume", trained_embedding.checkpoint(3))
    assert_one_clear_line(done, f"no landmarks yet ({tmp_path / 'faces' / 'landmarks.csv'}, or")
