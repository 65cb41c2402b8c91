"""The trivial generators: what each promises."""

from __future__ import annotations

import numpy as np
import pytest

from aegan.metrics.diversity import variance_ratio
from aegan.metrics.references import (
    BASELINES,
    CLASS_MEAN_NOISE,
    GENERATORS,
    JITTER_NOISE,
    SMOTE_NEIGHBOURS,
)

ALL = GENERATORS | BASELINES


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


@pytest.mark.parametrize("name", ALL)
def test_contract(name, real):
    rows, labels = ALL[name](*real, 800, 3)
    assert rows.shape == (800, 40) and rows.dtype == np.float32 and np.isfinite(rows).all()
    assert labels.shape == (800,) and labels.dtype == np.int32
    assert (np.abs(np.bincount(labels, minlength=4) - 200) < 50).all()
    again = ALL[name](*real, 800, 3)
    assert np.array_equal(rows, again[0]) and np.array_equal(labels, again[1])
    assert not np.array_equal(rows, ALL[name](*real, 800, 4)[0])
    assert np.array_equal(labels, ALL["jitter"](*real, 800, 3)[1])  # of a seed, whatever the name
    for label in range(3):
        wanted = real[0][real[1] == label].mean(axis=0)
        assert np.abs(rows[labels == label].mean(axis=0) - wanted).max() < 0.9


@pytest.mark.parametrize("name", ALL)
def test_absent_classes_and_single_rows(name, real):
    """A class of one row, and one of no row at all."""
    keep = np.flatnonzero(real[1] != 1)
    few = np.concatenate([keep[real[1][keep] != 3], keep[real[1][keep] == 3][:1]])
    rows, labels = ALL[name](real[0][few], real[1][few], 300, 0)
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
        ("oversampling", 0.9, 1.1),
    ],
)
def test_variance(name, low, high, real):
    big = real[1] != 3
    rows, labels = ALL[name](real[0][big], real[1][big], 3000, 0)
    ratio = variance_ratio(rows, labels, real[0][big], real[1][big]).overall
    assert low <= ratio <= high


def test_class_mean_is_the_mean_plus_noise(real):
    rows, labels = ALL["class_mean"](*real, 2000, 0)
    for label in range(4):
        noise = rows[labels == label] - real[0][real[1] == label].mean(axis=0)
        assert noise.std() == pytest.approx(CLASS_MEAN_NOISE, rel=0.05)


def test_class_gaussian_keeps_covariance_and_constant_columns(real):
    rows, labels = ALL["class_gaussian"](*real, 40_000, 0)
    assert np.abs(rows[:, 3]).max() == 0
    found = np.cov(rows[labels == 0], rowvar=False)
    wanted = np.cov(real[0][real[1] == 0], rowvar=False)
    np.testing.assert_allclose(np.diag(found), np.diag(wanted), rtol=0.1)
    # Shrunk, so between the sample covariance and its diagonal.
    off = ~np.eye(40, dtype=bool)
    slope = np.sum(found[off] * wanted[off]) / np.sum(wanted[off] ** 2)
    assert 0.7 < slope < 1.0


def test_smote_lies_between_neighbours_of_the_class(real):
    rows, labels = ALL["smote"](*real, 300, 0)
    for label in range(4):
        pool = real[0][real[1] == label].astype(float)
        k = min(SMOTE_NEIGHBOURS, len(pool) - 1)
        near = np.linalg.norm(pool[:, None] - pool[None], axis=2).argsort(axis=1)[:, 1 : k + 1]
        a, b = np.repeat(pool, k, axis=0), pool[near.ravel()]
        for row in rows[labels == label]:
            share = ((row - a) * (b - a)).sum(axis=1) / ((b - a) ** 2).sum(axis=1)
            gap = np.linalg.norm(a + np.clip(share, 0, 1)[:, None] * (b - a) - row, axis=1)
            assert gap.min() < 1e-3
    assert len(np.unique(rows, axis=0)) > 290


def test_oversampling_repeats_rows_of_the_class(real):
    rows, labels = ALL["oversampling"](*real, 4000, 0)
    known = {(label, row.tobytes()) for row, label in zip(*real, strict=True)}
    drawn = {(label, row.tobytes()) for row, label in zip(rows, labels, strict=True)}
    assert drawn == known  # so many draws reach every row


def test_jitter_rows_are_real_rows_of_their_class_plus_noise(real):
    rows, labels = ALL["jitter"](*real, 200, 0)
    for label in range(4):
        pool = real[0][real[1] == label]
        chosen = rows[labels == label]
        nearest = np.linalg.norm(chosen[:, None] - pool, axis=2).min(axis=1)
        assert np.mean(nearest) == pytest.approx(JITTER_NOISE * np.sqrt(40), rel=0.1)
