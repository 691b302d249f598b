"""Tables of fabricated runs against tables worked out by hand; logs of both formats; a README."""

import json
import re

import pytest

from misc.published import load_experiments
from misc.reproduction.markdown import fill_markers, render
from misc.reproduction.protocol import config_differences, published_config
from misc.reproduction.run_records import RunStore
from misc.reproduction.tables import TABLES
from misc.results_table import main
from tests.data_helpers.fabricated_runs import (
    SaveDir,
    landmarks,
    log_text,
    matching,
    own_log,
)
from tests.data_helpers.tiny_runs import ROOT
from utils.cli import EXIT_USER_ERROR, run_program

EMBEDDING = "celeba/smallnet-64d-dve"
MAFL = "mafl-keypoints/celeba-smallnet-64d-dve"
FINETUNED = "aflw-mtfl-ft/celeba-smallnet-64d-dve"
FEW = "aflw-mtfl-limit-annos-ft-keypoints/{}-annos-celeba-smallnet-64d-dve"
NEWER, NEWEST = "2026-01-02_12-00-00", "2026-01-03_12-00-00"


@pytest.fixture
def saved(tmp_path):
    return SaveDir(tmp_path / "saved")


def table_of(saved, name):
    return render(TABLES[name], RunStore(saved.root))


def cells(text, *labels):
    """Return the other cells of the row that begins with labels."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in text.splitlines() if line.startswith("|")]
    (row,) = [row for row in rows if row[: len(labels)] == list(labels)]
    return row[len(labels):]


def our_matching(saved):
    """Return our two cells of SmallNet 64-d with DVE, and the footnotes."""
    text = table_of(saved, "matching")
    row = cells(text, "64", "SmallNet", "350,552")
    return row[1], row[3], re.findall(r"^- (.+)$", text, re.MULTILINE)


def our_landmarks(saved):
    text = table_of(saved, "landmarks")
    return cells(text, "64", "SmallNet")[1], re.findall(r"^- (.+)$", text, re.MULTILINE)


def our_few(saved):
    return cells(table_of(saved, "few-annotations"), "64", "SmallNet", "yes")


# What the tables show

def test_a_table_worked_out_by_hand(saved):
    saved.finish(EMBEDDING, matching(1.2749, 2.8051))
    saved.finish("celeba/smallnet-3d-dve", matching(1.4, 3.1), num_images=600)
    assert table_of(saved, "matching") == """\
| Embedding dim | Model     | Params     | Same identity | ours  | Different identity | ours  |
|---------------|-----------|------------|---------------|-------|--------------------|-------|
| 3             | SmallNet  | 334,875    | 1.36          | 1.40* | 3.03               | 3.10* |
| 16            | SmallNet  | 338,216    | 1.28          |       | 2.79               |       |
| 32            | SmallNet  | 342,328    | 1.29          |       | 2.79               |       |
| 64            | SmallNet  | 350,552    | 1.28          | 1.27  | 2.77               | 2.81  |
| 64            | Hourglass | 12,609,472 | 0.93          |       | 2.37               |       |

Mean matching error in pixels of a 70x70 image; MAFL's test images.

\\* Not the published protocol:

- evaluated on 600 of 1000 test images (celeba-smallnet-3d-dve)"""


def test_the_tables_show_all_that_was_published():
    shown = {name for table in TABLES.values() for name in table.experiments()}
    assert shown == load_experiments().keys()


@pytest.mark.parametrize("name, labels, published", [  # as the paper and its README print them
    ("landmarks", ("64", "Hourglass"), ["2.86", "7.53", "6.54", "4.65"]),
    ("landmarks", ("64", "SmallNet"), ["3.42", "8.60", "7.79", "5.75"]),
    ("ablation-dve", ("16", "SmallNet", "no"),
     ["1.25", "5.65", "5.31", "12.22", "10.73", "10.66"]),
    ("ablation-finetuning", ("64", "Hourglass", "yes"),
     ["8.15", "7.53", "6.88", "6.54", "4.65", "4.65"]),
    ("matching-finetuned", ("64", "Hourglass", "yes"),
     ["1.53", "3.65", "1.17", "4.04", "1.63", "3.82"]),
    ("few-annotations", ("64", "SmallNet", "yes"),
     ["17.13 ± 1.78", "13.57 ± 2.08", "12.97 ± 2.36", "11.26 ± 0.93"]),
])
def test_published_figures_stand_beside_empty_cells(saved, name, labels, published):
    row = cells(table_of(saved, name), *labels)
    assert row[0::2] == published and row[1::2] == [""] * len(published)


def test_landmark_figures_come_to_their_data_sets(saved):
    for number, folder in enumerate(
        ("mafl-keypoints", "aflw-mtfl-ft-keypoints", "aflw-ft-keypoints", "300w-keypoints"), 1
    ):
        saved.finish(f"{folder}/celeba-hourglass-64d-dve", landmarks(number))
    row = cells(table_of(saved, "landmarks"), "64", "Hourglass")
    assert row[1::2] == ["1.00", "2.00", "3.00", "4.00"]


# Which run counts

def test_the_newest_run_counts_unless_only_an_older_one_is_complete(saved):
    saved.finish(EMBEDDING, matching(1, 2))
    saved.finish(EMBEDDING, matching(3, 4), NEWER)
    saved.finish(EMBEDDING, matching(5, 6), NEWEST, epoch=1, num_images=4)  # --mini_train
    assert our_matching(saved) == ("3.00", "4.00", [])


def test_an_evaluation_on_another_data_set_does_not_count(saved):
    checkpoint = saved.finish(EMBEDDING, matching(1, 2))
    saved.finish(EMBEDDING, matching(3, 4), NEWER, checkpoint=str(checkpoint), dataset="AFLW")
    assert our_matching(saved)[:2] == ("1.00", "2.00")


def test_an_unfinished_training_leaves_its_cell_empty(saved):
    saved.checkpoint(MAFL, 100)
    saved.write("log", saved.place(MAFL), "info.log", own_log(rates=[50.0]))
    assert our_landmarks(saved) == ("", [])


@pytest.mark.parametrize("content", [
    "", '{"same_identity_px": 1.2', "[1, 2]", '{"dataset": "MAFLAligned"}',
    '{"same_identity_px": NaN, "different_identity_px": 2.5}',
    '{"same_identity_px": "1.2", "different_identity_px": 2.5}',
    '{"same_identity_px": 1.2, "different_identity_px": 2.5, "partial": "no"}',
])
def test_a_damaged_result_is_one_warning_and_an_older_run_counts(saved, capsys, content):
    saved.finish(EMBEDDING, matching(1, 2))
    path = saved.write("models", saved.place(EMBEDDING, NEWER), "results.json", content)
    main(["--save_dir", str(saved.root)])
    out, err = capsys.readouterr()
    assert cells(out.partition("after fine-tuning")[0], "64", "SmallNet", "350,552")[1] == "1.00"
    assert err.count("\n") == 1 and err.startswith(f"warning: {path}: ")


def test_results_of_earlier_versions_lack_keys(saved):
    saved.write("models", saved.place(EMBEDDING), "results.json", matching(1, 2))
    assert our_matching(saved)[:2] == ("1.00*", "2.00*")


# Few annotations

def test_few_annotations_are_the_mean_and_population_deviation_of_the_seeds(saved):
    for seed, error in enumerate((10, 12, 17)):  # mean 13; variance (9 + 1 + 16) / 3
        saved.finish(FEW.format(1), landmarks(error), seed=seed)
    assert our_few(saved)[1::2] == ["13.00 ± 2.94", "", "", ""]


def test_seeds_may_lie_in_several_runs_and_the_newest_of_each_counts(saved):
    for stamp, seed, error in (("2026-01-01_12-00-00", 0, 99), (NEWER, 0, 10), (NEWER, 1, 12)):
        saved.finish(FEW.format(5), landmarks(error), stamp, seed)
    assert our_few(saved)[3] == "11.00 ± 1.00*"
    assert "- 2 instead of 3 seeds (" in table_of(saved, "few-annotations")
    saved.finish(FEW.format(5), landmarks(17), NEWEST, 2)
    assert our_few(saved)[3] == "13.00 ± 2.94"


# Logs

def original_log(*tail, epochs=300):
    lines = ["Trainable parameters: 26000", "SmallNet(\n  (conv): Conv2d(3, 20)\n)"]
    for epoch in range(1, epochs + 1):
        lines += [f"    epoch          : {epoch}", "    loss           : 0.01",
                  f"    val_inter_ocular_error: {1000 / (epoch + 1):.4f}"]
    return log_text(*lines, *tail, logger="train")


def test_the_last_epoch_of_an_original_log_counts(saved):
    saved.write("log", saved.place(MAFL, "0618_103501"), "info.log", original_log())
    assert our_landmarks(saved) == ("3.32", [])  # 1000 / 301


def test_an_original_log_that_breaks_off_is_marked(saved):
    saved.write("log", saved.place(MAFL), "info.log", original_log(epochs=24))
    error, footnotes = our_landmarks(saved)
    assert error == "40.00*" and "epoch 24 instead of epoch 300" in footnotes[0]


@pytest.mark.parametrize("colon", ["", ":"])
def test_matching_errors_are_read_from_logs_with_and_without_colon(saved, colon):
    lines = ["Mean Pixel Error (same-identity): 9.5", "Mean Pixel Error (different-identity): 9.5",
             "Mean Pixel Error (same-identity): 1.2783",
             f"Mean Pixel Error (different-identity){colon} 2.7683"]
    saved.write("log", saved.place(EMBEDDING), "info.log", log_text(*lines, logger="__main__"))
    assert our_matching(saved) == ("1.28", "2.77", [])


def test_the_spread_of_an_original_log_counts(saved):
    tail = ["val_inter_ocular_error -> mean: 17.131, std: 1.784"]
    saved.write("log", saved.place(FEW.format(20)), "info.log", original_log(*tail, epochs=50))
    assert our_few(saved)[7] == "17.13 ± 1.78"


def test_our_own_log_is_read_where_results_are_missing(saved):
    tail = ["Inter-ocular error (%): 3.5000"]
    saved.write("log", saved.place(MAFL), "info.log", own_log(rates=[9.0], tail=tail))
    error, (footnote,) = our_landmarks(saved)
    assert error == "3.50*" and "epoch 1 instead of epoch 300" in footnote


def test_results_go_before_the_log(saved):
    saved.finish(MAFL, landmarks(3), log=own_log(tail=["Inter-ocular error (%): 4.0"]))
    assert our_landmarks(saved)[0] == "3.00"


# Marks

@pytest.mark.parametrize("results, footnote", [
    ({"partial": ["MAFL/testing.txt: 7 names, expected 1000"]}, "partial copy.*7 names"),
    ({"num_images": 998}, "998 of 1000"),
    ({"dataset": "SyntheticFaces"}, "evaluated on SyntheticFaces"),
    ({"split": "val"}, "split val"),
    ({"epoch": 12}, "epoch 12 instead of epoch 100"),
    ({"changes": {"loss": "dense_correlation_loss"}}, 'loss = "dense_correlation_loss" instead'),
    ({"changes": {"batch_size": 64, "num_workers": 3}}, "batch_size = 64 instead of 32"),
])
def test_what_is_not_as_published_is_marked_and_told(saved, results, footnote):
    saved.finish(EMBEDDING, matching(1, 2), **results)
    same, different, footnotes = our_matching(saved)
    assert (same, different, len(footnotes)) == ("1.00*", "2.00*", 1)
    assert re.search(footnote, footnotes[0]) and EMBEDDING.replace("/", "-") in footnotes[0]


def test_settings_that_change_no_figure_are_not_marked(saved):
    config = json.loads(saved.checkpoint(EMBEDDING, 100).with_name("config.json").read_text())
    config["trainer"].update(save_dir="elsewhere", tensorboardX=False, save_period=10)
    config["dataset"]["args"]["root"] = "/big/celeba"
    changes = {"trainer": config["trainer"], "dataset": config["dataset"], "num_workers": 4}
    saved.finish(EMBEDDING, matching(1, 2), changes=changes)
    assert our_matching(saved) == ("1.00", "2.00", [])


def test_a_model_that_grew_on_another_embedding_is_marked(saved):
    embedding = saved.finish(EMBEDDING, matching(1, 2), changes={"loss_args": {}},
                             partial=["Anno/list.txt: 9 rows, expected 202599"])
    tuned = saved.finish(FINETUNED, matching(1, 2), log=own_log(embedding, 100))
    saved.finish("aflw-mtfl-ft-keypoints/celeba-smallnet-64d-dve", landmarks(8),
                 log=own_log(tuned, 50))
    saved.finish(MAFL, landmarks(3), log=own_log("saved/models/celeba-other/x/model_best.pth", 9))
    text = table_of(saved, "landmarks")
    assert cells(text, "64", "SmallNet")[1:4] == ["3.00*", "8.60", "8.00*"]
    assert "embedding: loss_args.normalize_vectors = null instead of false (aflw-mtfl-ft" in text
    assert "embedding: partial copy of the data: Anno/list.txt: 9 rows" in text
    assert "embedding: celeba-other instead of celeba-smallnet-64d-dve (mafl" in text


def test_our_own_and_published_starts_are_as_published(saved):
    embedding = saved.finish(EMBEDDING, matching(1, 2))
    saved.finish(MAFL, landmarks(3), log=own_log(embedding, 100))
    assert our_landmarks(saved) == ("3.00", [])
    published = "data/saved/models/celeba-smallnet-64d-dve/2019-08-02_06-20-28/"
    saved.finish(MAFL, landmarks(2), NEWER, log=own_log(published + "checkpoint-epoch100.pth", 100))
    assert our_landmarks(saved) == ("2.00", [])


def test_a_start_from_too_early_an_epoch_is_marked(saved):
    embedding = saved.checkpoint(EMBEDDING, 10)
    saved.finish(MAFL, landmarks(3), log=own_log(embedding, 10))
    error, (footnote,) = our_landmarks(saved)
    assert error == "3.00*" and "embedding: epoch 10 instead of epoch 100" in footnote


# README

README = """# Title
<!-- table: matching -->
old
text
<!-- /table -->
between
<!-- table: landmarks -->
<!-- /table -->
The end, without a line end"""


@pytest.fixture
def readme(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(README)
    return path


def fill(saved, readme, *args):
    arguments = ["--save_dir", str(saved.root), "--readme", str(readme), *args]
    return run_program(lambda: main(arguments))


def test_tables_fill_their_places_and_the_rest_stays(saved, readme):
    saved.finish(EMBEDDING, matching(1, 2))
    assert fill(saved, readme) == 0
    tables = iter([table_of(saved, "matching"), table_of(saved, "landmarks")])
    start, middle, end = README.split("old\ntext\n")[0], "between\n", "The end, without a line end"
    expected = (f"{start}\n{next(tables)}\n\n<!-- /table -->\n{middle}<!-- table: landmarks -->\n"
                f"\n{next(tables)}\n\n<!-- /table -->\n{end}")
    assert readme.read_text() == expected
    assert fill(saved, readme) == 0 and readme.read_text() == expected
    assert [path.name for path in readme.parent.glob("*README*")] == ["README.md"]


@pytest.mark.parametrize("document, count", [
    ("README.md", "1 table,"), ("docs/published.md", f"{len(TABLES)} tables,")])
def test_the_project_s_own_documents_have_places_for_tables(tmp_path, capsys, document, count):
    path = tmp_path / "document.md"
    path.write_text((ROOT / document).read_text())
    assert run_program(lambda: main(["--save_dir", str(tmp_path), "--readme", str(path)])) == 0
    assert count in capsys.readouterr().out


def test_only_the_table_that_is_asked_for_changes(saved, readme):
    assert fill(saved, readme, "--table", "landmarks") == 0
    assert readme.read_text().startswith(README.partition("<!-- table: landmarks -->")[0])
    assert "| MAFL |" in readme.read_text()


@pytest.mark.parametrize("text, args, message", [
    ("no marker", (), "no line '<!-- table: "),
    (README, ("--table", "few-annotations"), "no line '<!-- table: few-annotations -->'"),
    ("<!-- table: matching -->\n", (), "no '<!-- /table -->' after"),
    ("<!-- table: matching -->\n" * 2 + "<!-- /table -->\n", (), ":2: "),
    ("a\n<!-- /table -->\n", (), ":2: "),
    ("<!-- table: matchings -->\n<!-- /table -->\n", (), "no table 'matchings', expected one of"),
])
def test_wrong_markers_are_told_and_nothing_changes(saved, readme, capsys, text, args, message):
    readme.write_text(text)
    assert fill(saved, readme, *args) == EXIT_USER_ERROR
    err = capsys.readouterr().err.splitlines()[-1]
    assert err.startswith(f"error: {readme}") and message in err
    assert readme.read_text() == text


def test_a_readme_that_cannot_be_read_is_told(saved, tmp_path, capsys):
    assert fill(saved, tmp_path / "absent.md") == EXIT_USER_ERROR
    assert "absent.md" in capsys.readouterr().err


def test_markers_of_other_line_ends_are_found():
    text = "<!-- table: matching -->  \r\nold\r\n<!-- /table -->\r\nrest\r\n"
    assert fill_markers(text, "README.md", {"matching": "T"}) == (
        "<!-- table: matching -->  \r\n\nT\n\n<!-- /table -->\r\nrest\r\n", []
    )


# The program

def test_all_tables_are_printed_of_no_runs_at_all(tmp_path, capsys):
    main(["--save_dir", str(tmp_path / "none")])
    out, err = capsys.readouterr()
    assert [out.count(f"### {table.title}\n") for table in TABLES.values()] == [1] * len(TABLES)
    assert err == f"warning: {tmp_path / 'none'}: no such folder, so no runs\n"


def test_one_table_is_printed(saved, capsys):
    saved.finish(EMBEDDING, matching(1, 2))
    main(["--table", "matching", "--save_dir", str(saved.root)])
    assert capsys.readouterr().out == (
        f"### Landmark matching\n\n{table_of(saved, 'matching')}\n\n"
    )


# Configs of earlier versions

AUGMENTED = "dataset.args.do_augmentations"


@pytest.mark.parametrize("name, earlier, differences", [
    (MAFL, {"warper": {"type": "Warper", "args": {}}}, []),
    (FEW.format(5), {"lr_scheduler": None}, []),
    (FINETUNED, {AUGMENTED: None}, []),
    ("aflw-ft/celeba-smallnet-3d", {AUGMENTED: None}, [(AUGMENTED, False, True)]),
    (EMBEDDING, {"warper": {"type": "WarperSingle"}}, [("warper.type", "WarperSingle", "Warper")]),
    (MAFL, {"lr_scheduler": {"type": "MultiStepLR", "args": {"gamma": 0.1, "milestones": [9]}}},
     [("lr_scheduler.args.milestones", [9], [100, 250])]),
])
def test_configs_of_earlier_versions_differ_where_it_matters(name, earlier, differences):
    published = published_config(name.replace("/", "-"))
    config = json.loads(json.dumps(published))
    for path, value in earlier.items():
        *sections, key = path.split(".")
        holder = config
        for section in sections:
            holder = holder[section]
        holder.pop(key, None)
        if value is not None:
            holder[key] = value
    assert config_differences(config, published) == differences
