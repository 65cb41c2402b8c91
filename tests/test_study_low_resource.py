"""Fig. 6: the cells of the grid, what each may see, and the figures that follow."""

from __future__ import annotations

import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from study_generators import save_broken, save_untrained
from study_helpers import tiny_study

from aegan.data.folds import fit_standardiser
from aegan.metrics.references import BASELINES, GENERATORS
from aegan.sampling.generator import load_generator
from aegan.sampling.rows import sample, sampling_key
from aegan.study import generators
from aegan.study.low_resource import classifier
from aegan.study.low_resource import tasks as low_resource
from aegan.study.low_resource.results import cells_of, results
from aegan.study.low_resource.tasks import run_cells, task_name, tasks
from aegan.study.parts import find_part
from aegan.study.study import Study
from aegan.training.lanes import lane_key

N_BLOCK = {"paper": 1 + 2 + 1 + 1, "honest": 1 + 2 + 2 * len(BASELINES)}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    study = tiny_study(
        tmp_path_factory.mktemp("study"),
        low_resource__percents=(50.0, 20.0, 100.0),
        low_resource__replicates=2,
    )
    save_untrained(study)
    return study


@pytest.fixture(scope="module")
def records(study) -> dict:
    return {task.name: task.run(study, *task.arguments) for task in tasks(study)}


@pytest.fixture(scope="module")
def found(study, records) -> dict:
    return json.loads(json.dumps(results(study, records), allow_nan=False))


def other_source(study: Study, rows: np.ndarray) -> Study:
    """The study with other features in some rows of the source."""
    features = study.source.features.copy()
    features[rows] = features[rows][:, ::-1]
    corpus = replace(study.source, features=features)
    return replace(study, prepared=replace(study.prepared, corpus=corpus))


def of_mode(record: dict, mode: str) -> dict:
    return {(c["method"], c["n"]): c["counts"] for c in record["cells"] if mode in c["modes"]}


def test_tasks_need_the_generators_they_use(study):
    found = {task.name: task for task in tasks(study)}
    known = {task.name for task in generators.tasks(study)}
    assert len(found) == 2 * 3 * 2
    assert all(need in known for task in found.values() for need in task.needs)
    assert found["lowres-target-p20-r1"].needs == (
        "part-m1-0-target-p100-r0",
        "part-m1-0-target-p20-r1",
        "part-m2-0-target-p100-r0",
        "part-m3-0-target-p100-r0",
    )
    assert found["lowres-source-p20-r1"].needs == (
        "part-m1-0-source-p20-r1",
        *("train-m1", "train-m2", "train-m3"),
    )
    assert found["lowres-source-p100-r1"].needs == ("train-m1", "train-m2", "train-m3")


def test_every_cell_counts_every_tested_row(study, records):
    for task in tasks(study):
        record = records[task.name]
        scope, percent, replicate = task.arguments
        assert len(record["cells"]) == task.work
        if scope == "target":
            corpus, rows = study.target, np.arange(len(study.target.labels))
        else:
            fold = study.folds[replicate]
            corpus, rows = study.source, fold.valid
            assert record["fold"] == fold.index
        assert record["speakers"] == sorted(set(corpus.speakers[rows]))
        wanted = [
            [int(np.sum((corpus.speakers[rows] == name) & (corpus.labels[rows] == label)))
             for label in range(4)]
            for name in record["speakers"]
        ]  # fmt: skip
        for cell in record["cells"]:
            assert np.sum(cell["counts"], axis=2).tolist() == wanted
        sizes = {mode: len(of_mode(record, mode)) for mode in ("paper", "honest")}
        if percent == 100:
            assert sizes == dict.fromkeys(sizes, task.work)
            assert task.work == N_BLOCK["paper"] + 2 * len(BASELINES)
        else:
            assert sizes == N_BLOCK


def test_the_same_task_gives_the_same_bits(study, records):
    name = task_name("source", 20.0, 1)
    assert run_cells(study, "source", 20.0, 1) == records[name]
    assert records[task_name("source", 20.0, 0)]["cells"] != records[name]["cells"]


def test_one_program_serves_both_scopes(study, records):
    before = classifier.train_classifier._cache_size()
    run_cells(study, "target", 50.0, 0)
    run_cells(study, "source", 20.0, 0)
    assert before >= 1 and classifier.train_classifier._cache_size() == before


@pytest.mark.parametrize("scope", ["target", "source"])
def test_the_honest_mode_sees_the_part_alone(study, records, scope):
    """Other features in the rest of the source move the paper's mode and not the honest one."""
    part = find_part(study.parts, scope, 20.0, 0)
    seen = part.rows
    if scope == "source":
        seen = np.r_[seen, study.folds[0].valid]
    rest = np.setdiff1d(np.arange(len(study.source.labels)), seen)
    changed = run_cells(other_source(study, rest), scope, 20.0, 0)
    before = records[task_name(scope, 20.0, 0)]
    assert of_mode(changed, "honest") == of_mode(before, "honest")
    assert of_mode(changed, "paper") != of_mode(before, "paper")


def test_a_fold_is_closed_to_its_training(study, records):
    """Held-out rows decide nothing but the counts: with their features changed training is as it
    was, which the rows of other speakers show."""
    valid = study.folds[0].valid
    speakers = study.source.speakers[valid]
    one = valid[speakers == speakers[0]]
    changed = run_cells(other_source(study, one), "source", 50.0, 0)
    before = records[task_name("source", 50.0, 0)]
    place = before["speakers"].index(speakers[0])
    for cell, old in zip(changed["cells"], before["cells"], strict=True):
        same = [a == b for a, b in zip(cell["counts"], old["counts"], strict=True)]
        assert all(equal for where, equal in enumerate(same) if where != place)
    assert changed != before


def test_statistics_of_the_target(study, records):
    """By its own a target's gain and offset do nothing, by the source's they do."""
    features = 3 * study.target.features + 7 * study.target.features.std(axis=0)
    moved = replace(study, target=replace(study.target, features=features))
    before = records[task_name("target", 20.0, 0)]
    after = run_cells(moved, "target", 20.0, 0)
    different = np.array([c["counts"] for c in after["cells"]]) != [
        c["counts"] for c in before["cells"]
    ]
    assert different.mean() < 0.02  # rounding
    config = replace(study.config, target=replace(study.config.target, statistics="source"))
    by_source = run_cells(replace(study, config=config), "target", 20.0, 0)
    assert of_mode(by_source, "paper") != of_mode(before, "paper")
    also = run_cells(replace(moved, config=config), "target", 20.0, 0)
    assert of_mode(also, "paper") != of_mode(by_source, "paper")


def test_cells_once_more(study, records, monkeypatch):
    """What classifiers learn from and how they are counted, put together by hand."""
    learned = []

    def listen(protocol, classes, features, labels, rows, key):
        params = classifier.train_classifier(protocol, classes, features, labels, rows, key)
        learned.append((features[:rows].copy(), labels[:rows].copy(), params))
        return params

    monkeypatch.setattr(low_resource, "train_classifier", listen)
    record = run_cells(study, "source", 50.0, 1)
    assert record == records[task_name("source", 50.0, 1)]
    part, fold = find_part(study.parts, "source", 50.0, 1), study.folds[1]
    source, clip = study.source, study.config.source.clip
    own = fit_standardiser(source.features, part.rows, clip)
    of_fold = fit_standardiser(source.features, fold.train, clip)
    features, labels = source.features[part.rows], source.labels[part.rows]
    known = own.to_z(features), labels, source.speakers[part.rows]
    smote = GENERATORS["smote"](*known, 60, 1)
    key = sampling_key(lane_key(0, fold.index), 1)  # rows of replicate 1, not the run's own
    path = study.dir.run("m1").generator({"seed": 0, "fold": fold.index})
    m1, classes = sample(load_generator(path), key, 60)
    wanted = {
        ("honest", "smote", 20): (own, smote[0][:20], smote[1][:20]),
        ("honest", "smote", 60): (own, *smote),
        ("paper", "m1", 20): (of_fold, of_fold.to_z(m1)[:20], classes[:20]),
        ("paper", "m1", 60): (of_fold, of_fold.to_z(m1), classes),
        ("paper", "none", 0): (of_fold, m1[:0], classes[:0]),
    }
    for cell, (z, y, params) in zip(record["cells"], learned, strict=True):
        place = (*cell["modes"], cell["method"], cell["n"])
        if place not in wanted:
            continue
        statistics, added, added_labels = wanted.pop(place)
        assert np.array_equal(z, np.concatenate([statistics.to_z(features), added]))
        assert np.array_equal(y, np.concatenate([labels, added_labels]))
        predicted = classifier.classify(params, statistics.to_z(source.features[fold.valid]))
        counts = np.zeros((4, 4), int)
        np.add.at(counts, (source.labels[fold.valid], predicted), 1)
        assert np.sum(cell["counts"], axis=0).tolist() == counts.tolist()
    assert not wanted


def test_a_device_trains_all_cells_at_once(study, records, monkeypatch):
    """The nets up to rounding; taken one after the other, the record bit for bit."""

    def listen(protocol, classes, features, labels, rows, key, first):
        found = classifier.train_classifiers(protocol, classes, features, labels, rows, key, first)
        padded = len(study.source.labels) + 60
        alone = [
            classifier.train_classifier(
                protocol, classes, features[f : f + padded], labels[f : f + padded], int(n), key
            )
            for n, f in zip(rows, first, strict=True)
        ]
        alone = jax.tree.map(lambda *leaves: np.stack(leaves), *alone)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), found, alone)
        return alone

    monkeypatch.setattr(low_resource, "train_classifiers", listen)
    metrics = replace(study.config.metrics, device="on")
    on = replace(study, config=replace(study.config, metrics=metrics))
    assert run_cells(on, "source", 20.0, 1) == records[task_name("source", 20.0, 1)]


def test_figures_follow_the_schema(study, found):
    assert found["scopes"].keys() == {"target", "source"}
    for scope, figures in found["scopes"].items():
        assert figures["percents"] == [20.0, 50.0, 100.0] and figures["sizes"] == [20, 60]
        assert figures["statistics"] == ("own" if scope == "target" else "source")
        keys = [(c["mode"], c["method"], c["percent"], c["n"]) for c in figures["cells"]]
        assert len(set(keys)) == len(keys)
        # At 100 % both modes have every cell.
        both = 2 * (N_BLOCK["paper"] + 2 * len(BASELINES))
        assert len(keys) == 2 * sum(N_BLOCK.values()) + both
        for cell in figures["cells"]:
            assert (cell["gain"] is None) == (cell["method"] == "none")
            low, high = cell["uar"]["ci95"]
            assert low <= cell["uar"]["mean"] <= high and len(cell["uar"]["values"]) == 2
        pairs = {(c["mode"], c["percent"], *map(tuple, (c["first"], c["second"])))
                 for c in figures["comparisons"]}  # fmt: skip
        assert ("paper", 20.0, ("m1", 60), ("m1", 20)) in pairs
        assert ("paper", 20.0, ("m1", 60), ("m2", 60)) in pairs
        assert ("paper", 50.0, ("m2", 60), ("m3", 60)) in pairs
        assert ("honest", 20.0, ("m1", 20), ("smote", 20)) in pairs
        assert ("paper", 20.0, ("m1", 20), ("smote", 20)) not in pairs
        assert not any(mode == "honest" and p < 100 and ("m2", 60) in rest
                       for mode, p, *rest in pairs)  # fmt: skip


def test_figures_are_differences_of_what_was_counted(study, records, found):
    def mean(scope, *key):
        cell = cells_of(found["scopes"][scope])[key]
        return cell["uar"]["mean"], cell["gain"] and cell["gain"]["mean"]

    for scope in ("target", "source"):
        pooled = np.zeros((4, 4))
        for replicate in range(2):
            record = records[task_name(scope, 20.0, replicate)]
            pooled += np.sum(of_mode(record, "honest")["m1", 60], axis=0)
        uar, gain = mean(scope, "honest", "m1", 20.0, 60)
        assert uar == pytest.approx((np.diag(pooled) / pooled.sum(axis=1)).mean())
        none, _ = mean(scope, "honest", "none", 20.0, 0)
        assert gain == pytest.approx(uar - none)
        high, none_high = (mean(scope, "honest", *key, 100.0, n)[0]
                           for key, n in ((("m1",), 60), (("none",), 0)))  # fmt: skip
        low_less_high = found["gain_low_less_high"][scope]["honest"]["mean"]
        assert low_less_high == pytest.approx((uar - none) - (high - none_high))
        (compared,) = (
            c
            for c in found["scopes"][scope]["comparisons"]
            if (c["mode"], c["percent"], c["first"], c["second"])
            == ("honest", 20.0, ["m1", 60], ["jitter", 60])
        )
        jitter, _ = mean(scope, "honest", "jitter", 20.0, 60)
        assert compared["difference"]["mean"] == pytest.approx(uar - jitter)


def test_no_honest_model_one_percent_one_replicate_one_scope(tmp_path):
    study = tiny_study(
        tmp_path,
        low_resource__honest=(),
        low_resource__percents=(40.0,),
        low_resource__replicates=1,
        low_resource__scopes=("source",),
        low_resource__sizes=(60,),
    )
    save_untrained(study)
    (task,) = tasks(study)
    assert task.needs == ("train-m1", "train-m2", "train-m3")
    found = results(study, {task.name: task.run(study, *task.arguments)})
    json.dumps(found, allow_nan=False)
    assert found["gain_low_less_high"] == {"source": {"paper": None, "honest": None}}
    methods = {(c["mode"], c["method"]) for c in found["scopes"]["source"]["cells"]}
    assert ("honest", "smote") in methods and ("honest", "m1") not in methods
    assert len(found["scopes"]["source"]["comparisons"]) == 3


def test_rows_that_are_not_finite(study, records, tmp_path):
    """A generator that diverged leaves its draw out, where it is compared and nowhere else."""
    broken = replace(study, dir=replace(study.dir, root=tmp_path))
    save_untrained(broken)
    part = find_part(study.parts, "target", 20.0, 0)
    save_broken(broken, "m1", part, 0)
    name = task_name("target", 20.0, 0)
    record = run_cells(broken, "target", 20.0, 0)
    assert of_mode(record, "honest")["m1", 60] is None
    assert of_mode(record, "paper") == of_mode(records[name], "paper")
    found = results(study, {**records, name: record})
    json.dumps(found, allow_nan=False)
    cells = cells_of(found["scopes"]["target"])
    assert cells["honest", "m1", 20.0, 60]["gain"]["values"][0] is None
    assert cells["honest", "m1", 20.0, 60]["gain"]["values"][1] is not None
    assert None not in cells["honest", "smote", 20.0, 60]["gain"]["values"]
    (note,) = (note for note in found["notes"] if "not finite" in note)
    assert "draw 0" in note and "m1" in note and low_resource.HONEST in note
