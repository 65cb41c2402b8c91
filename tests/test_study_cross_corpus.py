"""Table 4: what stands in it, in which statistics, and with which intervals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from study_generators import save_broken, save_untrained
from study_helpers import tiny_study

from aegan.metrics.fid import fid_scores, train_net
from aegan.metrics.intervals import estimate
from aegan.metrics.references import GENERATORS
from aegan.metrics.svm import predict, tune_and_fit, uar
from aegan.sampling.generator import load_generator
from aegan.sampling.rows import sample, sampling_key
from aegan.study import generators
from aegan.study.cross_corpus import tasks as cross_corpus
from aegan.study.cross_corpus.tasks import (
    balanced_draws,
    crossed_estimate,
    measure_on_target,
    measure_target_to_target,
    measure_tstr,
    results,
    tasks,
)
from aegan.study.study import Study
from aegan.training.lanes import lane_key

ROWS = ("m1", "m2", "m3", "real", *GENERATORS)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    root = tmp_path_factory.mktemp("study")
    study = tiny_study(root, seeds=(0, 1), low_resource__scopes=("target",))
    save_untrained(study)
    return study


@pytest.fixture(scope="module")
def records(study) -> dict:
    found = {task.name: task.run(study, *task.arguments) for task in tasks(study)}
    return json.loads(json.dumps(found, allow_nan=False))


@pytest.fixture(scope="module")
def found(study, records) -> dict:
    return json.loads(json.dumps(results(study, records), allow_nan=False))


def with_target(study: Study, **fields) -> Study:
    """The study with another target, or other columns of it."""
    return replace(study, target=replace(study.target, **fields))


def test_tasks_need_the_generators_of_the_whole_source(study):
    found = {task.name: task for task in tasks(study)}
    known = {task.name for task in generators.tasks(study)}
    assert all(need in known for task in found.values() for need in task.needs)
    every = {f"part-{model}-{seed}-target-p100-r0" for model in ROWS[:3] for seed in (0, 1)}
    assert set(found["table4-target-own"].needs) == every
    assert found["table4-tstr-m2-1"].needs == ("part-m2-1-target-p100-r0",)
    assert found["table4-tstr-real"].needs == found["table4-target-to-target"].needs == ()
    assert len(found) == 2 + 3 * 2 + 7 + 1


def test_a_balanced_target_has_one_draw():
    """Every draw would hold all rows: no interval of no width must come of it."""
    (draw,) = balanced_draws(np.array([0, 1, 1, 0]), 5)
    assert draw.tolist() == [0, 1, 2, 3]
    assert crossed_estimate(np.array([[0.4]]))["ci95"] is None


def test_balanced_draws():
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [30, 7, 12]))
    draws = balanced_draws(labels, 4)
    for rows in draws:
        assert np.bincount(labels[rows]).tolist() == [7, 7, 7]
        assert (np.diff(rows) > 0).all()
    assert len({rows.tobytes() for rows in draws}) == 4
    assert all(np.array_equal(a, b) for a, b in zip(draws, balanced_draws(labels, 2), strict=False))


def test_crossed_estimate_by_hand():
    found = crossed_estimate(np.array([[1.0, 2.0], [3.0, 4.0]]))
    # Row means 1.5, 3.5: variance 2, over 2. Column means 2, 3: variance 0.5, over 2.
    # t of one degree of freedom: 12.7062.
    assert found["mean"] == 2.5 and found["values"] == [1.0, 2.0, 3.0, 4.0]
    assert found["ci95"][1] - 2.5 == pytest.approx(12.7062 * np.sqrt(1 + 0.25), rel=1e-5)
    assert found["ci95"][0] + found["ci95"][1] == pytest.approx(5)


def test_crossed_estimate_of_one_row_is_a_t_interval():
    values = [0.3, 0.5, 0.45, 0.7]
    wanted = estimate(values)
    for matrix in (np.array([values]), np.array([values]).T):
        found = crossed_estimate(matrix)
        assert found["mean"] == pytest.approx(wanted["mean"]) and found["values"] == values
        assert found["ci95"] == pytest.approx(wanted["ci95"])
    assert crossed_estimate(np.array([[0.4]])) == {"mean": 0.4, "ci95": None, "values": [0.4]}
    assert crossed_estimate(np.full((2, 2), 0.5))["ci95"] == [0.5, 0.5]


def test_crossed_estimate_leaves_out_a_row_without_values():
    found = crossed_estimate(np.array([[0.3, 0.5], [np.nan, np.nan]]))
    assert found["mean"] == 0.4 and found["values"] == [0.3, 0.5, None, None]
    assert found["ci95"] == pytest.approx(estimate([0.3, 0.5])["ci95"])
    none = crossed_estimate(np.full((2, 1), np.nan))
    assert none == {"mean": None, "ci95": None, "values": [None, None]}


@pytest.mark.parametrize("sds", [(1, 0.5, 0.3), (0.3, 1, 0.3)])
def test_crossed_estimate_covers(sds):
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        shapes = ((3, 1), (1, 5), (3, 5))
        values = sum(sd * rng.standard_normal(s) for sd, s in zip(sds, shapes, strict=True))
        low, high = crossed_estimate(values)["ci95"]
        covered += low <= 0 <= high
    assert 0.95 < covered / 1000 < 0.99


def test_figures_follow_the_schema(study, found):
    assert found["statistics"] == "own" and found["draws"] == 2
    assert found["rows_per_class"] == np.bincount(study.target.labels).min()
    for table in found["tables"].values():
        assert tuple(table) == ROWS
        for name, row in table.items():
            seeds = 2 if name in ROWS[:3] else 1
            assert len(row["trts"]["values"]) == 2 * seeds
            assert len(row["tstr"]["values"]) == seeds
            assert len(row["fid"]["values"]) == len(row["fid_over_floor"]["values"])
            for metric in ("trts", "tstr"):
                low, high = row[metric]["ci95"]
                assert 0 <= row[metric]["mean"] <= 1 and low <= row[metric]["mean"] <= high
            assert row["fid"]["mean"] >= 0
    assert found["differences"].keys() == {"own", "source"}
    table, pairs = found["tables"]["own"], found["differences"]["own"]
    assert pairs.keys() == {"m2-m1", "m3-m2", "m3-m1"}
    for pair, values in pairs.items():
        a, b = pair.split("-")
        for metric, value in values.items():
            wanted = table[a][metric]["mean"] - table[b][metric]["mean"]
            assert value["mean"] == pytest.approx(wanted)
    assert found["target_to_target"]["ci95"][0] > 1 / 4


def test_a_row_once_more(study, records):
    """M2's second seed, put together by hand."""
    fold = study.part_fold(study.parts[0]).index
    generator = load_generator(study.dir.generator("m2", 1, study.parts[0]))
    raw, labels = sample(generator, sampling_key(lane_key(1, fold)), 80)
    z = study.source_standardiser.to_z(raw)
    protocol, target = study.plans["m1"].protocol, study.target
    svm = tune_and_fit(z, labels, protocol.svm)
    for name, statistics in (
        ("own", study.target_standardiser),
        ("source", study.source_standardiser),
    ):
        target_z = statistics.to_z(target.features)
        counts = np.zeros((4, 4), int)
        np.add.at(counts, (target.labels, predict(svm, target_z)), 1)
        tstr = records["table4-tstr-m2-1"][name]
        assert np.sum(tstr, axis=0).tolist() == counts.tolist()
        record = records[f"table4-target-{name}"]
        rows = balanced_draws(target.labels, 2)[1]
        on_target = tune_and_fit(target_z[rows], target.labels[rows], protocol.svm)
        counts = np.zeros((4, 4), int)
        np.add.at(counts, (labels, predict(on_target, z)), 1)
        assert record["trts"]["m2"][1][1] == pytest.approx(uar(counts))
        net = train_net(target_z, target.labels, protocol.fid, 0)
        scores = fid_scores((net,), target_z, z, protocol.fid)
        assert record["fid"]["m2"][1][0] == pytest.approx(scores.fid)
        assert record["fid_over_floor"]["m2"][1][0] == pytest.approx(scores.fid_over_floor)


def test_a_target_that_is_the_source_through_a_channel(study):
    """By its own statistics the target is then the source itself, by the source's it is not."""
    features = 3 * study.source.features - 5 * study.source.features.std(axis=0)
    moved = replace(study, target=replace(study.source, features=features))
    own = measure_on_target(moved, "own")
    by_source = measure_on_target(moved, "source")
    assert own["fid"]["real"][0][0] < 0.01 * by_source["fid"]["real"][0][0]
    assert own["trts"]["real"][0][0] > by_source["trts"]["real"][0][0] + 0.1
    tstr = measure_tstr(moved, "real", None)
    scores = {name: uar(np.sum(tstr[name], axis=0)) for name in ("own", "source")}
    assert scores["own"] > scores["source"] + 0.1


def test_the_ceiling_is_measured_on_other_speakers(study):
    """Every speaker has marks of its own for the classes, and sessions that share all speakers."""
    rng = np.random.default_rng(0)
    speakers = np.repeat([f"s{i}" for i in range(10)], 16)
    labels = np.tile(np.arange(4), 40).astype(np.int32)
    marks = 10 * rng.standard_normal((10, 4, 24))
    features = marks[np.repeat(np.arange(10), 16), labels] + 0.01 * rng.standard_normal((160, 24))
    marked = with_target(
        study,
        features=features.astype(np.float32),
        labels=labels,
        speakers=speakers,
        sessions=np.tile(["a", "b", "c", "d"], 40)[rng.permutation(160)],
    )
    found = measure_target_to_target(marked)
    counts = np.array(found["counts"])
    assert counts.sum(axis=(1, 2)).tolist() == [16] * 10
    assert uar(counts.sum(axis=0)) < 0.45
    own = with_target(marked, speakers=np.array([f"s{i}" for i in range(160)]))
    assert uar(np.sum(measure_target_to_target(own)["counts"], axis=0)) > 0.75


def test_a_target_of_one_speaker(study, records):
    alone = with_target(study, speakers=np.full(len(study.target.labels), "only"))
    ceiling = measure_target_to_target(alone)
    assert ceiling["counts"] is None
    on_one = {**records, "table4-target-to-target": ceiling}
    on_one |= {
        name: {**record, **{s: [np.sum(record[s], axis=0).tolist()] for s in ("own", "source")}}
        for name, record in records.items()
        if name.startswith("table4-tstr")
    }
    found = results(alone, on_one)
    json.dumps(found, allow_nan=False)
    assert found["target_to_target"] is None
    assert found["tables"]["own"]["m1"]["tstr"]["ci95"] is None
    assert any("all rows are of one speaker" in note for note in found["notes"])


def test_rows_that_are_not_finite(study, records, tmp_path):
    broken = replace(study, dir=replace(study.dir, root=tmp_path))
    save_untrained(broken)
    save_broken(broken, "m3", study.parts[0], 1)
    other = {
        "table4-tstr-m3-1": measure_tstr(broken, "m3", 1),
        "table4-target-own": measure_on_target(broken, "own"),
        "table4-target-source": measure_on_target(broken, "source"),
    }
    assert other["table4-target-own"]["trts"]["m1"] == records["table4-target-own"]["trts"]["m1"]
    found = results(study, {**records, **other})
    json.dumps(found, allow_nan=False)
    row = found["tables"]["own"]["m3"]
    assert row["trts"]["values"][2:] == [None, None] and row["tstr"]["values"][1] is None
    assert row["trts"]["mean"] is not None
    difference = found["differences"]["own"]["m3-m1"]["tstr"]
    first = [found["tables"]["own"][model]["tstr"]["values"][0] for model in ("m3", "m1")]
    assert difference["mean"] == pytest.approx(first[0] - first[1])
    assert "M3, seed 1: rows that are not finite, without any value." in found["notes"]


def test_the_same_task_gives_the_same_bits(study, records):
    again = measure_on_target(study, "own")
    assert json.loads(json.dumps(again)) == records["table4-target-own"]
    assert cross_corpus.measure_tstr(study, "smote", None) == records["table4-tstr-smote"]
