"""The Gram-matrix SVM against scikit-learn's grid search, prediction by prediction."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import SVC

from aegan.data.corpus import read_corpus
from aegan.data.folds import fit_standardiser
from aegan.metrics.svm import (
    SvmProtocol,
    confusion_counts,
    predict,
    recalls,
    stratified_subsample,
    tune_and_fit,
    uar,
)


@pytest.fixture(scope="module")
def nemo_z(shared_data):
    """nEMO in shuffled order: z-scores (3076, 1582) float32 and labels."""
    corpus = read_corpus(shared_data / "nemo.parquet", ())
    order = np.random.default_rng(0).permutation(len(corpus.labels))
    standardiser = fit_standardiser(corpus.features, np.arange(len(order)))
    return standardiser.to_z(corpus.features[order]), corpus.labels[order]


def clouds(n, dim, n_classes, seed, distance=0.5):
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n).astype(np.int32)
    centres = rng.standard_normal((n_classes, dim)) * distance
    rows = centres[labels] + rng.standard_normal((n, dim)) * rng.uniform(0.3, 2, dim)
    return rows.astype(np.float32), labels


def grid_search(rows, labels, protocol, gamma):
    """The oracle: plain SVC on plain features."""
    svc = SVC(kernel=protocol.kernel, class_weight=protocol.class_weight, gamma=gamma or "scale")
    folds = StratifiedKFold(protocol.inner_folds, shuffle=True, random_state=protocol.seed)

    def smallest_within_tie(results):
        scores = results["mean_test_score"]
        return int(np.argmax(scores >= scores.max() - protocol.tie - 1e-9))

    scoring = {"scoring": "balanced_accuracy", "refit": smallest_within_tie, "cv": folds}
    return GridSearchCV(svc, {"C": protocol.c_grid}, **scoring).fit(rows, labels)


def check_same(protocol, rows, labels, train, tested=slice(None)):
    """Trained on the rows ``train``: the C, inner scores and predictions are the oracle's."""
    fitted = tune_and_fit(rows[train], labels[train], protocol)
    search = grid_search(rows[train], labels[train], protocol, fitted.gamma)
    assert fitted.c == search.best_params_["C"]
    np.testing.assert_allclose(fitted.inner_scores, search.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(predict(fitted, rows[tested]), search.predict(rows[tested]))
    return fitted


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize(
    ("n_classes", "class_weight"), [(2, "balanced"), (3, None), (4, "balanced")]
)
def test_same_answers_as_grid_search(kernel, n_classes, class_weight):
    rows, labels = clouds(300, 40, n_classes, seed=n_classes, distance=0.4)
    grid = (1e-4, 1e-3, 1e-2, 1e-1) if kernel == "linear" else (0.1, 1.0, 10.0)
    protocol = SvmProtocol(kernel=kernel, c_grid=grid, class_weight=class_weight, seed=3)
    fitted = check_same(protocol, rows, labels, slice(200))
    if kernel == "rbf":
        scale = SVC(gamma="scale").fit(rows[:200], labels[:200])._gamma
        assert fitted.gamma == pytest.approx(scale, rel=1e-5)


def test_same_answers_on_real_features(nemo_z):
    train = np.random.default_rng(0).permutation(len(nemo_z[0]))[:300]
    for protocol in (SvmProtocol(), SvmProtocol(kernel="rbf", c_grid=(0.3, 1.0, 3.0))):
        check_same(protocol, *nemo_z, train, slice(1000))


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_a_device_has_the_same_answers(kernel, nemo_z):
    few = np.random.default_rng(1).permutation(len(nemo_z[0]))[:300]
    grid = (3e-4, 1e-3, 1e-2) if kernel == "linear" else (0.3, 1.0, 3.0)
    protocol = SvmProtocol(kernel=kernel, c_grid=grid, tie=0.01)
    for rows, labels in (tuple(of[few] for of in nemo_z), clouds(200, 40, 2, seed=3)):
        own = tune_and_fit(rows[:200], labels[:200], protocol)
        found = tune_and_fit(rows[:200], labels[:200], replace(protocol, device="on"))
        assert found.c == own.c and found.inner_scores == own.inner_scores
        np.testing.assert_array_equal(predict(found, rows), predict(own, rows))


def test_labels_are_those_of_the_training_rows():
    rows, labels = clouds(120, 10, 2, seed=0)
    fitted = tune_and_fit(rows, np.where(labels == 0, 1, 3).astype(np.int32), SvmProtocol())
    assert fitted.classes.tolist() == [1, 3]
    assert set(predict(fitted, rows).tolist()) == {1, 3}
    single = tune_and_fit(rows, np.full(120, 2), SvmProtocol())
    assert single.c is None and "one class" in single.note
    assert predict(single, rows).tolist() == [2] * 120


@pytest.mark.parametrize("tie", [0.0, 0.02, 0.2])
def test_ties_go_to_the_smallest_c_and_wider_ties_to_a_smaller(tie):
    rows, labels = clouds(300, 20, 3, seed=5, distance=1.0)
    protocol = SvmProtocol(c_grid=(1e-4, 1e-3, 1e-2, 1e-1, 1.0), tie=tie)
    fitted = check_same(protocol, rows, labels, slice(None))
    below = [s for c, s in zip(protocol.c_grid, fitted.inner_scores, strict=True) if c < fitted.c]
    assert all(score < max(fitted.inner_scores) - tie for score in below)
    far, labels = clouds(90, 20, 3, seed=2, distance=50.0)  # every larger C scores 1
    fitted = tune_and_fit(far, labels, SvmProtocol(tie=0))
    assert fitted.inner_scores[2:] == [1.0] * 5
    assert fitted.c == SvmProtocol().c_grid[fitted.inner_scores.index(1.0)]


@pytest.mark.parametrize(("members", "words"), [(1, "middle"), (2, "2 inner")])
def test_few_members_fall_back_without_a_warning(members, words):
    rows, _ = clouds(40, 6, 2, seed=0)
    labels = np.where(np.arange(40) < members, 2, np.arange(40) % 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = tune_and_fit(rows, labels, SvmProtocol())
    assert words in fitted.note
    if members == 1:
        assert fitted.c == SvmProtocol().c_grid[len(SvmProtocol().c_grid) // 2]
    assert set(predict(fitted, rows).tolist()) <= {0, 1, 2}


def test_identical_rows_do_not_crash():
    labels = np.arange(20) % 4
    for kernel in ("linear", "rbf"):
        fitted = tune_and_fit(np.zeros((20, 5)), labels, SvmProtocol(kernel=kernel))
        assert len(predict(fitted, np.zeros((3, 5)))) == 3


def test_large_sets_use_a_stated_stratified_subsample():
    rows, labels = clouds(400, 8, 3, seed=5)
    protocol = SvmProtocol(max_search_rows=150)
    fitted = tune_and_fit(rows, labels, protocol)
    assert "150 of 400" in fitted.note
    chosen = stratified_subsample(labels, 150, protocol.seed)
    same = tune_and_fit(rows[chosen], labels[chosen], protocol)
    np.testing.assert_array_equal(predict(fitted, rows), predict(same, rows))


@given(
    labels=st.lists(st.integers(0, 4), min_size=12, max_size=80),
    share=st.floats(0.45, 1.0),
    seed=st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_subsample_keeps_proportions(labels, share, seed):
    labels = np.array(labels)
    size = max(int(share * len(labels)), 5)
    chosen = stratified_subsample(labels, size, seed)
    assert len(np.unique(chosen)) == len(chosen)
    assert np.array_equal(chosen, stratified_subsample(labels, size, seed))
    for label in np.unique(labels):
        wanted = size * np.mean(labels == label)
        got = np.sum(labels[chosen] == label)
        assert 1 <= got < wanted + 1 or got == 1
        # Only what lifts rare classes to one row is taken from the others.
        assert got > wanted - 1 - np.sum(np.bincount(labels) * size < len(labels))
    assert len(chosen) == max(size, len(np.unique(labels)))


def test_a_subsample_with_rare_classes_has_the_size_asked_for():
    labels = np.repeat([0, 1, 2, 3], [500, 490, 5, 5])
    chosen = stratified_subsample(labels, 100, 0)
    assert np.bincount(labels[chosen]).tolist() == [49, 49, 1, 1]
    assert len(stratified_subsample(np.arange(9), 4, 0)) == 9


@given(pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
@settings(max_examples=50, deadline=None)
def test_uar_and_confusion_are_sklearns(pairs):
    truth, predicted = np.array(pairs).T
    counts = confusion_counts(truth, predicted, 4)
    np.testing.assert_array_equal(counts, confusion_matrix(truth, predicted, labels=range(4)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of predicted classes that are absent
        assert uar(counts) == pytest.approx(balanced_accuracy_score(truth, predicted))


def test_recall_of_an_absent_class_is_nan():
    found = recalls(confusion_counts(np.array([0, 0, 2]), np.array([0, 2, 2]), 4))
    np.testing.assert_array_equal(found, [0.5, np.nan, 1.0, np.nan])
    assert uar(np.zeros((3, 3), dtype=int)) is None


@pytest.mark.parametrize(
    "fields", [{"kernel": "poly"}, {"c_grid": ()}, {"c_grid": (1.0, 0.1)}, {"inner_folds": 1}]
)
def test_bad_protocol(fields):
    with pytest.raises(ValueError):
        SvmProtocol(**fields)


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "factor"), [("linear", 4), ("rbf", 8)])
def test_faster_than_grid_search(nemo_z, kernel, factor):
    """At n = 1200, well under the 8x (linear) and 20x (rbf) measured at n = 4424."""
    rows, labels = np.ascontiguousarray(nemo_z[0][:1200]), nemo_z[1][:1200]
    grid = (1e-3, 1e-2) if kernel == "linear" else (1.0, 10.0)
    protocol = SvmProtocol(kernel=kernel, c_grid=grid)
    start = time.process_time()
    fitted = tune_and_fit(rows, labels, protocol)
    ours = time.process_time() - start
    start = time.process_time()
    search = grid_search(rows, labels, protocol, fitted.gamma)
    theirs = time.process_time() - start
    np.testing.assert_array_equal(predict(fitted, nemo_z[0]), search.predict(nemo_z[0]))
    assert theirs > factor * ours
