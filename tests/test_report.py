"""The report: its numbers come from results.json, and every page is whole."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from report_results import make_losses, make_results

from aegan.errors import InputError
from aegan.report import figures as F
from aegan.report import tables as T
from aegan.report.kit.documents import Document, page, section, words
from aegan.report.kit.figures import class_style, drawable
from aegan.report.kit.numbers import DASH, Estimate, percent, plain, points, signed
from aegan.report.run import document, write_report

CASES = {
    "full": dict(),
    "simulated": dict(simulated=True),
    "single": dict(model="m1", seeds=1, folds=1),
    "other": dict(model="m4", seeds=1, folds=2, classes={f"class{i}": 40 + i for i in range(7)}),
}
PYTHON_WORDS = r"\b(nan|NaN|None|inf|True|False|dict_keys)\b"
every_case = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Every case written once: name -> (results, workdir)."""
    written = {}
    for name, arguments in CASES.items():
        workdir = tmp_path_factory.mktemp(name)
        results = make_results(**arguments)
        (workdir / "results.json").write_text(json.dumps(results, allow_nan=False))
        make_losses(results, adversarial=name != "single").to_parquet(workdir / "losses.parquet")
        assert write_report(workdir) == workdir / "report.html"
        written[name] = results, workdir
    return written


class Reader(HTMLParser):
    """Checks the nesting, collects texts, attributes and table cells."""

    VOID = {"meta", "img", "br", "hr", "link", "input"}

    def __init__(self):
        super().__init__()
        self.stack, self.text, self.attributes, self.tables = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack and self.stack.pop() == tag, tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] != "style":
            self.text.append(data)
        if {"td", "th"} & set(self.stack):
            self.tables[-1][-1][-1] += data


def read_html(workdir):
    """The report read, whose tags are nested, tables even, pictures told, and nothing outside."""
    raw = (workdir / "report.html").read_text()
    assert not re.search(r"https?:|<script|<link|@import|url\(", raw)
    reader = Reader()
    reader.feed(raw)
    reader.close()
    assert reader.stack == []
    assert not re.search(PYTHON_WORDS, "".join(reader.text))
    for table in reader.tables:
        assert len({len(row) for row in table}) == 1, table[0]
    pictures = [value for tag, key, value in reader.attributes if key in ("src", "srcset")]
    assert pictures and all(value.startswith("data:image/png;base64,") for value in pictures)
    alts = [value for tag, key, value in reader.attributes if (tag, key) == ("img", "alt")]
    assert len(alts) == len(pictures) and all(alts)
    return reader


def files_of(workdir):
    return {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}


def test_main_table_prints_the_values_of_the_results():
    results = make_results()
    table = T.main_table(results)
    lines = {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}
    trts, fid = results["metrics"]["trts_set2"], results["metrics"]["fid"]
    mean, low, high = (f"{100 * value:.1f}" for value in (trts["mean"], *trts["ci95"]))
    assert lines["M2, this run"]["TRTS set-2 (%)"] == f"{mean} [{low}, {high}]"
    assert lines["M2, this run"]["FID"].startswith(f"{fid['mean']:.1f} [")
    assert lines["Paper, IEMOCAP"]["TRTS set-1 (%)"] == "88.41"
    assert lines["Paper, IEMOCAP"]["FID"] == "13.24"
    assert lines["Paper, IEMOCAP"]["FID above floor"] == DASH
    assert lines["Real rows of set-1"]["TSTR set-1 (%)"] == DASH
    ceiling = results["metrics"]["real_to_real"]["mean"]
    assert lines["Real \u2192 real"]["TSTR set-2 (%)"].startswith(f"{100 * ceiling:.1f} [")
    assert lines["Real \u2192 real"]["FID"].startswith("3.10")
    assert [row[0] for row in table.rows][-4:] == [
        title for name, title in T.REFERENCES.items() if name in results["references"]
    ][2:]


def test_folds_average_their_seeds_and_skip_lanes_without_a_value():
    results = make_results(seeds=2, folds=2)
    results["metrics"]["trts_set1"]["per_lane"] = [0.8, 0.5, 0.9, None]
    found = T.by_fold(results, results["metrics"]["trts_set1"]["per_lane"])
    assert found == pytest.approx({0: 0.85, 1: 0.5})
    table = T.fold_table(results)
    column = table.header.index("TRTS set-1 (%)")
    assert [row[column] for row in table.rows] == ["85.0", "50.0"]
    assert [row[1] for row in table.rows] == ["F0, M0", "F1, M1"]


def test_chosen_c_is_shown_per_fold_also_when_given_per_lane():
    results = make_results(seeds=2, folds=2)
    results["svm"]["chosen_c"] = {"set1": [1e-4, 1e-3], "synthetic": [1e-5, 3e-5, 1e-4, None]}
    assert T.svm_table(results).rows == (("0", "0.0001", "1e-5, 0.0001"), ("1", "0.001", "3e-5"))


def test_a_quick_run_says_that_its_figures_mean_nothing():
    for variant in ("quick", "default"):
        results = make_results() | {"variant": variant}
        quick = variant == "quick"
        assert (T.QUICK in T.banners(results)) is quick
        assert (T.QUICK in " ".join(T.text_table(results).split())) is quick
        assert (T.QUICK in document(results, make_losses(results)).headline) is quick


def test_names_of_classes_are_drawn_as_they_are(recwarn):
    names = ["$x\\b$", "a very long name of an emotion", "wütend", "生气", "悲伤", "100 $"]
    results = make_results(classes=dict.fromkeys(names, 50))
    figures = [F.confusion(results), F.variance(results)]
    assert all(panel.png for figure in figures for panel in figure.panels)
    assert not [str(found.message) for found in recwarn]  # no glyph is missing
    assert set(figures[0].data["true"]) == set(names)  # the numbers have them in full
    assert drawable("$x\\b$ ü") == "\\$x\\b\\$ ü" and drawable("生气!") in ("生气!", "<751f 6c14>!")


def test_the_data_section_has_the_notes_of_the_reader():
    corpus = make_results()["corpus"] | {"notes": ["3 cells are filled"]}
    assert "Note: 3 cells are filled." in " ".join(words("run", "data", corpus=corpus).split())


def test_numbers_keep_three_digits_and_no_value_is_a_dash():
    values = (0.1424, 24.13, 141.7, 12345.6, 3.2e7, 0.0001, 0)
    texts = ["0.14", "24.1", "142", "12346", "3.2e+07", "<0.01", "0.00"]
    assert [plain(value) for value in values] == texts
    for value in (None, float("nan"), float("inf")):
        assert plain(value) == percent(value) == Estimate.of({"mean": value}).said("%") == DASH
    assert [of(-1e-5) for of in (percent, points, signed)] == ["0.0", "+0.0", "+0.00"]
    assert [of(-0.2) for of in (percent, points, signed)] == ["-20.0", "-20.0", "-0.20"]


@every_case
def test_terminal_table_fits_80_columns(name):
    results = make_results(**CASES[name])
    text = T.text_table(results)
    assert max(map(len, text.splitlines())) <= 80
    assert "\nVerdict: prototype-like (TRTS on set-2 is 23 points" in text
    assert (T.SIMULATED in text) is (name == "simulated")
    line = next(line for line in text.splitlines() if "this run" in line)
    summary = results["metrics"]["tstr_set2"]
    low, high = summary["ci95"] or (0, 0)
    reach = f" \u00b1{50 * (high - low):.1f}" if summary["ci95"] else ""
    assert f"{100 * summary['mean']:.1f}{reach}" in line
    assert ("\u00b1" in line) is (summary["ci95"] is not None)


def test_terminal_table_fits_also_with_unwieldy_values():
    results = make_results()
    for metrics in (results["metrics"], *results["references"].values()):
        metrics["fid"]["mean"], metrics["fid_over_floor"]["mean"] = 123456.7, 98765.4
        for key in T.UARS:
            metrics[key]["ci95"] = [0.1, 1.2]
    text = T.text_table(results)
    assert max(map(len, text.splitlines())) <= 80 and "123457" in text and "98765" in text


@every_case
def test_pages_are_self_contained_and_their_tables_whole(reports, name):
    _, workdir = reports[name]
    attributes = read_html(workdir).attributes
    links = [value for _, key, value in attributes if key == "href"]
    assert links == [f"#{value}" for tag, key, value in attributes if (tag, key) == ("h2", "id")]
    text = (workdir / "report.md").read_text()
    assert not re.search(PYTHON_WORDS, text)
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.M)
    assert len(tables) >= 6
    for table in tables:
        lines = table.strip().splitlines()
        assert re.fullmatch(r"\|( :--| --:| \|)+", lines[1])
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    for path in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (workdir / path).stat().st_size > 0


def test_headline_names_figures_verdict_banner_and_bad_lanes(reports):
    for name in ("full", "simulated"):
        results, workdir = reports[name]
        mean = f"{100 * results['metrics']['tstr_set2']['mean']:.1f}"
        row = next(row for row in read_html(workdir).tables[0] if row[0] == "M2, this run")
        assert row[5].startswith(mean + " [")
        for text in ("".join(read_html(workdir).text), (workdir / "report.md").read_text()):
            assert re.search(rf"Can a classifier learn from them\?\W*{mean}\s%", text)
            assert "Verdict: prototype-like (clean, narrow classes" in text
            assert "1 of 10 trainings (one per fold and seed) diverged, kept the last good" in text
            assert "seed 1, fold 4." in text
            assert (T.SIMULATED in text) is (name == "simulated")


def test_foreign_text_is_escaped():
    results = make_results()
    results["folds"][0]["held_out"] = ["<b>x", "a|b"]
    parts = [section("Folds", "<i>", T.fold_table(results))]
    found = Document("<u>", "", "", [], parts, [])
    html = page(found, "report.html")
    assert "&lt;b&gt;x" in html and "&lt;i&gt;" in html and "&lt;u&gt;" in html
    assert not re.search("<[biu]>", html)
    assert "a\\|b" in page(found, "report.md")


def test_missing_references_paper_and_verdict_leave_a_page():
    results = make_results(seeds=1, folds=1)
    for key in ("references", "paper", "verdict", "per_class", "confusion", "svm"):
        results[key] = None
    for value in results["metrics"].values():
        value |= {"mean": None, "per_lane": [None]}
    found = document(results, make_losses(results))
    shown = page(found, "report.md")
    assert re.findall(r"figures/(\w+)\.csv\)", shown) == ["losses"]
    assert "Verdict: none" in shown
    assert max(map(len, T.text_table(results).splitlines())) <= 80


def test_figure_data_lies_beside_the_figures(reports):
    results, workdir = reports["full"]
    data = pd.read_csv(workdir / "figures" / "comparison.csv")
    row = data[(data["metric"] == "tstr_set2") & (data["generator"] == "M2, this run")].iloc[0]
    assert row["mean"] == pytest.approx(results["metrics"]["tstr_set2"]["mean"])
    assert row["ci95_low"] == pytest.approx(results["metrics"]["tstr_set2"]["ci95"][0])
    counts = pd.read_csv(workdir / "figures" / "confusion.csv")
    found = counts[counts["matrix"] == "trts_set1"]["rows"].to_numpy().reshape(4, 4)
    assert found.tolist() == results["confusion"]["model"]["trts_set1"]
    files = {path.name for path in (workdir / "figures").iterdir()}
    assert {"losses-features.png", "losses-code.png", "variance.png", "losses.csv"} <= files
    assert not [name for name in files if name.endswith(".tmp")]


def test_loss_curves_skip_epochs_without_the_loss():
    results = make_results(seeds=1, folds=2)
    table = make_losses(results, epochs=7)
    curves = F.loss_curves(table, "feature_discriminator", "valid")
    assert list(curves.index) == [3, 6] and list(curves.columns) == [(0, 0), (0, 1)]
    rows = table[(table["split"] == "valid") & (table["fold"] == 1) & (table["epoch"] == 6)]
    assert curves.loc[6, (0, 1)] == rows["feature_discriminator"].item()


def test_losses_are_called_as_the_results_say_and_share_panels():
    results = make_results(seeds=1, folds=1)
    said = {"words": "mi", "panel": "Mine & yours"}
    results["training"]["losses"] = [said | {"name": "mine"}, said | {"name": "yours"}]
    table = make_losses(results).assign(mine=1.5, yours=2.5, hers=0.5, none=np.nan)
    names = ["hers", "yours", "mine", "reconstruction"]
    words = F.loss_words(results["training"], names)
    assert list(words) == ["reconstruction", "mine", "yours", "hers"]
    both = [("mi", "Mine & yours")] * 2
    assert [*words.values()] == [("reconstruction", "Reconstruction"), *both, ("hers", "hers")]
    files = [panel.file for panel in F.losses(results, table, "m9").panels]
    known = [f"losses-m9-{name}.png" for name in ("reconstruction", "features", "code")]
    assert files == [*known, "losses-m9-mine--yours.png", "losses-m9-hers.png"]
    assert (
        "losses" not in page(document(results, table), "report.md").rpartition("How to repeat")[2]
    )


def test_a_class_keeps_its_colour_and_differs_by_marker_too():
    style = class_style([f"class{i}" for i in range(7)])
    assert len(set(style.values())) == 7
    assert len({marker for _, marker in style.values()}) == 7


def test_same_files_same_bytes(reports):
    _, workdir = reports["single"]
    before = files_of(workdir)
    write_report(workdir)
    assert before == files_of(workdir)


@pytest.mark.parametrize("gone", ["results.json", "losses.parquet"])
def test_missing_input_names_the_file_and_the_stage(tmp_path, gone):
    if gone != "results.json":
        (tmp_path / "results.json").write_text(json.dumps(make_results(seeds=1, folds=1)))
    with pytest.raises(InputError, match=rf"{gone}: no such file; run with --stage="):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()
