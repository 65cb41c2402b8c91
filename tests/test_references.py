"""The four trivial generators: what each promises."""

from __future__ import annotations

import numpy as np
import pytest

from aegan.metrics.diversity import variance_ratio
from aegan.metrics.references import CLASS_MEAN_NOISE, GENERATORS, JITTER_NOISE, smote


@pytest.fixture(scope="module")
def real():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3], [120, 60, 90, 4]).astype(np.int32)
    mixing = rng.standard_normal((5, 40))
    rows = rng.standard_normal((len(labels), 5)) @ mixing + rng.standard_normal((len(labels), 40))
    rows += 3 * rng.standard_normal((4, 40))[labels]
    rows[:, 3] = 0
    order = rng.permutation(len(labels))
    return rows[order].astype(np.float32), labels[order]


@pytest.mark.parametrize("name", GENERATORS)
def test_contract(name, real):
    rows, labels = GENERATORS[name](*real, 800, 3)
    assert rows.shape == (800, 40) and rows.dtype == np.float32 and np.isfinite(rows).all()
    assert labels.shape == (800,) and labels.dtype == np.int32
    assert (np.abs(np.bincount(labels, minlength=4) - 200) < 50).all()
    again = GENERATORS[name](*real, 800, 3)
    assert np.array_equal(rows, again[0]) and np.array_equal(labels, again[1])
    assert not np.array_equal(rows, GENERATORS[name](*real, 800, 4)[0])
    for label in range(3):
        wanted = real[0][real[1] == label].mean(axis=0)
        assert np.abs(rows[labels == label].mean(axis=0) - wanted).max() < 0.9


@pytest.mark.parametrize("name", GENERATORS)
def test_absent_classes_and_single_rows(name, real):
    """A class of one row, and one of no row at all."""
    keep = np.flatnonzero(real[1] != 1)
    few = np.concatenate([keep[real[1][keep] != 3], keep[real[1][keep] == 3][:1]])
    rows, labels = GENERATORS[name](real[0][few], real[1][few], 300, 0)
    assert np.isfinite(rows).all() and set(labels.tolist()) == {0, 2, 3}
    single = real[0][few][real[1][few] == 3]
    assert np.abs(rows[labels == 3] - single).max() < 1


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("class_mean", 0.0, 0.01),
        ("class_gaussian", 0.9, 1.1),
        ("smote", 0.5, 0.9),
        ("jitter", 0.9, 1.15),
    ],
)
def test_variance(name, low, high, real):
    big = real[1] != 3
    rows, labels = GENERATORS[name](real[0][big], real[1][big], 3000, 0)
    ratio = variance_ratio(rows, labels, real[0][big], real[1][big]).overall
    assert low <= ratio <= high


def test_class_mean_is_the_mean_plus_noise(real):
    rows, labels = GENERATORS["class_mean"](*real, 2000, 0)
    for label in range(4):
        noise = rows[labels == label] - real[0][real[1] == label].mean(axis=0)
        assert noise.std() == pytest.approx(CLASS_MEAN_NOISE, rel=0.05)


def test_class_gaussian_keeps_covariance_and_constant_columns(real):
    rows, labels = GENERATORS["class_gaussian"](*real, 40_000, 0)
    assert np.abs(rows[:, 3]).max() == 0
    found = np.cov(rows[labels == 0], rowvar=False)
    wanted = np.cov(real[0][real[1] == 0], rowvar=False)
    np.testing.assert_allclose(np.diag(found), np.diag(wanted), rtol=0.1)
    # Shrunk, so between the sample covariance and its diagonal.
    off = ~np.eye(40, dtype=bool)
    slope = np.sum(found[off] * wanted[off]) / np.sum(wanted[off] ** 2)
    assert 0.7 < slope < 1.0


def test_smote_rows_lie_between_neighbours_of_their_class(real):
    rows, labels = smote(*real, 60, 0)
    for row, label in zip(rows.astype(np.float64), labels, strict=True):
        pool = real[0][real[1] == label].astype(np.float64)
        apart = np.linalg.norm(pool[:, None] - pool, axis=2)
        start, end = np.triu_indices(len(pool), 1)
        to_row = np.linalg.norm(pool - row, axis=1)
        detour = to_row[start] + to_row[end] - apart[start, end]
        best = detour.argmin()
        assert detour[best] < 1e-4
        ranks = apart.argsort(axis=1).argsort(axis=1)
        i, j = start[best], end[best]
        assert min(ranks[i, j], ranks[j, i]) <= 5


def test_jitter_rows_are_real_rows_of_their_class_plus_noise(real):
    rows, labels = GENERATORS["jitter"](*real, 200, 0)
    for label in range(4):
        pool = real[0][real[1] == label]
        chosen = rows[labels == label]
        nearest = np.linalg.norm(chosen[:, None] - pool, axis=2).min(axis=1)
        assert np.mean(nearest) == pytest.approx(JITTER_NOISE * np.sqrt(40), rel=0.1)
