"""Runs side by side: pairs of lanes, intervals of the differences, refusals, the command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from commands import command
from report_results import make_results

from aegan.errors import InputError
from aegan.metrics.intervals import summarise
from aegan.report.compare import compare, document, text
from aegan.report.kit.documents import page

METRIC = "trts_set2"


def run(folder, change=lambda results: None, **options):
    """The workdir of a finished run, made up."""
    results = make_results(**({"seeds": 2, "folds": 3} | options))
    results["lanes"][-1]["status"] = "ok"
    change(results)
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def shifted(by):
    """A change that lifts a metric of every lane."""

    def change(results):
        found = results["metrics"][METRIC]
        found["per_lane"] = [v and v + d for v, d in zip(found["per_lane"], by, strict=True)]

    return change


def recognised(model):
    """A change that says who was recognised: (rows of 10) by speaker and class, for each lane."""

    def change(results):
        folds = [
            {"fold": f["fold"], "speakers": f["held_out"], "rows": [[10] * 4] * 2}
            for f in results["folds"]
        ]
        lanes = results["lanes"]
        right = {"model": [model(lane) for lane in lanes], "real": [[[5] * 4] * 2] * len(lanes)}
        results["use"] = {"uar": {}, "less": {}, "tested": {"folds": folds, "right": right}}

    return change


def difference(found, place=1, metric=METRIC):
    return found.lines[place].less[metric]


def test_differences_are_of_the_same_fold_and_seed(tmp_path):
    by = [0.01, 0.02, 0.06, 0.03, 0.04, 0.02]  # lanes: seed 0 on folds 0, 1, 2, then seed 1
    one, other = run(tmp_path / "a"), run(tmp_path / "b", shifted(by))
    found = compare([one, other])
    assert found.lanes == 6 and [line.row.label for line in found.lines][:2] == ["a", "b"]
    # The last lane of the made-up run has no value: fold 2 has seed 0 alone.
    assert difference(found).mean == pytest.approx(np.mean([0.02, 0.03, 0.06]))
    error = np.std([0.02, 0.03, 0.06], ddof=1) / np.sqrt(3)
    assert difference(found).half_width == pytest.approx(4.3027 * error, rel=1e-4)  # t, 2 d.f.
    assert found.lines[0].less == {} and not found.by_speaker


def test_only_lanes_that_all_runs_have_are_compared_in_whatever_order(tmp_path):
    def turned(results):
        """Lanes the other way round, without seed 1 on fold 0."""
        order = [5, 4, 2, 1, 0]
        results["lanes"] = [results["lanes"][i] for i in order]
        for summaries in (results["metrics"], *results["references"].values()):
            for of in summaries.values():
                of["per_lane"] = [of["per_lane"][i] for i in order]

    one, other = run(tmp_path / "a"), run(tmp_path / "b", turned)
    found = compare([one, other])
    assert found.lanes == 5
    assert difference(found).mean == difference(found).half_width == 0
    lanes = [{"fold": f, "seed": s} for s, f in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2))]
    values = make_results(seeds=2, folds=3)["metrics"][METRIC]["per_lane"]
    expected = summarise([*values[:3], *values[4:]], lanes)["mean"]
    assert found.lines[0].row.cells[METRIC].mean == pytest.approx(expected)
    assert compare([other, one]).lines[1].row.cells == found.lines[0].row.cells


def test_differences_of_tstr_are_over_the_tested_speakers(tmp_path):
    one = run(tmp_path / "a", recognised(lambda lane: [[6] * 4, [4] * 4]))
    alike = run(tmp_path / "b", recognised(lambda lane: [[7] * 4, [5] * 4]))
    unlike = run(tmp_path / "c", recognised(lambda lane: [[6] * 4, [9] * 4]))
    found = compare([one, alike, unlike])
    assert found.by_speaker
    less = difference(found, 1, "tstr_set2")  # everyone gains one row of ten
    assert (less.mean, less.half_width) == pytest.approx((0.1, 0.0))
    less = difference(found, 2, "tstr_set2")  # one of two speakers of a fold gains five, one none
    # Three times 0 and three times 0.5: the standard error of six speakers, t with 5 d.f.
    error = np.std([0, 0.5] * 3, ddof=1) / np.sqrt(6)
    assert less.mean == pytest.approx(0.25)
    assert less.half_width == pytest.approx(2.5706 * error, rel=0.05)  # 2000 resamples
    real = difference(found, 3, "tstr_set2")  # 5 and 5 of ten less 6 and 4
    assert real.mean == pytest.approx(0.0) and real.high > 0


def test_what_cannot_be_compared_is_refused(tmp_path):
    def corpus(**changes):
        return lambda results: results["corpus"].update(changes)

    def folds(results):
        results["folds"][1]["held_out"] = ["F9", "M9"]

    one = run(tmp_path / "a")
    (tmp_path / "begun").mkdir()
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "results.json").write_text(json.dumps({"experiments": {}}))
    (tmp_path / "hurt").mkdir()
    (tmp_path / "hurt" / "results.json").write_text('{"metrics": {}}')
    cases = {
        "is of other features than a .*; compare runs": corpus(feature_hash="1", name="ravdess"),
        r"another corpus than a \(ravdess, not nemo\)": corpus(hash="1", name="ravdess"),
        "fold 1 holds out other speakers than that of a": folds,
    }
    for place, (message, change) in enumerate(cases.items()):
        with pytest.raises(InputError, match=message):
            compare([one, run(tmp_path / f"other{place}", change)])
    seeds = run(tmp_path / "seeds", lambda r: [lane.update(seed=9) for lane in r["lanes"]])
    for paths, message in (
        ([one], "needs two runs"),
        ([one, one], "named twice"),
        ([one, tmp_path / "gone"], "gone: no such folder"),
        ([one, tmp_path / "begun"], r"begun: not a finished run \(no results.json\)"),
        ([one, tmp_path / "study"], "study: holds a study; name runs of it"),
        ([one, tmp_path / "hurt"], "results.json: not whole"),
        ([one, seeds], "no lane .* in common"),
    ):
        with pytest.raises(InputError, match=message):
            compare(paths)


def test_the_report_has_every_run_what_they_differ_in_and_how_they_were_measured(tmp_path):
    def other(results):
        results["config"]["model"]["name"] = "m5"
        results["svm"]["protocol"]["inner_folds"] = 2

    paths = [run(tmp_path / "x" / "run"), run(tmp_path / "y" / "run", other)]
    shown = page(document(compare(paths)), "report.md")
    assert shown.count("\n| y/run | ") == 2 and "# x/run and y/run" in shown
    assert "| config.model.name | m2 | m5 |" in shown
    assert "were not measured alike" in shown
    assert "figures/runs-tstr_set2.png" in shown and "figures/less-tstr_set2.png" in shown
    paths[1] = run(tmp_path / "z" / "run")
    shown = page(document(compare(paths)), "report.md")
    assert "their configs are the same" in shown and "measured alike" not in shown


def test_the_command_shows_a_table_of_80_columns_and_writes_the_report(tmp_path):
    long = run(
        tmp_path / ("a-long-name-of-a-run" * 3), lambda results: results.update(variant="quick")
    )
    one, out = run(tmp_path / "a"), tmp_path / "out"
    done = command(tmp_path / "1", str(one), str(long), f"--out={out}", name="compare")
    assert done.status == 0, done.err
    table = done.out.partition("report: ")[0]
    assert text(compare([one, long])) in table
    assert max(map(len, table.splitlines())) <= 80 and "its figures mean nothing" in table
    assert (out / "report.html").exists() and (out / "figures" / "runs.csv").exists()
    done = command(tmp_path / "2", str(one), f"--out={one}", name="compare")
    assert (done.status, done.out) == (2, "") and "needs two runs" in done.err
    done = command(tmp_path / "3", str(one), str(long), f"--out={one}", name="compare")
    assert done.status == 2 and "holds a run; give a folder of its own" in done.err
