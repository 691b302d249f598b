"""The report page: what it shows of runs, what it says is missing, and how a browser takes it."""

import json
import re
import shutil

import pytest
import torch

from misc.report import main
from misc.reporting.page import differences
from tests.data_helpers.browser import CHROMIUM, OVERFLOWING, browser_page
from tests.data_helpers.fabricated_runs import STAMP
from tests.data_helpers.finished_runs import epoch_lines, finished_embedding, finished_regressor
from tests.data_helpers.html_pages import read_html, text_of, with_class, with_id
from tests.data_helpers.tiny_runs import run_real_program
from trainer.datasets import evaluation_dataset
from trainer.evaluation.results import evaluate, load_for_evaluation
from utils.cli import run_program
from utils.config.read import read_config

CPU = torch.device("cpu")
SECTIONS = ["runs", "configs", "training", "matching", "dense", "colours", "landmarks"]


def write_page(path, *args):
    """Write a report; returns the page as a tree."""
    main([*map(str, args), "--output", str(path)])
    return read_html(path.read_text(encoding="utf-8"))


def card_of(page, letter):
    (card,) = (card for card in with_class(page, "card")
               if text_of(card).startswith(f"{letter} "))
    return card


def figures_in(page, letter):
    """Return {error: its row as {column: text}} of a run."""
    rows = [row for table in with_class(page, "errors") for row in table.iter("tr")]
    found = {}
    for row in rows:
        columns = {cell.get("data-label"): text_of(cell) for cell in row.iter("td")}
        if columns.get("Run") == letter:
            found[text_of(row.find("th"))] = columns
    return found


def epochs_in(page):
    """Return the table of epochs of each run, [[{value: text}, ...], ...]."""
    found = []
    for table in with_class(page, "epochs"):
        names = [text_of(cell) for cell in table.iter("th")]
        rows = [[text_of(cell) for cell in row.iter("td")] for row in table.find("tbody")]
        found.append([dict(zip(names, row, strict=True)) for row in rows])
    return found


@pytest.fixture(scope="module")
def saved(landmark_folder, tmp_path_factory):
    """A save_dir with an embedding and a regressor."""
    save_dir = tmp_path_factory.mktemp("report") / "saved"
    embedding = finished_embedding(save_dir, landmark_folder)
    return save_dir, embedding, finished_regressor(save_dir, landmark_folder)


@pytest.fixture(scope="module")
def whole(saved):
    """The page of both, as a file and as a tree."""
    save_dir, embedding, regressor = saved
    path = save_dir / "report.html"
    return path, write_page(path, embedding.models, regressor.log)


@pytest.fixture
def embedding(landmark_folder, tmp_path):
    """A run that a test may change."""
    return finished_embedding(tmp_path / "saved", landmark_folder)


def test_the_page_has_all_sections_and_links_to_them(whole):
    _, page = whole
    assert [section.get("id") for section in page.iter("section")] == SECTIONS
    assert [link.get("href") for link in page.iter("a")] == [f"#{name}" for name in SECTIONS]
    assert text_of(page.find(".//h1")) == "2 runs compared"


def test_the_page_needs_nothing_else(whole):
    path, page = whole
    places = [element.get(name) for element in page.iter() for name in ("src", "href")]
    assert all(place.startswith(("data:image/", "#")) for place in places if place is not None)
    names = {element.tag for element in page.iter()}
    assert not names & {"link", "script", "iframe", "object"}
    text = path.read_text()
    assert set(re.findall(r"url\(.", text)) == {"url(#"} and "@import" not in text
    assert "http:" not in text and "https:" not in text


def test_what_is_referred_to_is_there_once(whole):
    """Clip paths and markers of the charts, all in one page."""
    path, page = whole
    ids = [element.get("id") for element in page.iter() if element.get("id")]
    named = set(re.findall(r'(?:url\(#|href="#)([^")]+)', path.read_text()))
    assert len(set(ids)) == len(ids) and named <= set(ids) and len(named) > len(SECTIONS)


def test_pictures_have_words_and_headings_nest(whole):
    _, page = whole
    assert all(image.get("alt") for image in page.iter("img"))
    drawings = [svg for svg in page.iter("svg") if svg.get("class")]
    assert drawings and all(svg.get("aria-label") and svg.get("role") == "img" for svg in drawings)
    levels = [int(e.tag[1]) for e in page.iter() if re.fullmatch(r"h\d", e.tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later <= level + 1 for level, later in zip(levels, levels[1:]))


def test_figures_are_those_of_the_evaluation(saved, whole):
    _, embedding, regressor = saved
    expected = {}
    for finished in (embedding, regressor):
        config = read_config(finished.config)
        dataset = evaluation_dataset(config)
        model = load_for_evaluation(config, finished.checkpoint, dataset, CPU)
        expected.update(evaluate(model, config, dataset, CPU).figures)
    of_embedding, of_regressor = (figures_in(whole[1], letter) for letter in "AB")
    shown = [row["Mean"] for row in (*of_embedding.values(), *of_regressor.values())]
    assert shown == [f"{value:.2f}" for value in expected.values()]
    assert of_embedding["Same identity px of 70"]["results.json"] == "1.25"
    assert of_regressor["Landmarks % of the eyes' distance"]["results.json"] == "none"


def test_a_card_says_what_was_run(whole):
    card = text_of(card_of(whole[1], "A"))
    for words in ("tiny-embedding", "Kind embedding", STAMP, "SmallNet (num_output_channels 8)",
                  "3 epochs", "8 images of LandmarkFolder, split test", "checkpoint-epoch3.pth"):
        assert words in card
    assert not with_class(whole[1], "missing")


def test_configs_are_compared_key_by_key(saved, whole):
    (table,) = with_class(whole[1], "configs")
    rows = [[text_of(cell) for cell in row] for row in table.iter("tr")]
    assert ["loss", "dense_correlation_loss_dve", "regression_loss"] in rows
    assert ["keypoint_regressor.args.softargmax_mul", "not set", "100"] in rows
    assert not any(row[0].startswith(("batch_size", "arch")) for row in rows)
    folded = [json.loads(text_of(text)) for text in whole[1].iter("pre")]
    assert folded == [json.loads(finished.config.read_text()) for finished in saved[1:]]


def test_differences_of_nested_configs():
    one = {"a": {"b": 1, "c": {}}, "d": [1, 2], "e": None}
    other = {"a": {"b": 1.5, "c": {"x": "1"}}, "d": [1, 2], "e": False}
    assert differences([one, other, one]) == {
        "a.b": ["1", "1.5", "1"],
        "e": ["null", "false", "null"],
        "a.c.x": ["not set", "1", "not set"],
    }


def test_every_epoch_is_there(whole):
    for epochs in epochs_in(whole[1]):
        assert epochs == [{"epoch": f"{n}", "loss": f"{4 / n:.4g}", "val_loss": f"{3 / n:.4g}",
                           "lr": f"{0.1 ** n:.4g}", "images_per_s": "20"} for n in (1, 2, 3)]
    titles = [text_of(figure.find("figcaption")) for figure in with_id(whole[1], "training")
              .iter("figure")]
    assert titles == ["Loss", "Learning rate"] * 2  # the embedding's, the regressor's
    says = [chart.get("aria-label") for chart in with_class(whole[1], "chart")]
    assert len(set(says)) == len(says) == 4 + 3 * 5
    assert says[0] == "Loss by epoch, of A tiny-embedding"


def test_an_epoch_that_ran_twice_counts_as_it_was_last(embedding, tmp_path):
    embedding.write_log(*epoch_lines(1, loss=5), *epoch_lines(2, loss=7), "start: continuing",
                        *epoch_lines(2, loss=6), *epoch_lines(3, loss=4))
    (embedding.checkpoint).unlink()  # what is evaluated does not matter
    page = write_page(tmp_path / "page.html", embedding.models)
    (epochs,) = epochs_in(page)
    assert [(e["epoch"], e["loss"]) for e in epochs] == [("1", "5"), ("2", "6"), ("3", "4")]


@pytest.mark.parametrize("name", ["dense-same", "matches"])
def test_galleries_are_as_large_as_the_test_set(whole, name):
    """8 test images: 4 pairs, of which first, best and worst are all."""
    section = with_id(whole[1], name.partition("-")[0].replace("matches", "matching"))
    galleries = [len(list(gallery)) for gallery in with_class(section, "gallery")]
    assert galleries == [4] * (2 if name == "dense-same" else 6)


def test_predictions_go_from_the_best_to_the_worst(whole):
    captions = [text_of(c) for c in with_id(whole[1], "landmarks").iter("figcaption")]
    found = [re.fullmatch(r"(\d+) of 8, \S+: ([\d.]+) %", caption) for caption in captions]
    ranks, errors = zip(*((int(m[1]), float(m[2])) for m in found if m))
    assert list(ranks) == list(range(1, 9))
    assert list(errors) == sorted(errors)


def test_a_single_run_has_no_comparison(embedding, tmp_path):
    page = write_page(tmp_path / "page.html", embedding.models, "--images", 5)
    assert text_of(page.find(".//h1")) == "tiny-embedding"
    assert not with_class(page, "configs") and not with_class(page, "legend")
    assert "4 images of" in text_of(card_of(page, "A"))  # an odd last one is dropped
    assert with_id(page, "landmarks") is None


def test_what_a_config_says_is_no_markup(landmark_folder, tmp_path):
    name = "tiny-<b>&\"'"
    run_folder = finished_embedding(tmp_path / "saved", landmark_folder, name,
                                    finetune_from="<script>alert(1)</script>")
    page = write_page(tmp_path / "page.html", run_folder.models)
    assert text_of(page.find(".//h1")) == name and not list(page.iter("script"))


def test_images_without_landmarks_are_shown_without_figures_and_by_any_name(
        landmark_folder, tmp_path):
    shutil.copytree(landmark_folder / "images", tmp_path / "images")
    for number in range(12):  # their names decide which of them are test images
        name = f'images/"><script>{number}.jpg'
        shutil.copy(landmark_folder / "images/000.jpg", tmp_path / name)
    run_folder = finished_embedding(tmp_path / "saved", tmp_path)
    page = write_page(tmp_path / "page.html", run_folder.models)
    shown = [section.get("id") for section in page.iter("section")]
    assert shown == ["runs", "configs", "training", "dense", "colours"]
    assert not list(page.iter("script"))
    labels = [text_of(caption) for caption in with_id(page, "colours").iter("figcaption")]
    assert any(re.fullmatch(r'"><script>\d+\.jpg', label) for label in labels)


def spoil_config(run_folder):
    run_folder.config.write_text("{")


def spoil_checkpoint(run_folder):
    run_folder.checkpoint.write_bytes(b"no checkpoint")


def interrupt(run_folder):
    run_folder.write_log(*epoch_lines(1, loss=1))
    run_folder.results.unlink()


def take_data_away(run_folder):
    config = json.loads(run_folder.config.read_text())
    config["dataset"]["args"]["root"] = "not/here"
    run_folder.config.write_text(json.dumps(config))


def make_seeds(run_folder):
    run_folder.checkpoint.rename(run_folder.models / "other.pth")
    for seed in (0, 1):
        (run_folder.models / f"seed-{seed}").mkdir()


@pytest.mark.parametrize("spoil, missing, sections", [
    (lambda r: r.config.unlink(), ["config.json: without it"], ["runs", "configs", "training"]),
    (spoil_config, ["a config that can be read"], ["runs", "configs", "training"]),
    (lambda r: r.checkpoint.unlink(), ["a checkpoint: without one"], SECTIONS[:3]),
    (make_seeds, ["its own here, seed-0, seed-1"], SECTIONS[:3]),
    (spoil_checkpoint, ["an evaluation: ", "checkpoint-epoch3.pth"], SECTIONS[:3]),
    (take_data_away, ["an evaluation: ", "'not/here': no such folder"], SECTIONS[:3]),
    (lambda r: shutil.rmtree(r.log), ["training curves"], SECTIONS[:6]),
    (interrupt, ["1 of 3 epochs done", "results.json"], SECTIONS[:6]),
    (lambda r: r.results.write_text("[]"), ["results.json"], SECTIONS[:6]),
], ids=lambda value: getattr(value, "__name__", None))
def test_what_is_missing_is_said(embedding, tmp_path, capsys, spoil, missing, sections):
    spoil(embedding)
    page = write_page(tmp_path / "page.html", embedding.models)
    (told,) = with_class(page, "missing")
    assert all(words in text_of(told) for words in missing)
    assert [section.get("id") for section in page.iter("section")] == sections
    assert "Traceback" not in capsys.readouterr().err


def test_one_run_s_lack_does_not_hide_the_others(embedding, landmark_folder, tmp_path):
    spoil_checkpoint(embedding)
    other = finished_embedding(tmp_path / "saved", landmark_folder, "tiny-other")
    page = write_page(tmp_path / "page.html", embedding.models, other.models)
    assert not figures_in(page, "A") and len(figures_in(page, "B")) == 4


@pytest.mark.parametrize("args, words", [
    (["{saved}"], ["{saved}: no run folder, expected <save_dir>/models/<name>/<time>"]),
    (["{saved}/models/tiny-embedding/2026-01-01_13-00-00"], ["13-00-00: no run folder"]),
    (["{run}", "--output", "{saved}/none/page.html"], ["none/page.html: expected a file"]),
    (["{run}", "--set", "dataset.args.rot=1", "--set", "no.key=1"], ["no", "is not a key"]),
    (["{run}", "--device", "99"], ["--device 99"]),
])
def test_mistakes_are_told_in_one_line(embedding, capsys, args, words):
    saved = embedding.models.parents[2]
    filled = [arg.format(saved=saved, run=embedding.models) for arg in args]
    assert run_program(lambda: main(filled)) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and told.count("\n") == 1
    assert all(word.format(saved=saved) in told for word in words)
    assert not list(saved.rglob("*.html"))


def test_a_single_image_makes_no_pair(embedding, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(embedding.models), "--images", "1"])
    assert ended.value.code == 2 and "at least 2" in capsys.readouterr().err


def test_the_program_takes_overrides_and_says_where_the_page_is(embedding, landmark_folder):
    take_data_away(embedding)
    override = f"dataset.args.root={landmark_folder}"
    done = run_real_program("misc/report.py", embedding.models, "--set", override)
    page = embedding.models.parents[2] / "report.html"
    assert (done.code, done.stderr) == (0, "") and done.stdout.startswith(f"{page}: 1 run, ")
    tree = read_html(page.read_text())
    assert override in text_of(tree.find(".//header")) and len(figures_in(tree, "A")) == 4


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium found to open the page in")
def test_a_browser_shows_it_without_complaints_or_overflow(whole, tmp_path):
    path, tree = whole
    with browser_page(tmp_path) as page:
        page.open(path)
        for width in (400, 1600):
            for scheme in ("light", "dark"):
                page.resize(width, scheme=scheme)
                assert page.evaluate("innerWidth") == width
                assert page.evaluate(OVERFLOWING) == []
        broken = "[...document.images].filter(image => !image.naturalWidth).length"
        assert page.evaluate(broken) == 0
        assert page.evaluate("document.images.length") == len(list(tree.iter("img")))
        assert page.complaints == []
