"""The citation of the paper says the same everywhere, and the versions agree."""

import configparser
import re

import yaml

from tests.data_helpers.tiny_runs import ROOT

TITLE = "Unsupervised Learning of Landmarks by Descriptor Vector Exchange"
AUTHORS = ["James Thewlis", "Samuel Albanie", "Hakan Bilen", "Andrea Vedaldi"]


def test_citation_cff_names_the_paper():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cff["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "version", "license"} <= cff.keys()
    paper = cff["preferred-citation"]
    assert (paper["type"], paper["title"], paper["year"]) == ("conference-paper", TITLE, 2019)
    assert [f"{a['given-names']} {a['family-names']}" for a in paper["authors"]] == AUTHORS


def test_the_readme_has_the_bibtex_of_the_paper():
    (entry,) = re.findall(r"```bibtex\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    fields = dict(re.findall(r"^\s*(\w+)\s*=\s*\{(.*)\},?$", entry, re.MULTILINE))
    assert entry.startswith("@inproceedings{") and entry.count("{") == entry.count("}")
    assert fields["title"] == TITLE and fields["year"] == "2019" and "ICCV" in fields["booktitle"]
    names = [" ".join(reversed(name.split(", "))) for name in fields["author"].split(" and ")]
    assert names == AUTHORS


def test_the_changelog_begins_with_the_version():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    headings = re.findall(r"^(#+) (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == [("#", "Changelog"), ("##", setup["metadata"]["version"])]
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cff["version"] == setup["metadata"]["version"]
