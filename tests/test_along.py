"""Points along the way of a training: which, what is kept of them, how they are judged and told."""

from __future__ import annotations

import shutil

import pytest
from study_helpers import tiny_config, tiny_study

from aegan.data.folds import fit_standardiser
from aegan.errors import InputError
from aegan.metrics.along import HELD_OUT, MEASURED
from aegan.metrics.fid import fid_scores
from aegan.metrics.fold_tools import fid_nets, fold_space
from aegan.metrics.intervals import summarise
from aegan.report.along import length
from aegan.run import stages
from aegan.run.outputs import rows_along
from aegan.run.plan import make_plan, points_along
from aegan.run.workdir import Workdir
from aegan.study.config import run_values
from aegan.study.trajectory import TRAJECTORY, report, tasks


def test_points_are_even_in_the_logarithm_and_end_with_the_last_epoch():
    assert points_along(4, 27) == (1, 3, 9, 27)
    assert points_along(10, 9) == (1, 2, 3, 4, 6, 7, 9)  # no more than there are epochs
    assert points_along(2, 1) == (1,)
    assert points_along(0, 27) == points_along(5, 0) == ()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A tiny run of M1, judged after its epochs 1, 2 and 4."""
    root = tmp_path_factory.mktemp("run")
    values = run_values(tiny_config(metrics__along=3, m1__train__epochs=4), "m1")
    plan, workdir = make_plan(values), Workdir(root / "run")
    with workdir.claimed(plan.identity, plan.corpus.contract):
        stages.train(plan, workdir, strategy="vmap")
        stages.evaluate_run(plan, workdir, root / "cache", "command", jobs=1)
        stages.report(workdir)
    return plan, workdir, stages.read_results(workdir)


def test_the_end_is_judged_as_the_run_is(run):
    plan, _, results = run
    points = results["along"]["points"]
    assert [point["epoch"] for point in points] == [1, 2, 4] == list(plan.along)
    assert [p["updates"] for p in points] == [n * plan.learner.batches for n in plan.along]
    assert results["along"]["rows"] == plan.config.sample.rows  # 80: no more than the run's own
    for name in (name for name in MEASURED if name != HELD_OUT):
        assert points[-1]["metrics"][name] == results["metrics"][name], name
        assert points[0]["metrics"][name] != results["metrics"][name], name
    real = results["along"]["real"]
    assert real["fid_over_floor"]["mean"] == 0 and real["variance_ratio"]["mean"] == 1


def test_fid_of_held_out_speakers_is_against_set_2(run, tmp_path):
    plan, _, results = run
    fold = plan.folds[1]
    place = plan.corpus, fold, fit_standardiser(plan.corpus.features, fold.train)
    space, nets = fold_space(*place), fid_nets(*place, plan.protocol.fid, None)
    expected = fid_scores(nets, space.set2_z, space.set1_z, plan.protocol.fid).fid_over_floor
    assert results["along"]["real"][HELD_OUT]["per_lane"][1] == pytest.approx(expected)


def test_the_report_tells_of_the_way(run):
    _, workdir, _ = run
    text = (workdir.root / "report.md").read_text()
    assert "Along the way" in text and "TSTR set-2 changed by" in text
    assert (workdir.root / "figures" / "along-fid_over_floor.png").is_file()


def test_kept_weights_that_came_to_harm_are_refused(run, tmp_path):
    plan, workdir, results = run
    shutil.copytree(workdir.root, tmp_path / "run")
    other, lanes = Workdir(tmp_path / "run"), results["lanes"]
    path = other.weights(lanes[2], 2)

    def refused(match: str) -> None:
        with pytest.raises(InputError, match=match):
            rows_along(plan, other, 10, lanes[2], 2)

    assert len(rows_along(plan, other, 10, lanes[2], 2)[1]) == 10
    assert rows_along(plan, other, 10, lanes[2] | {"last_good_epoch": 1}, 2) is None
    shutil.copyfile(other.weights(lanes[2], 1), path)
    refused("epoch2/seed0-fold2.npz: not whole .of epoch 1.; delete .* to train anew")
    shutil.copyfile(other.weights(lanes[1], 2), path)
    refused("its fold is 1, not 2")
    path.write_bytes(path.read_bytes()[:-40])
    refused("not whole")
    path.unlink()
    refused("no such file; delete")


def made_up(points: dict[int, dict], effect=(0.0, 0.01, -0.01, 0.0, 0.0), printed=None):
    """A run's results along the way: {updates: {metric: mean}}, 0.5 where nothing is said."""
    lanes = [{"seed": 0, "fold": fold, "status": "ok"} for fold in range(5)]
    told = [
        {
            "epoch": updates,
            "updates": updates,
            "metrics": {
                name: summarise([values.get(name, 0.5) + e for e in effect], lanes)
                for name in MEASURED
            },
        }
        for updates, values in points.items()
    ]
    folds = [{"fold": fold, "split": 0, "valid_rows": 20, "train_rows": 80} for fold in range(5)]
    real = {name: summarise([0.6] * 5, lanes) for name in MEASURED}
    along = {"rows": 2000, "points": told, "real": real}
    return {"along": along, "lanes": lanes, "folds": folds, "paper": printed}


@pytest.mark.parametrize(
    ("before", "end", "words"),
    [
        ({}, {}, "as far as these folds tell the length was enough"),
        ({}, {"tstr_set2": 0.6}, "a longer training may pay"),
        ({}, {"fid_over_floor": 0.7}, "a shorter training may do better"),
        ({"variance_ratio": 1.1}, {"variance_ratio": 1.4}, "a shorter training may do better"),
        ({}, {"tstr_set2": 0.6, "fid_over_floor": 0.7}, "length trades one for the other"),
    ],
)
def test_whether_the_length_was_enough(before, end, words):
    """From the last point of the first half on; equal effects of folds leave a sure difference."""
    results = made_up({10: {"tstr_set2": 0.1}, 40: before, 60: {"tstr_set2": 0.9}, 100: end})
    text = length(results)
    assert text.startswith("From 40 to 100 updates") and words in text
    alone = results | {"lanes": [lane for lane in results["lanes"] if lane["fold"] == 2]}
    for point in alone["along"]["points"]:
        for of in point["metrics"].values():
            of["per_lane"] = of["per_lane"][2:3]
    assert "without intervals nothing tells" in length(alone)
    assert "too few points" in length(made_up({60: {}, 100: {}})).lower()


@pytest.fixture
def found(tmp_path, monkeypatch):
    """M3 is below M1 and M2 on metric 1 after 100 and 400 updates, above them at its end."""
    study = tiny_study(tmp_path, metrics__along=3)
    trts = ("trts_set1", "trts_set2")
    runs = {
        "m1": made_up({100: dict.fromkeys(trts, 0.6), 200: dict.fromkeys(trts, 0.7)}),
        "m2": made_up({100: dict.fromkeys(trts, 0.7), 200: dict.fromkeys(trts, 0.8)}),
        "m3": made_up({100: dict.fromkeys(trts, 0.5), 420: dict.fromkeys(trts, 0.6),
                       1600: dict.fromkeys(trts, 0.9) | {"fid": 3.0}}),
    }  # fmt: skip
    monkeypatch.setattr(stages, "read_results", lambda workdir: runs[workdir.root.name])
    return tasks.results(study, {}), study


def test_orders_at_each_length_by_hand(found):
    told, study = found
    assert [one["updates"] for one in told["lengths"]] == [100, 420, 1600]
    assert told["lengths"][1]["points"] == {"m1": 200, "m2": 200, "m3": 420}  # the nearest
    first = [one["claims"][0] for one in told["lengths"]]
    assert [claim["verdict"] for claim in first] == ["holds", "holds", "does not hold"]
    values = [[round(p["value"]["mean"], 6) for p in claim["parts"]] for claim in first]
    assert values == [[0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1], [0.1, 0.1, -0.2, -0.2]]
    assert first[0]["parts"][0]["value"]["ci95"] == pytest.approx([0.1, 0.1])
    fid = told["lengths"][2]["claims"][3]
    assert [part["verdict"] for part in fid["parts"]] == ["undecided", "holds", "holds"]
    assert round(fid["parts"][2]["value"]["mean"], 6) == 2.0  # 3.0 less twice 0.5
    assert len(told["lengths"][0]["claims"]) == 4


def test_the_trajectory_is_told(found):
    told, study = found
    described = {"classes": {"a": 1, "b": 1}, "name": "nemo", "simulated": False}
    results = {"experiments": {"trajectory": told}, "source": described, "config": {}}
    table = report.orders_table(told)
    assert table.header[1:] == ("100", "420", "1600")
    rows = {row[0]: list(row[1:]) for row in table.rows}
    assert rows["Table 2: metric 1 (TRTS): M2 > M1 > M3"] == ["holds", "holds", "not"]
    (text,) = report.in_short(results)
    assert "M2 > M1 > M3: holds after 100, 420; does not hold after 1600 updates." in text
    (page,) = report.sections(results, study.dir.root)
    data = next(block for block in page.blocks if hasattr(block, "panels")).data
    one = data[(data["model"] == "m3") & (data["metric"] == "fid")].set_index("updates")
    assert one.loc[1600, "mean"] == pytest.approx(3.0)
    assert one.loc[100, "mean"] == pytest.approx(0.5)
    assert max(map(len, report.summary(results))) <= 80


def test_a_trajectory_without_points_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"config\.metrics\.along=0"):
        TRAJECTORY.tasks(tiny_study(tmp_path))
