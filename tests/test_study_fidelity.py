"""The fidelity experiment: halves, what is compared with what, its figures and its report."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from scipy import stats
from study_generators import save_broken, save_untrained
from study_helpers import tiny_config, tiny_study

from aegan.data.folds import fit_standardiser
from aegan.errors import InputError
from aegan.metrics.fidelity import membership
from aegan.metrics.references import GENERATORS, reference_seed
from aegan.study import generators
from aegan.study.fidelity import report, tasks
from aegan.study.fidelity.tasks import matched, measure, summary, task_name
from aegan.study.opening import _that_counts
from aegan.study.parts import FIRST_HALF

NAMES = ("m1", "m2", "m3", "real", *GENERATORS)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    found = tiny_study(root, experiments=("fidelity",), fidelity__halves=2, seeds=(0, 1))
    save_untrained(found)
    return found


@pytest.fixture(scope="module")
def measured(study):
    """What ``measure`` gives, each asked for once, with few trees."""
    patch = pytest.MonkeyPatch()
    patch.setattr("aegan.metrics.classifiers.TREES", 20)
    yield cache(lambda *where: measure(study, *where)["figures"])
    patch.undo()


def test_tasks_need_the_generators_of_the_halves_or_of_the_folds(study):
    found = {task.name: task for task in tasks.tasks(study)}
    known = {task.name for task in generators.tasks(study)}
    assert len(found) == (2 + 5) * len(NAMES)
    assert all(need in known for task in found.values() for need in task.needs)
    of_half = tuple(f"part-m2-{seed}-half-p50-r1" for seed in (0, 1))
    assert found["fidelity-rows-half1-m2"].needs == of_half
    assert found["fidelity-speakers-fold3-m2"].needs == ("train-m2",)
    assert found["fidelity-rows-half1-smote"].needs == ()


def test_generators_see_half_of_every_cell_and_nothing_of_the_rest(study, tmp_path):
    source, plan = study.source, study.part_plans["m1"]
    for part in study.halves:
        fold = study.part_fold(part)
        assert fold.index == FIRST_HALF + part.replicate  # whatever other parts there are
        np.testing.assert_array_equal(fold.train, part.rows)
        for name in np.unique(source.speakers):
            for label in range(4):
                cell = np.flatnonzero((source.speakers == name) & (source.labels == label))
                assert abs(2 * np.isin(cell, part.rows).sum() - len(cell)) <= 1
        own = plan.standardisers[plan.folds.index(fold)]
        np.testing.assert_array_equal(own[0], fit_standardiser(source.features, part.rows)[0])
    more = tiny_study(tmp_path, fidelity__halves=3)
    assert len(more.parts) > 1 and more.part_fold(more.halves[1]).index == FIRST_HALF + 1
    np.testing.assert_array_equal(more.halves[1].rows, study.halves[1].rows)


def test_a_class_of_three_rows_has_no_halves(study, monkeypatch):
    labels = study.source.labels.copy()
    labels[labels == 2] = 1
    labels[:3] = 2
    monkeypatch.setitem(study.source.__dict__, "labels", labels)
    with pytest.raises(InputError, match="class 'neutral' has 3 rows, too few for two halves"):
        tasks.tasks(study)


def test_as_many_rows_of_each_class():
    rng = np.random.default_rng(0)

    def draw(n):
        return np.arange(n), rng.choice(3, size=n, p=[0.9, 0.05, 0.05])

    features, labels = matched(draw, np.array([5, 5, 2]))
    assert np.bincount(labels).tolist() == [5, 5, 2]
    for label in range(3):
        assert (np.diff(features[labels == label]) > 0).all()
    assert matched(lambda n: None, np.array([1])) is None
    lacking = matched(lambda n: (np.arange(3), np.zeros(3, int)), np.array([2, 1]))
    assert lacking[1].tolist() == [0, 0]


def test_figures_once_more(study, measured):
    """Membership of SMOTE's rows, from the halves themselves."""
    part, source = study.halves[0], study.source
    kept = np.setdiff1d(np.arange(len(source.labels)), part.rows)
    z = fit_standardiser(source.features, part.rows).to_z(source.features)
    seen = z[part.rows], source.labels[part.rows], source.speakers[part.rows]
    seed = reference_seed(0, FIRST_HALF, "smote")
    rows, _ = matched(
        lambda n: GENERATORS["smote"](*seen, n, seed), np.bincount(source.labels[kept])
    )
    wanted = membership(seen[0], seen[2], z[kept], source.speakers[kept], rows)
    (found,) = measured("rows", 0, "smote")
    assert found["membership"] == wanted and wanted["mean"] > 0.6
    (real,) = measured("rows", 0, "real")
    # But for a row of a class, all of the half is taken.
    assert real["membership"]["mean"] > 0.95
    assert real["frechet_over_floor"] == real["fid_over_floor"] == 0
    assert found["rules"] is None  # simulated features have none


def test_models_have_a_value_per_seed_and_rows_of_other_speakers_no_membership(study, measured):
    assert len(measured("rows", 1, "m1")) == 2
    first, second = measured("speakers", 2, "m2")
    assert first != second and "membership" not in first
    assert measured("speakers", 2, "real")[0]["frechet_over_floor"] == 0


def test_rows_that_are_not_finite_have_no_value(tmp_path):
    study = tiny_study(tmp_path, experiments=("fidelity",), fidelity__halves=1)
    save_broken(study, "m1", study.halves[0], 0)
    assert measure(study, "rows", 0, "m1") == {"figures": [None]}


def test_summary_by_hand():
    def of(value, low):
        return {"fid": value, "membership": {"mean": 0.6, "ci95": [0.6 - low, 0.6 + low]}}

    found = summary([[of(1.0, 0.1), of(3.0, 0.3)], [of(4.0, 0.2), None], [None, None]])
    assert found["fid"]["values"] == [2.0, 4.0] and found["fid"]["mean"] == 3
    low, high = stats.ttest_1samp([2.0, 4.0], 0).confidence_interval(0.95)
    assert found["fid"]["ci95"] == pytest.approx([low, high])
    assert found["membership"]["ci95"] == pytest.approx([0.4, 0.8])  # no variance between halves
    one = summary([[of(1.0, 0.1)]])
    assert one["fid"]["ci95"] is None and one["membership"]["ci95"] == pytest.approx([0.5, 0.7])
    assert summary([[None]]) == {}


def test_the_report_shows_every_generator(study, measured):
    """The figures of a few stand for all."""
    few = {"rows": (0, "smote"), "speakers": (2, "real")}
    records = {task_name("rows", 0, "m1"): {"figures": measured("rows", 1, "m1")}}
    records |= {task_name("rows", 1, "m3"): {"figures": [None, None]}}
    records |= {task_name("rows", 0, "m3"): {"figures": [None, None]}}
    for scope, places in (("rows", range(2)), ("speakers", range(5))):
        for name, place in ((name, place) for name in NAMES for place in places):
            known = {"figures": measured(scope, *few[scope])}
            records.setdefault(task_name(scope, place, name), known)
    found = tasks.results(study, records)
    json.dumps(found, allow_nan=False)
    assert tuple(found["scopes"]["rows"]) == NAMES and found["scopes"]["rows"]["m3"] == {}
    results = {"source": study.identity["source"], "config": study.identity["config"]}
    results |= {"versions": {}, "command": "", "experiments": {"fidelity": found}}
    rows, speakers = report.sections(results, study.dir.root)
    assert rows.title == "Fidelity: rows kept back"
    assert speakers.title == "Fidelity: speakers held out"
    table = report.table(results, "rows")
    assert [row[0] for row in table.rows][3:6] == ["Real rows seen", "Class mean", "Class Gaussian"]
    assert "Membership" in table.header and "Rules broken (%)" not in table.header
    assert "Membership" not in report.table(results, "speakers").header
    (figure,) = (block for block in rows.blocks if hasattr(block, "panels"))
    assert len(figure.data) == len(NAMES) - 1 and figure.panels
    assert any("SMOTE with an AUC of" in text for text in report.in_short(results))
    assert max(map(len, report.summary(results))) <= 80


def test_studies_of_before_are_the_same_studies():
    values = tiny_config()
    before = {name: part for name, part in values.items() if name != "fidelity"}
    before["source"] = {k: v for k, v in values["source"].items() if k != "splits"}
    before["metrics"] = {k: v for k, v in values["metrics"].items() if k != "classifiers"}
    assert _that_counts(before) == _that_counts(values)
    assert _that_counts(tiny_config(fidelity__halves=7)) != _that_counts(values)
