"""M4's experiment: its runs, the answer worked by hand, and how it is told."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from study_helpers import run_here, tiny_study
from study_results import corpus
from test_study_report import lines

from aegan.metrics.evaluate import METRICS
from aegan.metrics.intervals import corrected_estimate, summarise
from aegan.run import stages
from aegan.study.information import INFORMATION, report
from aegan.study.information.tasks import Settings, points, results
from aegan.study.registry import tasks_of
from aegan.study.report import document

LANES = [{"seed": seed, "fold": fold, "status": "ok"} for seed in (0, 1) for fold in range(5)]
NAMES = ["m4-0-rows", "m4-1-rows", "m4-1-label"]


def test_lambda_0_stands_once_and_the_answers_lambda_always():
    assert points(Settings((0.0, 0.1), answer=3.0)) == {
        "m4-0-rows": (0.0, "rows"),
        "m4-0.1-rows": (0.1, "rows"),
        "m4-0.1-label": (0.1, "label"),
        "m4-3-rows": (3.0, "rows"),
        "m4-3-label": (3.0, "label"),
    }
    assert list(points(Settings((1.0, 1.0)))) == NAMES
    assert len(points(Settings())) == 9


def test_the_runs_are_m4_as_configured_but_for_lambda_and_sight(tmp_path):
    study = tiny_study(tmp_path, m4__train__gain=0.3, information__weights=(0.5,))
    for name, (weight, sight) in points(study.settings("information")).items():
        plan = study.plans[name]
        assert plan.learner.model.name == "m4" and plan.learner.gain == 0.3
        assert plan.learner.model.information_weight == weight
        assert plan.learner.model.aux_sees_label == (sight == "label")
        assert plan.lanes == study.plans["m1"].lanes
    hashes = {plan.identity["config_hash"] for plan in study.plans.values()}
    assert len(hashes) == len(study.plans) == 3 + 5
    names = {task.name for task in tasks_of(study, ["information"])}
    runs = study.plans
    assert names == {f"{what}-{run}" for what in ("train", "evaluate") for run in runs}
    # Other experiments train none of them.
    assert not any("m4" in t.name for t in tasks_of(study, ["cross_validation", "codes"]))


def made_run(trts: float, tstr: float, by_fold=(0.0,) * 5, status: str = "ok"):
    """A run's results whose every metric but those two is 0.5; seeds lie 0.02 apart."""
    apart = {"trts_set2": trts, "tstr_set2": tstr}
    lanes = [{**lane, "status": status if lane["fold"] == 3 else "ok"} for lane in LANES]
    per_lane = {
        metric: [
            apart.get(metric, 0.5) + by_fold[lane["fold"]] + 0.02 * lane["seed"] for lane in lanes
        ]
        for metric in METRICS
    }
    summaries = {metric: summarise(values, lanes) for metric, values in per_lane.items()}
    return {"metrics": summaries, "verdict": {"word": "off the data"}, "lanes": lanes}


def write_losses(workdir, information: float | None):
    """losses.parquet of runs as above, perhaps of a model that has AUX."""
    frames = [
        pd.DataFrame({"seed": lane["seed"], "fold": lane["fold"], "epoch": range(1, 6)})
        .assign(split=split, reconstruction=1.0)
        .assign(**({} if information is None else {"information": information}))
        for lane in LANES
        for split in ("train", "valid")
    ]
    workdir.root.mkdir(parents=True, exist_ok=True)
    pd.concat(frames).to_parquet(workdir.losses)


EFFECT = (0.0, 0.002, -0.002, 0.001, -0.001)  # of a fold on M4's runs


@pytest.fixture
def found(tmp_path, monkeypatch):
    """Results of the experiment, of made-up runs: M1 and M2 are likelier, M3 is of more use."""
    study = tiny_study(tmp_path)
    runs = {"m1": made_run(0.5, 0.4), "m2": made_run(0.51, 0.41), "m3": made_run(0.4, 0.5)}
    runs |= {
        "m4-0-rows": made_run(0.5, 0.4, EFFECT),  # as useless as M1
        "m4-1-rows": made_run(0.52, 0.49, EFFECT),  # a point below M3, which counts as alike
        "m4-1-label": made_run(0.52, 0.484, EFFECT, "collapsed"),  # 1.6 points: undecided
    }
    for run in runs.values():
        run["references"] = {"real": made_run(0.43, 0.53)["metrics"]}
    monkeypatch.setattr(stages, "read_results", lambda workdir: runs[workdir.root.name])
    for name in runs:
        write_losses(study.dir.run(name), {"m1": None, "m2": None}.get(name, 1.25))
    return results(study, {}), study


def test_the_answer_by_hand(found):
    told, study = found
    assert list(told["points"]) == NAMES and told["answer"] == "m4-1-rows"
    verdicts = [point["answer"]["verdict"] for point in told["points"].values()]
    assert verdicts == ["does not hold", "holds", "undecided"]
    point = told["points"]["m4-1-rows"]
    shares = [len(fold.valid) / len(fold.train) for fold in study.folds]
    for part, mean in zip(point["answer"]["parts"], (0.02, 0.01, -0.01), strict=True):
        expected = corrected_estimate([mean + e for e in EFFECT], np.mean(shares))
        assert part["value"]["mean"] == pytest.approx(mean)
        assert part["value"]["ci95"] == pytest.approx(expected["ci95"])
    # What lambda changes, the folds' effects being the same in both.
    change = point["less_none"]
    assert change["trts"]["ci95"] == pytest.approx([0.02, 0.02])
    assert change["tstr"]["ci95"] == pytest.approx([0.09, 0.09])


def test_without_the_papers_models_the_answer_is_open(tmp_path, monkeypatch):
    study = tiny_study(tmp_path, models=("m2",), low_resource__honest=())
    run = made_run(0.5, 0.5) | {"references": {"real": made_run(0.4, 0.5)["metrics"]}}
    monkeypatch.setattr(stages, "read_results", lambda workdir: run)
    for name in study.plans:
        write_losses(study.dir.run(name), None)
    told = results(study, {})["points"]["m4-1-rows"]["answer"]
    assert [part["measured"] for part in told["parts"]] == [False, True, False]
    assert told["verdict"] == "undecided"


def whole(told):
    """results.json of a study that has this experiment alone."""
    return {
        "command": "python -m experiments.paper --config=configs/information.py",
        "variant": "default",
        "config": {"seeds": [0, 1]},
        "source": corpus("nemo", False),
        "target": None,
        "versions": {"jax": "0.12.0"},
        "experiments": {"information": told},
    }


def test_the_report_says_what_was_found(found, tmp_path):
    told, _ = found
    study = whole(told)
    text = report.answer(study)
    point = told["points"]["m4-1-rows"]
    assert "joins M1's and M2's likeness with M3's use" in text and "\u03bb = 1," in text
    shown = re.findall(r"[+-]\d+\.\d \[[+-]\d+\.\d, [+-]\d+\.\d\]", text)
    assert [one.split()[0] for one in shown] == ["+2.0", "+1.0", "-1.0"]
    rows = lines(report.table(study))
    assert list(rows) == [
        "M4, \u03bb = 0",
        "M4, \u03bb = 1, AUX reads rows alone",
        "M4, \u03bb = 1, AUX sees the label",
        *("M1", "M2", "M3", "Real rows of set-1"),
    ]
    trts = point["metrics"]["trts_set2"]
    first = f"{100 * trts['mean']:.1f} [{100 * trts['ci95'][0]:.1f}"
    assert rows["M4, \u03bb = 1, AUX reads rows alone"]["TRTS set-2 (%)"].startswith(first)
    nats = [row["Information (nats)"] for row in rows.values()]
    dash = "\u2013"
    assert nats == [dash, "0.14", "0.14", dash, dash, "0.14", dash]  # ln 4 - 1.25
    less = lines(report.differences_table(told))
    assert [row["Joins both"] for row in less.values()] == ["does not hold", "holds", "undecided"]
    assert less["M4, \u03bb = 0"]["TSTR set-2 less \u03bb = 0"] == "\u2013"
    assert report.in_short(study)[1:] == [
        "Note: 2 of 10 lanes of M4, \u03bb = 1, AUX sees the label collapsed: "
        "seed 0, fold 3; seed 1, fold 3."
    ]
    assert max(map(len, report.summary(study))) <= 80
    picture = report.figure(study)
    data = picture.data.set_index(["name", "sight"])
    assert data.loc[("m4", "rows"), "trts"].tolist() == pytest.approx([0.51, 0.53])
    assert len(data) == 3 + 3 + 1 and picture.panels[0].png[:4] == b"\x89PNG"
    page = document(study, tmp_path)
    (section,) = (part for part in page.sections if part.title.startswith("Section 6"))
    assert len(section.blocks) == 4 and section.origin.startswith("Corpus nemo")
    assert text in page.short


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("does not hold", "does not join M1's"), ("undecided", "neither surely joins nor")],
)
def test_another_answer_is_said_too(found, verdict, words):
    told = found[0]
    told["points"]["m4-1-rows"]["answer"]["verdict"] = verdict
    assert words in report.answer(whole(told))


@pytest.mark.slow
def test_a_tiny_study_from_training_to_results(tmp_path):
    study = tiny_study(tmp_path, information__weights=(2.0,))
    records = run_here(study, INFORMATION.tasks(study))
    told = INFORMATION.results(study, records)
    assert len(told["points"]) == 5
    for name, point in told["points"].items():
        assert (study.dir.root / point["run"] / "report.html").is_file(), name
        assert 0 <= point["metrics"]["trts_set2"]["mean"] <= 1
    assert told["points"]["m4-0-rows"]["less_none"]["tstr"]["mean"] == 0
    assert told["models"].keys() == {"m1", "m2", "m3"}
