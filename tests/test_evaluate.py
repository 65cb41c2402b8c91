"""The evaluate stage: definitions against plain scikit-learn, cache, jobs, bad tables, imports."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.svm import SVC

import aegan.metrics
from aegan.data.contract import FeatureContract
from aegan.data.folds import fit_standardiser, make_folds
from aegan.data.simulate import simulated_corpus
from aegan.errors import InputError
from aegan.metrics import evaluate as stage
from aegan.metrics.cache import Item, cache_key, load, store
from aegan.metrics.evaluate import METRICS, REFERENCES, EvaluationProtocol, evaluate
from aegan.metrics.fid import FidProtocol
from aegan.metrics.references import class_gaussian
from aegan.metrics.svm import SvmProtocol
from aegan.tables.synthetic import write_synthetic

ROWS = 240
C = 1e-3
PASSPORT = {"model": "m2", "run_hash": "0" * 16, "seed": 0, "fold": 0}
PROTOCOL = EvaluationProtocol(
    svm=SvmProtocol(c_grid=(1e-4, C, 1e-2)),
    fid=FidProtocol(epochs=6, net_seeds=(0, 1), splits=2),
    reference_rows=ROWS,
)


@pytest.fixture(scope="module")
def corpus():
    return simulated_corpus(rows=400, dim=120, seed=1)


@pytest.fixture(scope="module")
def folds(corpus):
    return make_folds(corpus, 5)[:3]


def lane(seed, fold, status="ok"):
    return {"seed": seed, "fold": fold, "status": status}


LANES = [lane(seed, fold) for seed in (0, 1) for fold in range(3)]


def write(path, corpus, fold, seed, change=lambda features: features):
    space = fit_standardiser(corpus.features, fold.train)
    rows = space.to_z(corpus.features[fold.train])
    drawn, labels = class_gaussian(rows, corpus.labels[fold.train], ROWS, seed)
    features = change(space.to_raw(drawn))
    put(path, features, labels, corpus.classes, corpus.contract)
    return drawn, labels


def put(path, features, labels, classes, contract):
    blocks = [(features, labels)]
    write_synthetic(path, blocks, classes, contract, PASSPORT, finite=False)


@pytest.fixture(scope="module")
def tables(corpus, folds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic")
    for record in LANES:
        path = folder / f"{record['seed']}-{record['fold']}.parquet"
        write(path, corpus, folds[record["fold"]], 10 + record["seed"])
    return lambda record: folder / f"{record['seed']}-{record['fold']}.parquet"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache") / "metrics"


@pytest.fixture(scope="module")
def results(corpus, folds, tables, cache):
    calls = []
    found = evaluate(
        corpus, folds, LANES, tables, PROTOCOL, cache, jobs=2, progress=lambda *a: calls.append(a)
    )
    return found, calls


def test_shape_of_the_results(results, corpus):
    found, calls = results
    keys = {"metrics", "references", "per_class", "confusion", "svm", "plausibility", "verdict"}
    assert set(found) == keys
    assert found["plausibility"] == []  # no openSMILE names, no rule
    json.dumps(found, allow_nan=False)
    assert tuple(found["references"]) == REFERENCES
    for summary in [found["metrics"], *found["references"].values()]:
        assert tuple(summary) == METRICS
        for values in summary.values():
            assert len(values["per_lane"]) == len(LANES)
            assert None not in values["per_lane"]
            assert values["ci95"][0] <= values["mean"] <= values["ci95"][1]
    for summary in found["references"].values():  # they do not depend on the seed
        assert all(v["per_lane"][:3] == v["per_lane"][3:] for v in summary.values())
    for table in found["per_class"].values():
        assert all(tuple(part) == corpus.classes for part in table.values())
    chosen = found["svm"]["chosen_c"]
    assert len(chosen["set1"]) == len(chosen["set2"]) == 3 and len(chosen["synthetic"]) == 6
    total = 3 * 3 + 5 * 3 + 6
    assert [done for _, done, _ in calls] == list(range(total + 1))
    assert {t for *_, t in calls} == {total}
    assert found["verdict"]["word"] and tuple(found["verdict"]["references"]) == REFERENCES


def test_definitions_against_plain_svms(results, corpus, folds):
    """Every UAR once more, with SVC on plain features at the C that was chosen."""
    found = results[0]
    fold, number = folds[1], 1
    space = fit_standardiser(corpus.features, fold.train, clip=PROTOCOL.clip)
    z = space.to_z(corpus.features)
    set1 = (z[fold.train], corpus.labels[fold.train])
    set2 = (z[fold.valid], corpus.labels[fold.valid])
    drawn, labels = class_gaussian(*set1, ROWS, 10)
    synthetic = (space.to_z(space.to_raw(drawn)), labels)
    chosen = found["svm"]["chosen_c"]

    def score(trained, tested, c):
        svc = SVC(kernel="linear", C=c, class_weight="balanced").fit(*trained)
        return balanced_accuracy_score(tested[1], svc.predict(tested[0]))

    c1, c2, own = chosen["set1"][number], chosen["set2"][number], chosen["synthetic"][number]
    wanted = {
        "trts_set1": score(set1, synthetic, c1),
        "trts_set2": score(set2, synthetic, c2),
        "tstr_set1": score(synthetic, set1, own),
        "tstr_set2": score(synthetic, set2, own),
        "real_to_real": score(set1, set2, c1),
    }
    got = {name: found["metrics"][name]["per_lane"][number] for name in wanted}
    assert got == pytest.approx(wanted, abs=1e-9)
    real = {name: found["references"]["real"][name]["per_lane"][number] for name in METRICS}
    assert real["trts_set1"] == real["tstr_set1"] == pytest.approx(score(set1, set1, c1))
    assert real["trts_set2"] == pytest.approx(score(set2, set1, c2))
    assert real["tstr_set2"] == real["real_to_real"] == pytest.approx(got["real_to_real"])
    assert (real["fid"], real["fid_over_floor"], real["copies"]) == (0, 0, 0)
    assert real["variance_ratio"] == pytest.approx(1) and real["nn_distance"] == pytest.approx(1)


def test_what_the_references_show(results):
    found = results[0]
    mean = {
        name: {metric: values["mean"] for metric, values in summary.items()}
        for name, summary in found["references"].items()
    }
    assert mean["class_mean"]["variance_ratio"] < 0.02
    assert mean["class_mean"]["trts_set1"] > mean["real"]["trts_set1"]
    assert mean["class_mean"]["fid_over_floor"] > 3 * mean["class_gaussian"]["fid_over_floor"]
    assert 0.9 < mean["class_gaussian"]["variance_ratio"] < 1.1
    assert mean["jitter"]["copies"] > 0.9 > 0.2 > mean["class_gaussian"]["copies"]
    assert mean["jitter"]["nn_distance"] < 0.5 < mean["class_gaussian"]["nn_distance"]
    words = found["verdict"]["references"]
    assert words["class_mean"] == "collapsed" and words["real"] == "faithful"
    assert words["smote"] == words["jitter"] == "copying"


def test_confusions_are_sums_over_lanes(results, corpus, folds):
    found = results[0]
    for test in ("trts_set1", "trts_set2"):
        assert np.sum(found["confusion"]["model"][test]) == ROWS * len(LANES)
    counts = np.array(found["confusion"]["model"]["tstr_set2"])
    wanted = sum(np.bincount(corpus.labels[fold.valid], minlength=4) for fold in folds)
    np.testing.assert_array_equal(counts.sum(axis=1), 2 * wanted)


def test_twice_equal_whatever_jobs_and_cache(results, corpus, folds, tables, cache):
    files = sorted(cache.iterdir())
    assert len(files) == 3 * 3 + 5 * 3
    warm = evaluate(corpus, folds, LANES, tables, PROTOCOL, cache, jobs=1)
    assert warm == results[0]
    cold = evaluate(corpus, folds[:1], [LANES[0], LANES[3]], tables, PROTOCOL, None, jobs=3)
    for name in METRICS:
        per_lane = results[0]["metrics"][name]["per_lane"]
        assert cold["metrics"][name]["per_lane"] == [per_lane[0], per_lane[3]]
        for reference in REFERENCES:
            wanted = results[0]["references"][reference][name]["per_lane"][0]
            assert cold["references"][reference][name]["per_lane"] == [wanted] * 2


def test_the_cache_is_used(results, corpus, folds, tables, cache, monkeypatch):
    def never(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(stage, "_lane", lambda *_: None)
    monkeypatch.setattr(stage, "measure", never)
    monkeypatch.setattr("aegan.metrics.fold_tools.tune_and_fit", never)
    monkeypatch.setattr("aegan.metrics.fold_tools.train_net", never)
    found = evaluate(corpus, folds, LANES, tables, PROTOCOL, cache)
    assert found["references"] == results[0]["references"]
    with pytest.raises(AssertionError):
        evaluate(corpus, folds, LANES, tables, replace(PROTOCOL, clip=9.0), cache)
    with pytest.raises(AssertionError):
        evaluate(corpus, folds, LANES, tables, replace(PROTOCOL, seed=1), cache)


@pytest.mark.parametrize("content", [b"", b"not an archive", None])
def test_a_broken_cache_file_is_computed_again(content, tmp_path):
    key = cache_key(item="x", rows=np.arange(3))
    others = [{"item": "y"}, {"rows": np.arange(4)}, {"rows": np.arange(3.0)}, {"more": 1}]
    for change in others:
        assert cache_key(**{"item": "x", "rows": np.arange(3)} | change) != key
    assert load(tmp_path, key) is None
    store(tmp_path, key, Item({"a": [1, None]}, {"w": np.arange(4.0)}))
    item = load(tmp_path, key)
    assert item.meta == {"a": [1, None]} and np.array_equal(item.arrays["w"], np.arange(4.0))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-30] if content is None else content)
    assert load(tmp_path, key) is None
    store(tmp_path, key, Item({}, {}))
    assert load(tmp_path, key).meta == {}


def quick(corpus, folds, lanes, tables, **changes):
    """One class-mean-cheap evaluation of the first fold."""
    protocol = replace(
        PROTOCOL, reference_rows=60, fid=FidProtocol(epochs=1, net_seeds=(0,), splits=1)
    )
    return evaluate(corpus, folds[:1], lanes, tables, replace(protocol, **changes), None)


def test_lanes_without_values(corpus, folds, tables, tmp_path):
    infinite = tmp_path / "bad.parquet"
    write(infinite, corpus, folds[0], 0, lambda x: np.where(np.arange(120) == 5, np.inf, x))
    bad = lane(2, 0, "collapsed")
    gone = lane(3, 0, "diverged")  # no table at all

    def path(record):
        return infinite if record is bad else tables(record)

    found = quick(corpus, folds, [LANES[0], bad, gone], path)
    for name in METRICS:
        per_lane = found["metrics"][name]["per_lane"]
        assert per_lane[0] is not None and per_lane[1:] == [None, None]
        assert found["metrics"][name]["mean"] == per_lane[0]
        assert None not in found["references"]["real"][name]["per_lane"]
    assert found["svm"]["chosen_c"]["synthetic"][1:] == [None, None]
    empty = quick(corpus, folds, [gone], path)
    assert empty["verdict"]["word"] == "diverged"
    assert (
        empty["metrics"]["fid"]["mean"] is None and empty["confusion"]["model"]["trts_set1"] is None
    )
    json.dumps(empty, allow_nan=False)


def test_a_collapsed_table_has_values(corpus, folds, tmp_path):
    """All rows alike and of one class: metrics are defined, the verdict says collapsed."""
    features = np.repeat(corpus.features[:1], 50, axis=0)
    labels = np.zeros(50, dtype=np.int32)
    path = tmp_path / "table.parquet"
    put(path, features, labels, corpus.classes, corpus.contract)
    found = quick(corpus, folds, [lane(0, 0)], lambda _: path)
    values = {name: summary["mean"] for name, summary in found["metrics"].items()}
    assert None not in values.values()
    assert values["tstr_set2"] == 0.25 and values["variance_ratio"] == 0
    assert found["verdict"]["word"] == "collapsed"
    assert any("one class" in note for note in found["svm"]["notes"])


def test_tables_of_other_features_or_classes_are_refused(corpus, folds, tables, tmp_path):
    labels = np.zeros(4, dtype=np.int32)
    path = tmp_path / "table.parquet"
    names = list(corpus.feature_names)
    names[7] = "other"
    for classes, columns, word in (
        (corpus.classes, names, "'other'"),
        (corpus.classes, corpus.feature_names[:-1], "119 features"),
        (("angry", "bored"), corpus.feature_names, "'bored'"),
    ):
        rows = np.zeros((4, len(columns)), np.float32)
        put(path, rows, labels, classes, FeatureContract(tuple(columns), "simulated"))
        with pytest.raises(InputError, match=word) as caught:
            quick(corpus, folds, [lane(0, 0)], lambda _: path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    with pytest.raises(InputError):
        quick(corpus, folds, [lane(0, 0)], lambda _: tmp_path / "missing")


def test_classes_are_matched_by_name(corpus, folds, tables, tmp_path):
    """A table that lists its classes in another order gives the same figures."""
    drawn, labels = write(tmp_path / "a.parquet", corpus, folds[0], 10)
    space = fit_standardiser(corpus.features, folds[0].train)
    turned = tuple(reversed(corpus.classes))
    put(tmp_path / "b.parquet", space.to_raw(drawn), 3 - labels, turned, corpus.contract)
    lanes = [lane(0, 0), lane(1, 0)]
    found = quick(corpus, folds, lanes, lambda r: tmp_path / f"{'ab'[r['seed']]}.parquet")
    for name in METRICS:
        first, second = found["metrics"][name]["per_lane"]
        assert first == second, name


def test_plausibility_counts_real_rows_beside_synthetic_ones(corpus, folds, tables, tmp_path):
    """Columns 0 to 2 play the quartiles of one contour; real rows are put in order."""
    names = [f"x_sma_quartile{i}" for i in (1, 2, 3)] + list(corpus.feature_names[3:])
    features = corpus.features.copy()
    features[:, :3] = np.sort(features[:, :3], axis=1)
    named = replace(corpus, features=features, contract=FeatureContract(tuple(names)))
    rows = features[folds[0].train][:80].copy()
    rows[:20, :2] = [[5.0, 1.0]]  # first quartile above the second in a quarter of the rows
    rows[:20, 2] = 7.0
    labels = named.labels[folds[0].train][:80]
    put(tmp_path / "t.parquet", rows, labels, named.classes, named.contract)
    found = quick(named, folds, [lane(0, 0)], lambda _: tmp_path / "t.parquet")["plausibility"]
    assert [entry["rule"] for entry in found] == ["quantiles in order", "any rule"]
    for entry in found:
        assert entry["checks"] == 2
        assert (entry["real_rows"], entry["synthetic_rows"]) == (0.0, 0.25)
        assert entry["synthetic_checks"] == 0.125


def test_nothing_of_validation_reaches_the_space_or_the_svm_of_set1(corpus, folds, tables):
    """Set-2 moved far away: what is trained on set-1 and tested on set-1 or synthetic stays."""
    fold = folds[0]
    moved = corpus.features.copy()
    moved[fold.valid] = moved[fold.valid] * 3 + 1000
    other = replace(corpus, features=moved)
    before = quick(corpus, folds, LANES[:1], tables)
    after = quick(other, folds, LANES[:1], tables)
    for found in ("metrics", "references"):
        a, b = (of[found] if found == "metrics" else of[found]["smote"] for of in (before, after))
        for name in ("trts_set1", "tstr_set1", "variance_ratio", "nn_distance", "copies"):
            assert a[name] == b[name], name
    assert before["svm"]["chosen_c"]["set1"] == after["svm"]["chosen_c"]["set1"]
    assert before["metrics"]["real_to_real"] != after["metrics"]["real_to_real"]


def test_the_stage_imports_nothing_of_training():
    allowed = ("aegan.errors", "aegan.system.files", "aegan.data", "aegan.tables", "aegan.metrics")
    for path in sorted(Path(aegan.metrics.__file__).parent.glob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = [a.name for node in nodes if isinstance(node, ast.Import) for a in node.names]
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names.append(node.module)
        for name in names:
            root = name.split(".")[0]
            assert root not in ("jax", "jaxlib", "flax", "optax", "orbax", "torch"), path.name
            assert root != "aegan" or name.startswith(allowed), (path.name, name)


def test_the_stage_loads_no_jax():
    code = (
        "import sys, aegan.metrics.evaluate; "
        "sys.exit(' '.join({'jax', 'flax', 'optax', 'orbax'} & set(sys.modules)))"
    )
    root = Path(aegan.metrics.__file__).parents[2]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert found.stderr.strip() == ""
