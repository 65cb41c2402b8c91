"""A study's report: its numbers come from the results, and it shows what there is."""

from __future__ import annotations

import copy
import json
import re

import pandas as pd
import pytest
from study_helpers import html_page, markdown_page
from study_results import make_study, write_study
from test_report import PYTHON_WORDS, files_of, read_html

from aegan.errors import InputError
from aegan.report.kit.numbers import DASH
from aegan.study import report as S
from aegan.study import words as W
from aegan.study.codes import report as codes
from aegan.study.cross_corpus import report as cross_corpus
from aegan.study.cross_validation import report as cross_validation
from aegan.study.low_resource import report as low_resource
from aegan.study.low_resource.figure import figure as fig6
from aegan.study.low_resource.results import cells_of, gains_of
from aegan.study.registry import claims
from aegan.study.report import document, text_summary, write_study_report

MODELS = ["m1", "m2", "m3"]


@pytest.fixture(scope="module")
def study():
    return make_study()


@pytest.fixture(scope="module")
def written(study, tmp_path_factory):
    """The report of everything, written once."""
    folder = tmp_path_factory.mktemp("study")
    write_study(folder, study, rows=100)
    assert write_study_report(folder) == folder / "report.html"
    return folder


def only(study, *names, **changes):
    """The study with some of its experiments, and what they say of the claims."""
    few = {name: study["experiments"][name] for name in names}
    return {**study, "experiments": few, "claims": claims(few), **changes}


def lines(table):
    """Rows of a table as dicts by their first cell."""
    return {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}


def test_tables_2_and_3_stand_beside_the_paper(study):
    rows = lines(cross_validation.models_table(study))
    tstr = study["experiments"]["cross_validation"]["models"]["m3"]["metrics"]["tstr_set2"]
    low, high = tstr["ci95"]
    expected = f"{100 * tstr['mean']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
    assert rows["M3, this study"]["TSTR set-2 (%)"] == expected
    assert rows["M3, paper, IEMOCAP"]["TSTR set-2 (%)"] == "51.58"
    assert rows["M3, paper, IEMOCAP"]["FID"] == "33.99"
    assert rows["M3, this study"]["Verdict on the rows"] == "off the data"
    references = ["Real rows of set-1", "Real \u2192 real", "Class mean", "Class Gaussian"]
    assert list(rows)[-6:] == [*references, "SMOTE", "Jitter"]
    found = study["experiments"]["cross_validation"]
    differences = lines(cross_validation.differences_table(found))
    assert list(differences) == ["M2 less M1", "M1 less M3", "M3 less M2"]  # each pair once
    mean = found["differences"]["m2-m1"]["fid"]["mean"]
    assert differences["M2 less M1"]["FID"].startswith(f"{mean:+.2f} [")


def test_table_4_stands_beside_the_paper(study):
    found = study["experiments"]["cross_corpus"]
    rows = lines(cross_corpus.target_table(study, "own"))
    ours = found["tables"]["own"]["m2"]["tstr"]["mean"]
    assert rows["M2, this study"]["Metric 2, TSTR (%)"].startswith(f"{100 * ours:.1f} [")
    assert rows["M2, paper, IEMOCAP to MSP-IMPROV"]["Metric 2, TSTR (%)"] == "38.61"
    ceiling = rows["Real rows of the target, other speakers"]["Metric 2, TSTR (%)"]
    assert ceiling.startswith(f"{100 * found['target_to_target']['mean']:.1f} [")
    by_source = lines(cross_corpus.target_table(study, "source"))
    assert "Real rows of the target, other speakers" not in by_source


def test_gains_of_fig_6_by_mode_and_number(study):
    found = study["experiments"]["low_resource"]["scopes"]["target"]
    rows = lines(low_resource.gain_table(found, MODELS, "on the target"))
    for mode, words in (("paper", "as the paper"), ("honest", "honest")):
        gain = gains_of(found)[mode, "m1", 25, 2000]
        shown = rows[f"M1, 2000 rows ({words})"]["P = 25 %"]
        assert shown.startswith(f"{100 * gain['mean']:+.1f} [")
    assert "SMOTE, 6000 rows (honest)" in rows and "SMOTE, 600 rows (honest)" not in rows
    every = lines(low_resource.gain_table(found, MODELS, "", every=True))
    assert "SMOTE, 600 rows (honest)" in every
    uar = lines(low_resource.accuracy_table(found, MODELS, "", "uar"))
    assert "No added rows (honest)" in uar
    compared = lines(low_resource.comparison_table(found))
    for row in ("M1, 6000 less 2000 rows (as the paper)", "M1 less SMOTE, 6000 rows (honest)"):
        assert row in compared


def test_curves_that_are_one_with_the_other_mode_are_shown_once(study):
    found = study["experiments"]["low_resource"]["scopes"]["target"]
    cells = {(cell["mode"], cell["method"]) for cell in found["cells"]}
    assert {("honest", "m2"), ("paper", "smote")} <= cells  # at P = 100 %
    curves = {(mode, method) for mode, method, _ in low_resource.curves_of(found, MODELS)}
    added = {("paper", name) for name in ("class_gaussian", "oversampling", "smote", "jitter")}
    assert cells - curves == added | {("honest", "m2"), ("honest", "m3")}
    last = [cell for cell in found["cells"] if cell["percent"] == 100]
    alone = {**found, "percents": [100], "cells": last}
    assert {(mode, method) for mode, method, _ in low_resource.curves_of(alone, MODELS)} == cells


def test_claims_count_their_parts(study):
    table = S.claims_table(study["claims"])
    for claim, row in zip(study["claims"], table.rows, strict=True):
        words = [part["verdict"] for part in claim["parts"] if part["deciding"]]
        held, failed, left = (int(count) for count in row[3].split(" / "))
        assert (held, failed) == (words.count("holds"), words.count("does not hold"))
        assert held + failed + left == len(words) and row[1] == claim["verdict"]
    ninth = next(claim for claim in study["claims"] if claim["number"] == 9)
    rows = S.parts_table(ninth).rows
    assert len(rows) == len(ninth["parts"])
    assert [row[0].startswith("(") for row in rows] == [not p["deciding"] for p in ninth["parts"]]
    assert rows[0][1].startswith(f"{100 * ninth['parts'][0]['value']['mean']:+.1f} points [")


def test_the_headline_counts_the_claims(study):
    def headline(*verdicts):
        return S.headline(study | {"claims": [{"verdict": verdict} for verdict in verdicts]})

    no, yes, open_ = "does not hold", "holds", "undecided"
    words = "claims of the paper tested"
    of_six = headline(yes, yes, no, no, open_, open_)
    assert of_six == f"Of 6 {words}, 2 hold, 2 do not hold and 2 are undecided"
    of_three = headline(yes, no, open_)
    assert of_three == f"Of 3 {words}, 1 holds, 1 does not hold and 1 is undecided"
    assert S.headline(study).startswith("Of 12 claims of the paper tested, ")
    text = " ".join(S.in_short(study))
    found = study["experiments"]["low_resource"]["scopes"]["target"]
    gain = gains_of(found)["honest", "m1", 10, 6000]["mean"]
    assert f"and by {100 * gain:+.1f} [" in text
    assert "Note: 1 of 10 lanes of M3 diverged: seed 1, fold 4." in text


def test_the_headline_says_what_was_run_of_a_part(study):
    part = dict.fromkeys(("toy", "codes"), {"figures": 1})
    timing = {"tasks": 30, "tasks_of_paper": 120}
    of = {"config": {"models": ["m1", "m3"], "seeds": [0]}, "claims": [], "timing": timing}
    found = S.headline(study | of | {"experiments": part})
    assert found == (
        "Only a part of the study was run: of the paper's 6 experiments 2 (codes, toy); models M1, "
        "M3; seed 0; 30 of 120 tasks. No claim of the paper was tested"
    )
    assert "Only a part" in S.headline(study | of)  # all experiments, but two models
    of |= {"experiments": {"fidelity": {"figures": 1}}, "timing": {"tasks": 1}}
    assert "experiments none, beyond them fidelity; " in S.headline(study | of)
    assert "seed 0; 1 task. No claim" in S.headline(study | of)


def test_html_is_self_contained_and_whole(written):
    reader = read_html(written)
    targets = {value for _, key, value in reader.attributes if key == "id"}
    links = [value for tag, key, value in reader.attributes if tag == "a" and key == "href"]
    assert len(links) == len(set(links)) > 10 and {link[1:] for link in links} == targets
    alts = [value for tag, key, value in reader.attributes if key == "alt"]
    assert len(set(alts)) > 25 and len(alts) == len([*(written / "figures").glob("*.png")])


def test_pages_hold_no_python_words(written):
    for text in ("".join(read_html(written).text), (written / "report.md").read_text()):
        assert not re.search(PYTHON_WORDS, text)
        assert "config.m3.train.aux_sees_label" in text  # underscores of names are kept


def test_markdown_shows_what_the_html_shows(study, written):
    markdown = (written / "report.md").read_text()
    html = "".join(read_html(written).text).replace("\u00a0", " ").replace("\u2011", "-")
    sections = re.findall(r"^## (.*)$", markdown, flags=re.MULTILINE)
    assert all(section in html for section in sections) and len(sections) == 12
    for link in re.findall(r"\]\((figures/[^)]+)\)", markdown):
        assert (written / link).is_file()
    for anchor in re.findall(r"\]\(#([^)]+)\)", markdown):
        assert anchor in {re.sub(r"[^\w\- ]", "", s.lower()).replace(" ", "-") for s in sections}
    for claim in study["claims"]:
        assert claim["differs"] in markdown and claim["differs"] in html
    for row in cross_validation.models_table(study).rows:
        assert all(cell in markdown for cell in row)
    assert markdown.count(f"Command: `{study['command']}`") == 11


def test_every_table_and_figure_says_its_corpus_and_versions(study):
    origins = {section.origin for section in document(study).sections if section.origin}
    assert all("jax 0.12.0; scikit-learn 1.9.1" in origin for origin in origins)
    assert len(origins) == 3
    assert W.origin(study, "both").startswith("Corpora nemo \u2192 ravdess;")
    assert W.origin(study, "source").startswith("Corpus nemo;")
    assert "ravdess" not in W.origin(study, "none")


def test_figure_data_lies_beside_the_figures(study, written):
    data = pd.read_csv(written / "figures" / "fig6-target.csv")
    chosen = (data["mode"] == "paper") & (data["method"] == "m1")
    row = data[chosen & (data["percent"] == 50) & (data["rows"] == 600)].iloc[0]
    found = study["experiments"]["low_resource"]["scopes"]["target"]
    cell = cells_of(found)["paper", "m1", 50, 600]
    assert row["uar"] == pytest.approx(cell["uar"]["mean"])
    assert [row["gain_low"], row["gain_high"]] == pytest.approx(cell["gain"]["ci95"])
    points = pd.read_csv(written / "figures" / "fig5.csv")
    kept = pd.read_parquet(written / "tasks" / "codes.parquet")
    pd.testing.assert_frame_equal(points, kept.astype({"source": "str", "class": "str"}))
    names = {path.name for path in (written / "figures").iterdir()}
    assert {"fig1-infogan.png", "fig4a-m3.png", "fig4b-real.png", "fig5-valid.png"} <= names
    assert {"losses-m1-reconstruction.png", "losses-m2-features.png", "losses-m3.csv"} <= names
    assert {f"fig6-source-{key}.png" for key in ("a-paper", "a-honest", "b", "c", "d")} <= names


def test_points_of_models_that_diverged_may_be_missing(study, tmp_path):
    write_study(tmp_path, only(study, "codes", "embedding"), rows=5)
    for name in ("codes", "embedding"):
        path = tmp_path / "tasks" / f"{name}.parquet"
        table = pd.read_parquet(path)
        table[table["source"] == "real"].to_parquet(path)
    write_study_report(tmp_path)
    assert [path.name for path in (tmp_path / "figures").glob("*.png")] == ["fig4b-real.png"]
    assert "Width over the prior's" in (tmp_path / "report.md").read_text()


def test_same_files_same_bytes(study, tmp_path):
    write_study(tmp_path, only(study, "toy"), rows=20)
    write_study_report(tmp_path)
    before = files_of(tmp_path)
    write_study_report(tmp_path)
    assert before == files_of(tmp_path)


TITLES = {
    "cross_validation": {"Tables 2 and 3: cross-validation", "Fig. 3: losses over the training"},
    "embedding": {"Fig. 4: where the synthetic rows lie"},
    "codes": {"Fig. 5: codes by the encoder of M1", "Section 4.2: what the codes keep"},
    "cross_corpus": {"Table 4: across corpora"},
    "low_resource": {f"Fig. 6: few real rows, tested on the {s}" for s in ("target", "source")},
    "toy": {"Fig. 1: vanilla GAN and InfoGAN"},
}


@pytest.mark.parametrize("name", TITLES)
def test_an_experiment_alone_has_its_own_sections(study, name):
    alone = only(study, name)
    found = {section.title for section in document(alone).sections}
    common = {"The paper's claims", "How to read this", "How to repeat this"}
    assert found == TITLES[name] | common
    assert "None" not in markdown_page(alone)
    assert all(len(line) <= 80 for line in text_summary(alone).splitlines())


def test_another_model_stands_where_those_of_the_paper_do(study):
    text = json.dumps(study["experiments"]).replace("m2", "m9").replace("M2", "M9")
    config = study["config"] | {"models": ["m1", "m9", "m3"]}
    other = only({"experiments": json.loads(text)}, *study["experiments"])
    other = study | other | {"config": config}
    markdown = markdown_page(other)
    rows = ("M9, this study", "M9 less M1", "M9, D2", "Mixing of M1 and M9", "M9's rows")
    for row in (*rows, "Codes of M9", "M9, 6000 rows (as the paper)"):
        assert f"| **{row}** |" in markdown or f"| {row} |" in markdown, row
    assert {claim["verdict"] for claim in other["claims"] if claim["number"] == 1} == {"undecided"}
    assert "M9" in text_summary(other) and "M2 " not in text_summary(other).partition("Tables")[2]


def test_nothing_run_is_said(study):
    nothing = {**study, "experiments": {}, "claims": []}
    assert "No claim of the paper was tested" in markdown_page(nothing)
    assert "No claim of the paper was tested" in text_summary(nothing)


@pytest.mark.parametrize("gone", ["ci95", "ci95 mean"])
def test_results_without_intervals_or_figures_are_shown(study, gone):
    def without(found):
        return found | dict.fromkeys(gone.split()) if "ci95" in found else found

    poor = only(json.loads(json.dumps(study), object_hook=without), *study["experiments"])
    assert [claim["number"] for claim in poor["claims"]] == list(range(1, 13))
    # Those of 5 and 6 never had one; of 4 and 8 it is made from the values of folds and lanes.
    decided = {c["number"] for c in poor["claims"] if c["verdict"] != "undecided"}
    assert decided <= {4, 5, 6, 8}
    assert "None" not in markdown_page(poor) + html_page(poor)
    assert all(len(line) <= 80 for line in text_summary(poor).splitlines())


@pytest.mark.parametrize("made_up", [False, True])
def test_a_study_without_a_target_speaks_of_the_source_alone(made_up):
    study = make_study(source_simulated=made_up)
    command = "python -m experiments.paper --config.source.path=nemo.parquet"
    names = ("cross_validation", "embedding", "codes", "toy")
    alone = only(study, *names, target=None, command=command)
    name = W.corpora(alone)
    assert name == ("simulated" if made_up else "nemo")
    assert document(alone).subtitle.endswith(f"source {name} (3076 rows, 4 classes, 9 speakers)")
    assert W.simulated(alone) == (["source"] if made_up else [])
    assert W.origin(alone, "both").startswith(f"Corpus {name};")
    assert S.corpora_table(alone).header == ("", "Source")
    assert {len(row) for row in S.corpora_table(alone).rows} == {2}
    assert f"this study has {name} alone, classes angry" in markdown_page(alone)
    for text in (markdown_page(alone), html_page(alone), text_summary(alone)):
        assert ("the source corpus is simulated" in " ".join(text.split())) is made_up
        assert not re.search("ravdess|\u2192 *\n|None", text)


def test_one_generator_seed_is_said_where_intervals_hold_for_it_only(study):
    single = {**study, "config": study["config"] | {"seeds": [3]}}
    for found, said in ((study, False), (single, True)):
        reading = W.texts("", "reading", drawn_over=W.drawn_over(found))
        shown = [cross_corpus.target_table(found, "own"), fig6(found, "target")]
        captions = [part.caption for part in (*shown, fig6(found, "source"))]
        for text in (*captions, " ".join(reading)):
            assert ("Every generator has one seed" in text) is said
            assert ("generator seeds" in text) is not said
        assert not re.search("[{}]", " ".join(reading))


def test_figures_without_an_interval_are_explained_in_table_4(study):
    def explained(table):
        words = "A figure without brackets has no interval"
        return [words in table(balanced, name).caption for name in ("own", "source")]

    balanced = copy.deepcopy(study)
    found = balanced["experiments"]["cross_corpus"]
    assert explained(cross_corpus.target_table) == [False, False]
    found["tables"]["own"]["real"]["trts"]["ci95"] = None
    found["differences"]["own"]["m3-m1"]["trts"]["ci95"] = None
    assert explained(cross_corpus.target_table) == [True, False]
    assert explained(cross_corpus.differences_table) == [True, False]
    found["tables"]["own"]["real"]["trts"]["mean"] = None  # a dash is no figure
    assert explained(cross_corpus.target_table) == [False, False]


def test_a_part_that_was_not_measured_says_so(study):
    alone = {"cross_corpus": study["experiments"]["cross_corpus"]}
    (claim,) = claims(alone)
    rows = lines(S.parts_table(claim))
    (gap,) = (row for what, row in rows.items() if what.startswith("Log of M3's FID"))
    assert (gap["Figure"], gap["Verdict"]) == ("not measured", "undecided")
    (part,) = (part for part in claim["parts"] if not part["measured"])
    del part["measured"]  # as a study of before left it
    assert DASH in {row[1] for row in S.parts_table(claim).rows}


def test_results_without_the_rule_are_shown_without_it(study):
    assert f"The rule. {study['rule']}" in markdown_page(study)
    old = {key: value for key, value in study.items() if key != "rule"}
    assert "The rule." not in markdown_page(old)


def test_the_codes_of_the_prior_are_as_near_as_it_says(study):
    assert "would have 99.5 in the first column" in codes.table(study).caption
    old = copy.deepcopy(study)
    del old["experiments"]["codes"]["prior"]["own_component"]
    assert "The prior's own points would have 1 in the columns" in codes.table(old).caption


def test_time_and_command_are_those_of_the_last_sitting(study):
    (section,) = (s for s in document(study).sections if s.title == "How to repeat this")
    assert "The command shown is the last one given." in section.blocks[0]
    seconds = [row[1] for row in S.machine_table(study).rows if "last sitting" in row[0]]
    assert seconds == ["4321"]


def test_where_the_time_went_by_kind_of_task(study):
    (table,) = S.time_tables(study)
    assert table.rows == (("training", "20", "102.1", "75"), ("toy", "100", "33.3", "25"))
    del study["timing"]["kinds"]  # as versions before wrote it
    assert S.time_tables(study) == []


def test_terminal_summary_fits_80_columns_and_names_every_claim(study):
    text = text_summary(study)
    assert max(map(len, text.splitlines())) <= 80
    for claim in study["claims"]:
        line = next(line for line in text.splitlines() if line.startswith(f"{claim['number']:>2} "))
        assert claim["verdict"] in line and line.endswith(claim["short"])
    tstr = study["experiments"]["cross_validation"]["models"]["m1"]["metrics"]["tstr_set2"]
    low, high = tstr["ci95"]
    assert f"{100 * tstr['mean']:.1f} \u00b1{50 * (high - low):.1f}" in text


@pytest.mark.parametrize("gone", ["results.json", "tasks/toy.parquet", "tasks/codes.parquet"])
def test_a_missing_file_is_named(study, tmp_path, gone):
    write_study(tmp_path, only(study, "toy", "codes"), rows=5)
    (tmp_path / gone).unlink()
    with pytest.raises(InputError, match=f"{gone}: no such file; run the study"):
        write_study_report(tmp_path)
    assert not (tmp_path / "report.html").exists()
