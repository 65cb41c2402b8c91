"""The report: its numbers come from results.json, and every page is whole."""

from __future__ import annotations

import copy
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from aegan.errors import InputError
from aegan.report import detail_tables as D
from aegan.report import figures as F
from aegan.report import tables as T
from aegan.report.page import markdown_page
from aegan.report.paper import paper_figures
from aegan.report.write import write_report

MEANS = {  # per generator: trts 1, 2, tstr 1, 2, fid, variance ratio, nearest row, copies
    "model": (0.951, 0.712, 0.673, 0.508, 24.1, 0.142, 0.71, 0.0),
    "real": (0.982, 0.481, None, 0.531, 3.1, 1.0, 1.0, 0.01),
    "class_mean": (1.0, 0.803, 0.602, 0.447, 141.7, 0.001, 0.68, 0.0),
    "class_gaussian": (0.861, 0.492, 0.883, 0.521, 5.2, 1.002, 0.97, 0.0),
    "smote": (1.0, 0.494, 0.957, 0.538, 4.0, 0.753, 0.41, 0.62),
    "jitter": (0.981, 0.489, 0.978, 0.549, 3.3, 1.011, 0.22, 0.97),
}
KEYS = ("trts_set1", "trts_set2", "tstr_set1", "tstr_set2")
KEYS = (*KEYS, "fid", "variance_ratio", "nn_distance", "copies")


def _summary(per_lane, lanes):
    folds = sorted({lane["fold"] for lane in lanes})
    pairs = list(zip(lanes, per_lane, strict=True))
    values = [[v for lane, v in pairs if lane["fold"] == f and v is not None] for f in folds]
    values = [float(np.mean(v)) for v in values if v]
    summary = {"per_lane": per_lane, "mean": None, "sd": None, "ci95": None}
    if values:
        summary["mean"] = float(np.mean(values))
    if len(values) > 1:
        sd = float(np.std(values, ddof=1))
        half = float(stats.t.ppf(0.975, len(values) - 1)) * sd / len(values) ** 0.5
        summary |= {"sd": sd, "ci95": [summary["mean"] - half, summary["mean"] + half]}
    return summary


def make_results(model="m2", seeds=2, folds=5, classes=None, simulated=False):
    """A results.json as a run writes it; one lane diverged when there is more than one."""
    rng = np.random.default_rng(7)
    classes = classes or {"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1084}
    lanes = [
        {
            "seed": seed,
            "fold": fold,
            "status": "ok",
            "detail": None,
            "epochs": 60,
            "last_good_epoch": 60,
            "convergence": 0.012,
            "variance_ratio_check": 0.14,
            "classes_missing": [],
        }
        for seed in range(seeds)
        for fold in range(folds)
    ]
    if len(lanes) > 1:
        lanes[-1] |= {"status": "diverged", "last_good_epoch": 17, "convergence": None}
        lanes[-1] |= {"detail": "reconstruction not finite in epoch 18 | batch 3"}

    def summaries(name):
        out = {}
        for key, mean in zip(KEYS, MEANS[name], strict=True):
            noise = rng.normal(0, 0.02, folds)[[lane["fold"] for lane in lanes]]
            noise = noise + (rng.normal(0, 0.01, len(lanes)) if name == "model" else 0)
            per_lane = [None if mean is None else float(mean * (1 + e)) for e in noise]
            if key in KEYS[:4] and mean is not None:
                per_lane = [min(value, 1.0) for value in per_lane]
            if name == "model" and lanes[-1]["status"] == "diverged":
                per_lane[-1] = None
            out[key] = _summary(per_lane, lanes)
        floors = [3.1 for _ in lanes]
        out["fid_real"] = _summary(floors, lanes)
        ratios = [None if v is None else v - 3.1 for v in out["fid"]["per_lane"]]
        out["fid_over_floor"] = _summary(ratios, lanes)
        ceiling = 0.531 * (1 + rng.normal(0, 0.05, folds)[[lane["fold"] for lane in lanes]])
        out["real_to_real"] = _summary([float(v) for v in ceiling], lanes)
        return out

    def matrix(quality):
        shares = np.full((len(classes),) * 2, (1 - quality) / max(len(classes) - 1, 1))
        np.fill_diagonal(shares, quality)
        return (shares * 1500).round().astype(int).tolist()

    all_summaries = {name: summaries(name) for name in MEANS}
    return {
        "format": 1,
        "model": model,
        "variant": "default",
        "title": "M2: M1 with a discriminator on the features",
        "corpus": {
            "name": "simulated" if simulated else "nemo",
            "simulated": simulated,
            "rows": sum(classes.values()),
            "features": 1582,
            "classes": classes,
            "speakers": 10,
            "sessions": 5 if simulated else None,
            "hash": "0123456789abcdef",
            "feature_hash": "fedcba9876543210",
            "statistics": "fold",
        },
        "config": {"model": {"name": model, "lambda": None}, "training": {"rates": [0.001, 0.1]}},
        "config_hash": "abc123",
        "versions": {"python": "3.11.2", "jax": "0.10.2"},
        "device": {"platform": "cpu", "kind": "cpu", "count": 1, "matmul_precision": "highest"},
        "timing": {"train_s": 91.23, "sample_s": 2.0, "evaluate_s": None},
        "training": {"epochs": 60, "batches_per_epoch": 70, "updates": 4200, "batch_size": 64},
        "folds": [
            {
                "fold": f,
                "name": f"speakers F{f}, M{f}",
                "held_out": [f"F{f}", f"M{f}"],
                "train_rows": 4424,
                "valid_rows": 1107,
            }
            for f in range(folds)
        ],
        "lanes": lanes,
        "metrics": all_summaries["model"],
        "references": {name: all_summaries[name] for name in MEANS if name != "model"},
        "per_class": {
            name: {
                "variance_ratio": {
                    c: float(MEANS[name][5] * (1 + 0.1 * i)) for i, c in enumerate(classes)
                },
                "trts_set2_recall": {c: float(rng.uniform(0.3, 0.9)) for c in classes},
                "tstr_set2_recall": {
                    c: None if i == 1 else float(rng.uniform(0.3, 0.7))
                    for i, c in enumerate(classes)
                },
            }
            for name in MEANS
        },
        "confusion": {
            "model": {key: matrix(MEANS["model"][i]) for i, key in enumerate(KEYS[:4])},
            "real": {"real_to_real": matrix(0.53)},
        },
        "svm": {
            "protocol": {"kernel": "linear", "c_grid": [1e-5, 3e-5, 1e-4], "inner_folds": 3},
            "chosen_c": {
                "set1": [1e-4] * folds,
                "set2": [3e-4] * folds,
                "synthetic": [None if lane["status"] != "ok" else 1e-5 for lane in lanes],
                "class_mean": [1e-5] * folds,
            },
        },
        "verdict": {
            "word": "prototype-like",
            "reasons": ["TRTS on set-2 is 23 points above that of real rows", "variance < 0.5"],
            "references": {"real": "faithful", "class_mean": "collapsed", "smote": "copying"},
            "rule": "prototype-like: TRTS set-2 above the real rows and variance ratio below 0.5.",
        },
        "paper": paper_figures(model),
    }


def make_losses(results, epochs=40, adversarial=True):
    rng = np.random.default_rng(1)
    epoch = np.arange(1, epochs + 1)
    tables = []
    for lane in results["lanes"]:
        for split in ("train", "valid"):
            lift = 1.0 if split == "train" else 1.12
            base = 60 * lift * (0.5 + np.exp(-epoch / 8)) + rng.normal(0, 0.4, epochs)
            table = pd.DataFrame({"seed": lane["seed"], "fold": lane["fold"], "epoch": epoch})
            table["split"] = split
            table["reconstruction"] = base
            table["code_discriminator"] = 0.69 - 0.3 * np.exp(-epoch / 5)
            table["encoder_adversarial"] = 0.69 + 0.9 * lift * np.exp(-epoch / 5)
            if adversarial:
                table["feature_discriminator"] = 0.5 + 0.1 * rng.normal(0, 0.1, epochs)
                table["generator_adversarial"] = 1.2 * lift + 0.1 * rng.normal(0, 0.1, epochs)
                table.loc[table["epoch"] % 3 > 0, "feature_discriminator"] = np.nan
            if lane["status"] == "diverged":
                table.loc[table["epoch"] > 18, "reconstruction"] = np.nan
                table.loc[table["epoch"] == 18, "reconstruction"] = 1e9
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


CASES = {
    "full": dict(),
    "simulated": dict(simulated=True),
    "single": dict(model="m1", seeds=1, folds=1),
    "other": dict(model="m4", seeds=1, folds=2, classes={f"class{i}": 40 + i for i in range(7)}),
}


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
    reader = Reader()
    reader.feed((workdir / "report.html").read_text())
    reader.close()
    assert reader.stack == []
    return reader


def test_paper_figures_are_those_of_tables_2_and_3():
    assert paper_figures("m2") == {
        "trts_set1": 0.8841,
        "tstr_set1": 0.4991,
        "trts_set2": 0.7475,
        "tstr_set2": 0.4696,
        "fid": 13.24,
        "source": "Tables 2 and 3, IEMOCAP",
    }
    assert paper_figures("M1")["trts_set1"] == 0.8560 and paper_figures("m1")["fid"] == 14.52
    assert paper_figures("m3")["tstr_set2"] == 0.5158 and paper_figures("m3")["fid"] == 33.99
    assert paper_figures("m4") is None


def test_main_table_prints_the_values_of_the_results():
    results = make_results()
    table = T.main_table(results)
    lines = {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}
    trts = results["metrics"]["trts_set2"]
    low, high = trts["ci95"]
    expected = f"{100 * trts['mean']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
    assert lines["M2, this run"]["TRTS set-2 (%)"] == expected
    fid = results["metrics"]["fid"]
    assert lines["M2, this run"]["FID"].startswith(f"{fid['mean']:.1f} [")
    assert lines["Paper, IEMOCAP"]["TRTS set-1 (%)"] == "88.41"
    assert lines["Paper, IEMOCAP"]["FID"] == "13.24"
    assert lines["Paper, IEMOCAP"]["FID above floor"] == T.DASH
    assert lines["Real rows of set-1"]["TSTR set-1 (%)"] == T.DASH
    ceiling = results["metrics"]["real_to_real"]["mean"]
    assert lines["Real \u2192 real"]["TSTR set-2 (%)"].startswith(f"{100 * ceiling:.1f} [")
    assert lines["Real \u2192 real"]["FID"].startswith("3.10")
    assert [row[0] for row in table.rows][-4:] == [*T.REFERENCES.values()][1:]


def test_folds_average_their_seeds_and_skip_lanes_without_a_value():
    results = make_results(seeds=2, folds=2)
    results["metrics"]["trts_set1"]["per_lane"] = [0.8, 0.5, 0.9, None]
    assert D.by_fold(results, results["metrics"]["trts_set1"]["per_lane"]) == pytest.approx(
        [0.85, 0.5]
    )
    table = D.fold_table(results)
    column = table.header.index("TRTS set-1 (%)")
    assert [row[column] for row in table.rows] == ["85.0", "50.0"]
    assert [row[1] for row in table.rows] == ["F0, M0", "F1, M1"]


def test_chosen_c_is_shown_per_fold_also_when_given_per_lane():
    results = make_results(seeds=2, folds=2)
    results["svm"]["chosen_c"] = {"set1": [1e-4, 1e-3], "synthetic": [1e-5, 3e-5, 1e-4, None]}
    assert D.svm_table(results).rows == (("0", "0.0001", "1e-5, 0.0001"), ("1", "0.001", "3e-5"))


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_no_value_is_a_dash(value):
    assert T.plain(value) == T.percent(value) == T.show_cell("fid", T.Cell(T.number(value))) == "–"


def test_numbers_keep_three_digits():
    values = (0.1424, 24.13, 141.7, 12345.6, 3.2e7, 0.0001, 0)
    texts = ["0.14", "24.1", "142", "12346", "3.2e+07", "<0.01", "0.00"]
    assert [T.plain(value) for value in values] == texts


@pytest.mark.parametrize("name", CASES)
def test_terminal_table_fits_80_columns(name):
    results = make_results(**CASES[name])
    text = T.text_table(results)
    assert max(map(len, text.splitlines())) <= 80
    assert "\nVerdict: prototype-like (TRTS on set-2 is 23 points" in text
    assert (T.SIMULATED in text) is (name == "simulated")
    line = next(line for line in text.splitlines() if "this run" in line)
    summary = results["metrics"]["tstr_set2"]
    if summary["ci95"]:
        low, high = summary["ci95"]
        assert f"{100 * summary['mean']:.1f} \u00b1{50 * (high - low):.1f}" in line
    else:
        assert "\u00b1" not in line and f"{100 * summary['mean']:.1f}" in line


def test_terminal_table_fits_also_with_unwieldy_values():
    results = make_results()
    for metrics in (results["metrics"], *results["references"].values()):
        metrics["fid"]["mean"], metrics["fid_over_floor"]["mean"] = 123456.7, 98765.4
        for key in T.UARS:
            metrics[key]["ci95"] = [0.1, 1.2]
    text = T.text_table(results)
    assert max(map(len, text.splitlines())) <= 80 and "123457" in text and "98765" in text


@pytest.mark.parametrize("name", CASES)
def test_pages_hold_no_python_words(reports, name):
    _, workdir = reports[name]
    texts = ["".join(read_html(workdir).text), (workdir / "report.md").read_text()]
    for text in texts:
        assert not re.search(r"\b(nan|NaN|None|inf|True|False)\b", text)


@pytest.mark.parametrize("name", CASES)
def test_html_is_self_contained_and_its_tables_are_whole(reports, name):
    _, workdir = reports[name]
    reader = read_html(workdir)
    sources = [value for _, key, value in reader.attributes if key in ("src", "href", "srcset")]
    assert sources and all(value.startswith("data:image/png;base64,") for value in sources)
    raw = (workdir / "report.html").read_text()
    assert not re.search(r"https?:|<script|<link|@import|url\(", raw)
    assert all(value for tag, key, value in reader.attributes if (tag, key) == ("img", "alt"))
    for table in reader.tables:
        assert len({len(row) for row in table}) == 1


@pytest.mark.parametrize("name", CASES)
def test_markdown_tables_have_as_many_cells_in_every_row(reports, name):
    _, workdir = reports[name]
    text = (workdir / "report.md").read_text()
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.M)
    assert len(tables) >= 6
    for table in tables:
        lines = table.strip().splitlines()
        assert re.fullmatch(r"\|( :--| --:| \|)+", lines[1])
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
        assert len(counts) == 1
    for path in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (workdir / path).stat().st_size > 0


def test_html_and_markdown_agree_with_the_results(reports):
    results, workdir = reports["full"]
    mean = f"{100 * results['metrics']['tstr_set2']['mean']:.1f}"
    row = next(row for row in read_html(workdir).tables[0] if row[0] == "M2, this run")
    assert row[4].startswith(mean + " [")
    assert f"recognises {mean} %" in (workdir / "report.md").read_text()


def test_headline_names_verdict_banner_and_bad_lanes(reports):
    for name in ("full", "simulated"):
        _, workdir = reports[name]
        for text in ("".join(read_html(workdir).text), (workdir / "report.md").read_text()):
            assert "Verdict: prototype-like (clean, narrow classes" in text
            assert "1 of 10 lanes diverged, kept the last good state and enter no mean: " in text
            assert "seed 1, fold 4." in text
            assert (T.SIMULATED in text) is (name == "simulated")


def test_foreign_text_is_escaped():
    results = make_results()
    results["folds"][0]["held_out"] = ["<b>x", "a|b"]
    table = D.fold_table(results)
    assert "&lt;b&gt;x" in T.to_html(table) and "<b>" not in T.to_html(table)
    assert "a\\|b" in T.to_markdown(table)


def test_missing_references_paper_and_verdict_leave_a_page():
    results = make_results(seeds=1, folds=1)
    for key in ("references", "paper", "verdict", "per_class", "confusion", "svm"):
        results[key] = None
    results["metrics"] = {
        key: {**copy.deepcopy(value), "mean": None, "per_lane": [None]}
        for key, value in results["metrics"].items()
    }
    found = F.all_figures(results, make_losses(results))
    assert [figure.name for figure in found] == ["losses"]
    assert "Verdict: none" in markdown_page(results, found)
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


def test_a_class_keeps_its_colour_and_differs_by_marker_too():
    style = F.class_style([f"class{i}" for i in range(7)])
    assert len(set(style.values())) == 7
    assert len({marker for _, marker in style.values()}) == 7


def test_same_files_same_bytes(reports):
    _, workdir = reports["single"]
    files = [path for path in workdir.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    write_report(workdir)
    assert before == {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}


@pytest.mark.parametrize("gone", ["results.json", "losses.parquet"])
def test_missing_input_names_the_file_and_the_stage(tmp_path, gone):
    results = make_results(seeds=1, folds=1)
    if gone != "results.json":
        (tmp_path / "results.json").write_text(json.dumps(results))
    with pytest.raises(InputError, match=rf"{gone}: no such file; run with --stage="):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()
