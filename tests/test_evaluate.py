"""The evaluate stage: definitions against plain scikit-learn, cache, jobs, bad tables, imports."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.svm import SVC

from aegan.data.contract import FeatureContract
from aegan.data.folds import ALL, fit_standardiser, make_folds
from aegan.data.simulate import simulated_corpus
from aegan.errors import InputError
from aegan.metrics import evaluate as stage
from aegan.metrics.evaluate import METRICS, REFERENCES, EvaluationProtocol, evaluate
from aegan.metrics.fid import FidProtocol
from aegan.metrics.fold_tools import cached
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


def put(path, features, labels, classes, contract):
    blocks = [(features, labels)]
    write_synthetic(path, blocks, classes, contract, PASSPORT, finite=False)


def write(path, corpus, fold, seed, change=lambda features: features):
    """A table of class-wise Gaussian rows; returns them in z, with their labels."""
    space = fit_standardiser(corpus.features, fold.train)
    rows = space.to_z(corpus.features[fold.train])
    known = rows, corpus.labels[fold.train], corpus.speakers[fold.train]
    drawn, labels = class_gaussian(*known, ROWS, seed)
    put(path, change(space.to_raw(drawn)), labels, corpus.classes, corpus.contract)
    return drawn, labels


def spaces(corpus, fold):
    """All rows in the z-space of a fold, and their labels."""
    space = fit_standardiser(corpus.features, fold.train, clip=PROTOCOL.clip)
    return space.to_z(corpus.features), corpus.labels


@pytest.fixture(scope="module")
def tables(corpus, folds, tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic")
    paths = {(r["seed"], r["fold"]): folder / f"{r['seed']}-{r['fold']}.parquet" for r in LANES}
    for (seed, fold), path in paths.items():
        write(path, corpus, folds[fold], 10 + seed)
    return lambda record: paths[record["seed"], record["fold"]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache") / "metrics"


@pytest.fixture(scope="module")
def results(corpus, folds, tables, cache):
    calls = []
    found = evaluate(corpus, folds, LANES, tables, PROTOCOL, cache, 2, lambda *a: calls.append(a))
    return found, calls


def test_shape_of_the_results(results, corpus):
    found, calls = results
    keys = {"metrics", "references", "use", "per_class", "confusion", "svm"}
    assert set(found) == keys | {"plausibility", "verdict", "pictures"}
    assert found["plausibility"] == []  # no openSMILE names, no rule
    json.dumps(found, allow_nan=False)
    assert tuple(found["references"]) == REFERENCES
    for name, summary in {"model": found["metrics"], **found["references"]}.items():
        assert tuple(summary) == METRICS
        for values in summary.values():
            per_lane = values["per_lane"]
            assert len(per_lane) == len(LANES) and None not in per_lane
            assert values["ci95"][0] <= values["mean"] <= values["ci95"][1]
            assert name == "model" or per_lane[:3] == per_lane[3:]  # whatever the seed
    for table in found["per_class"].values():
        assert all(tuple(part) == corpus.classes for part in table.values())
    chosen = found["svm"]["chosen_c"]
    assert len(chosen["set1"]) == len(chosen["set2"]) == 3 and len(chosen["synthetic"]) == 6
    total = 3 * 3 + 7 * 3 + 6 * 2 + 1  # a lane's rows also beside real ones; pictures
    assert [done for _, done, _ in calls] == list(range(total + 1))
    assert {t for *_, t in calls} == {total}
    assert found["verdict"]["word"] and tuple(found["verdict"]["references"]) == REFERENCES


def test_definitions_against_plain_svms(results, corpus, folds):
    """Every UAR once more, with SVC on plain features at the C that was chosen."""
    found, fold, number = results[0], folds[1], 1
    space = fit_standardiser(corpus.features, fold.train, clip=PROTOCOL.clip)
    z, labels = spaces(corpus, fold)
    set1, set2 = (z[fold.train], labels[fold.train]), (z[fold.valid], labels[fold.valid])
    drawn, labels = class_gaussian(*set1, corpus.speakers[fold.train], ROWS, 10)
    synthetic = (space.to_z(space.to_raw(drawn)), labels)
    chosen = found["svm"]["chosen_c"]

    def score(trained, tested, c):
        svc = SVC(kernel="linear", C=c, class_weight="balanced").fit(*trained)
        return balanced_accuracy_score(tested[1], svc.predict(tested[0]))

    c1, c2, own = (chosen[name][number] for name in ("set1", "set2", "synthetic"))
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


def test_what_rows_are_used_for(results, corpus, folds, tables):
    """TSTR by another classifier, and real and synthetic rows together, by plain scikit-learn."""
    found = quick(corpus, folds[1:], [lane(0, 1)], tables, classifiers=("logistic", "svm"))
    use, z, labels = found["use"]["uar"], *spaces(corpus, folds[1])
    assert tuple(use) == ("svm", "logistic", "augmented")
    assert use["svm"]["model"] == found["metrics"]["tstr_set2"]
    assert use["augmented"]["real"] == use["logistic"]["real"]  # real rows alone
    train, valid = folds[1].train, folds[1].valid
    drawn, of_drawn = class_gaussian(z[train], labels[train], None, ROWS, 10)
    size, judge = len(train), LogisticRegression(C=1 / 120, class_weight="balanced", max_iter=1000)
    both = np.concatenate([z[train], drawn[:size]]), np.append(labels[train], of_drawn[:size])

    def score(judge, rows, known):
        return balanced_accuracy_score(labels[valid], judge.fit(rows, known).predict(z[valid]))

    got = (use["logistic"]["real"], use["logistic"]["model"], use["augmented"]["model"])
    wanted = [score(judge, *of) for of in ((z[train], labels[train]), (drawn, of_drawn), both)]
    assert [value["mean"] for value in got] == pytest.approx(wanted)
    less = found["use"]["less"]["augmented"]["real"]["mean"]
    assert less == pytest.approx(wanted[2] - wanted[0])
    # By the SVM, where that comes first, at the C of set-1.
    svc = SVC(kernel="linear", C=results[0]["svm"]["chosen_c"]["set1"][1], class_weight="balanced")
    by_svm = results[0]["use"]["uar"]["augmented"]["model"]["per_lane"][1]
    assert by_svm == pytest.approx(score(svc, *both))


def test_what_the_references_show(results):
    found = results[0]["references"]
    mean = {name: {key: of["mean"] for key, of in found[name].items()} for name in found}
    prototype, gaussian = mean["class_mean"], mean["class_gaussian"]
    assert prototype["variance_ratio"] < 0.02
    assert prototype["trts_set1"] > mean["real"]["trts_set1"]
    assert prototype["fid_over_floor"] > 3 * gaussian["fid_over_floor"]
    assert 0.9 < gaussian["variance_ratio"] < 1.1
    assert mean["jitter"]["copies"] > 0.9 > 0.2 > gaussian["copies"]
    assert mean["jitter"]["nn_distance"] < 0.5 < gaussian["nn_distance"]
    words = results[0]["verdict"]["references"]
    assert words["class_mean"] == "collapsed" and words["real"] == "faithful"
    assert words["smote"] == words["jitter"] == "copying"


def test_confusions_are_sums_over_lanes(results, corpus, folds):
    counts = {test: np.array(of) for test, of in results[0]["confusion"]["model"].items()}
    assert counts["trts_set1"].sum() == counts["trts_set2"].sum() == ROWS * len(LANES)
    wanted = sum(np.bincount(corpus.labels[fold.valid], minlength=4) for fold in folds)
    np.testing.assert_array_equal(counts["tstr_set2"].sum(axis=1), 2 * wanted)


def test_twice_equal_whatever_jobs_and_cache(results, corpus, folds, tables, cache):
    files = sorted(cache.iterdir())
    assert len(files) == 3 * 3 + 7 * 3 + 7 * 3  # and real with synthetic rows
    warm = evaluate(corpus, folds, LANES, tables, PROTOCOL, cache, jobs=1)
    assert warm == results[0]
    cold = evaluate(corpus, folds[:1], [LANES[0], LANES[3]], tables, PROTOCOL, None, jobs=3)
    for name in METRICS:
        per_lane = results[0]["metrics"][name]["per_lane"]
        assert cold["metrics"][name]["per_lane"] == [per_lane[0], per_lane[3]]
        for reference in REFERENCES:
            wanted = results[0]["references"][reference][name]["per_lane"][0]
            assert cold["references"][reference][name]["per_lane"] == [wanted] * 2


def test_a_device_has_the_same_answers_and_its_own_cache(results, corpus, folds, tables, cache):
    files, before = len(list(cache.iterdir())), results[0]["svm"]["protocol"]
    parts = {name: replace(getattr(PROTOCOL, name), device="on") for name in ("svm", "fid")}
    on = replace(PROTOCOL, **parts, reference_rows=40)  # theirs are not looked at
    found = evaluate(corpus, folds[:1], LANES[:1], tables, on, cache, jobs=2)
    assert len(list(cache.iterdir())) == files + 3 + 7 + 7 and "device" not in before
    for name, of in found["metrics"].items():
        assert of["per_lane"] == pytest.approx(results[0]["metrics"][name]["per_lane"][:1], 1e-4)
    new = {"device": "cpu", "fid": before["fid"] | {"device": "cpu"}, "reference_rows": 40}
    assert found["svm"]["protocol"] == before | new


def test_the_cache_is_used(results, corpus, folds, tables, cache, monkeypatch):
    def never(*_):
        raise AssertionError("computed again")

    for name in ("lane", "lane_in_use"):
        monkeypatch.setattr(stage._Bench, name, lambda *_: None)
    for name in ("measure", "right_by"):
        monkeypatch.setattr(stage._Bench, name, never)
    monkeypatch.setattr("aegan.metrics.fold_tools.tune_and_fit", never)
    monkeypatch.setattr("aegan.metrics.fold_tools.train_nets", never)
    found = evaluate(corpus, folds, LANES, tables, PROTOCOL, cache)
    assert found["references"] == results[0]["references"]
    for change in ({"clip": 9.0}, {"seed": 1}):
        with pytest.raises(AssertionError):
            evaluate(corpus, folds, LANES, tables, replace(PROTOCOL, **change), cache)


@pytest.mark.parametrize("content", [b"", b"not an archive", None])
def test_a_cache_file_is_that_of_its_parts_and_whole(content, corpus, folds, tmp_path):
    space = fit_standardiser(corpus.features, folds[0].train)

    def found(number, corpus=corpus, fold=folds[0], clip=10.0, folder=tmp_path, **parts):
        """The number that was stored for these parts, else this one."""
        values = {"a": [number, None], "w": np.arange(4.0)}
        place = (corpus, fold, space._replace(clip=clip))
        values = cached(place, folder, lambda: values, **{"item": "x"} | parts)
        assert np.array_equal(values["w"], np.arange(4.0)) and values["a"][1] is None
        return values["a"][0]

    assert [found(1), found(2)] == [1, 1]
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-30] if content is None else content)
    assert [found(3), found(4)] == [3, 3]
    others = [{"item": "y"}, {"more": 1}, {"clip": 9.0}, {"corpus": replace(corpus, classes=())}]
    others += [{"fold": replace(folds[0], **{part: np.arange(3)})} for part in ("train", "valid")]
    assert [found(5, **change) for change in others] == [5] * 6
    assert found(6, folder=None) == 6


def quick(corpus, folds, lanes, tables, number=1, **changes):
    """A cheap evaluation of the first fold or so many."""
    fid = FidProtocol(epochs=1, net_seeds=(0,), splits=1)
    protocol = replace(PROTOCOL, reference_rows=60, fid=fid, **changes)
    return evaluate(corpus, folds[:number], lanes, tables, protocol, None)


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
    assert empty["verdict"]["word"] == "diverged" and empty["metrics"]["fid"]["mean"] is None
    assert empty["confusion"]["model"]["trts_set1"] is None
    json.dumps(empty, allow_nan=False)


def test_nothing_held_out(corpus, tmp_path):
    """Everything but set-2, and nothing that is not JSON."""
    folds = make_folds(corpus, ALL)
    write(tmp_path / "all.parquet", corpus, folds[0], 0)
    found = quick(corpus, folds, [lane(0, 0)], lambda _: tmp_path / "all.parquet")
    json.dumps(found, allow_nan=False)
    absent = {"trts_set2", "tstr_set2", "real_to_real"}
    for of in (found["metrics"], *found["references"].values()):
        assert {name for name in METRICS if of[name]["mean"] is None} == absent
    assert {
        test for test, counts in found["confusion"]["model"].items() if counts is None
    } == absent
    for less in found["use"]["less"].values():
        assert {value["mean"] for value in less.values()} == {None}
    assert found["svm"]["chosen_c"]["set2"] == [None]
    assert found["verdict"]["references"]["class_mean"] == "collapsed"


def test_splits_are_paired_and_their_intervals_over_speakers(corpus, tmp_path):
    by_speaker = replace(corpus, sessions=None)
    folds = make_folds(by_speaker, 2, splits=2)
    lanes = [lane(seed, fold) for seed in (0, 1) for fold in range(4)]
    for record in lanes:
        path = tmp_path / f"{record['seed']}-{record['fold']}.parquet"
        write(path, by_speaker, folds[record["fold"]], 10 * record["seed"] + record["fold"])
    tables = lambda r: tmp_path / f"{r['seed']}-{r['fold']}.parquet"  # noqa: E731
    found = quick(by_speaker, folds, lanes, tables, 4)
    model, real = found["metrics"], found["references"]["real"]
    less = found["use"]["less"]["svm"]["real"]
    assert less["mean"] == pytest.approx(model["tstr_set2"]["mean"] - real["tstr_set2"]["mean"])
    assert model["tstr_set2"]["mean"] == pytest.approx(np.mean(model["tstr_set2"]["per_lane"]))
    assert less["ci95"][0] < less["mean"] < less["ci95"][1]
    assert model["real_to_real"]["ci95"] == real["tstr_set2"]["ci95"]
    # Of FID as wide as one split: one degree of freedom.
    of_folds = np.reshape(model["fid"]["per_lane"], (2, 2, 2)).mean(axis=0)  # split, fold
    error = np.sqrt(np.var(of_folds, axis=1, ddof=1).mean() / 2)
    assert np.ptp(model["fid"]["ci95"]) == pytest.approx(2 * stats.t.ppf(0.975, 1) * error)


def test_a_collapsed_table_has_values(corpus, folds, tmp_path):
    """All rows alike and of one class: metrics are defined, the verdict says collapsed."""
    path, labels = tmp_path / "table.parquet", np.zeros(50, dtype=np.int32)
    put(path, corpus.features[[0] * 50], labels, corpus.classes, corpus.contract)
    found = quick(corpus, folds, [lane(0, 0)], lambda _: path)
    values = {name: summary["mean"] for name, summary in found["metrics"].items()}
    assert None not in values.values()
    assert values["tstr_set2"] == 0.25 and values["variance_ratio"] == 0
    assert found["verdict"]["word"] == "collapsed"
    assert any("one class" in note for note in found["svm"]["notes"])


def test_tables_of_other_features_or_classes_are_refused(corpus, folds, tables, tmp_path):
    path, names = tmp_path / "table.parquet", corpus.feature_names
    for classes, columns, word in (
        (corpus.classes, (*names[:7], "other", *names[8:]), "'other'"),
        (corpus.classes, names[:-1], "119 features"),
        (("angry", "bored"), names, "'bored'"),
    ):
        rows = np.zeros((4, len(columns)), np.float32)
        put(path, rows, np.zeros(4, np.int32), classes, FeatureContract(columns, "simulated"))
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
    pairs = {name: summary["per_lane"] for name, summary in found["metrics"].items()}
    assert all(first == second for first, second in pairs.values()), pairs


def test_plausibility_counts_real_rows_beside_synthetic_ones(corpus, folds, tmp_path):
    """Columns 0 to 2 play the quartiles of one contour; real rows are put in order."""
    names = [f"x_sma_quartile{i}" for i in (1, 2, 3)] + list(corpus.feature_names[3:])
    features = corpus.features.copy()
    features[:, :3] = np.sort(features[:, :3], axis=1)
    named = replace(corpus, features=features, contract=FeatureContract(tuple(names)))
    rows = features[folds[0].train][:80].copy()
    rows[:20, :3] = [5.0, 1.0, 7.0]  # first quartile above the second in a quarter of the rows
    labels = named.labels[folds[0].train][:80]
    put(tmp_path / "t.parquet", rows, labels, named.classes, named.contract)
    found = quick(named, folds, [lane(0, 0)], lambda _: tmp_path / "t.parquet")["plausibility"]
    shares = {"real_rows": 0.0, "synthetic_rows": 0.25, "synthetic_checks": 0.125}
    rules = ("quantiles in order", "any rule")
    assert found == [{"rule": rule, "checks": 2, **shares} for rule in rules]


def test_nothing_of_validation_reaches_the_space_or_the_svm_of_set1(corpus, folds, tables):
    """Set-2 moved far away: what is trained on set-1 and tested on set-1 or synthetic stays."""
    moved = corpus.features.copy()
    moved[folds[0].valid] = moved[folds[0].valid] * 3 + 1000
    before = quick(corpus, folds, LANES[:1], tables)
    after = quick(replace(corpus, features=moved), folds, LANES[:1], tables)
    same = ("trts_set1", "tstr_set1", "variance_ratio", "nn_distance", "copies")
    for of in (lambda found: found["metrics"], lambda found: found["references"]["smote"]):
        assert [of(before)[name] for name in same] == [of(after)[name] for name in same]
    assert before["svm"]["chosen_c"]["set1"] == after["svm"]["chosen_c"]["set1"]
    assert before["metrics"]["real_to_real"] != after["metrics"]["real_to_real"]
