"""The trivial generators: what each promises."""

from __future__ import annotations

import numpy as np
import pytest

from aegan.metrics import references
from aegan.metrics.diversity import variance_ratio
from aegan.metrics.references import CLASS_MEAN_NOISE, GENERATORS, JITTER_NOISE


@pytest.fixture(scope="module")
def real():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3], [120, 60, 90, 4]).astype(np.int32)
    mixing = rng.standard_normal((5, 40))
    rows = rng.standard_normal((len(labels), 5)) @ mixing + rng.standard_normal((len(labels), 40))
    rows += 3 * rng.standard_normal((4, 40))[labels]
    rows[:, 3] = 0
    order = rng.permutation(len(labels))
    return rows[order].astype(np.float32), labels[order], np.arange(len(order)).astype(str)


@pytest.mark.parametrize("name", GENERATORS)
def test_contract(name, real):
    (rows, labels), again, other = (GENERATORS[name](*real, 800, seed) for seed in (3, 3, 4))
    assert rows.shape == (800, 40) and rows.dtype == np.float32 and np.isfinite(rows).all()
    assert labels.shape == (800,) and labels.dtype == np.int32
    assert (np.abs(np.bincount(labels, minlength=4) - 200) < 50).all()
    assert np.array_equal(rows, again[0]) and np.array_equal(labels, again[1])
    assert not np.array_equal(rows, other[0])
    assert np.array_equal(
        labels, GENERATORS["jitter"](*real, 800, 3)[1]
    )  # of a seed, whatever the name
    for label in range(3):
        wanted = real[0][real[1] == label].mean(axis=0)
        assert np.abs(rows[labels == label].mean(axis=0) - wanted).max() < 0.9


@pytest.mark.parametrize("name", GENERATORS)
def test_absent_classes_and_single_rows(name, real):
    """A class of one row, and one of no row at all."""
    few = np.append(np.flatnonzero(real[1] % 2 == 0), np.flatnonzero(real[1] == 3)[0])
    rows, labels = GENERATORS[name](*(column[few] for column in real), 300, 0)
    assert np.isfinite(rows).all() and set(labels.tolist()) == {0, 2, 3}
    alone = rows[labels == 3]
    if name == "new_speakers":  # of the spread of the other classes
        alone = alone.mean(axis=0)
    assert np.abs(alone - real[0][few[-1]]).max() < 1


RATIOS = {  # of variance
    "class_mean": (0.0, 0.01),
    "class_gaussian": (0.9, 1.1),
    "smote": (0.5, 0.9),
    "jitter": (0.9, 1.15),
    "oversampling": (0.9, 1.1),
    "new_speakers": (0.9, 1.1),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_variance(name, real):
    big = tuple(column[real[1] != 3] for column in real)
    low, high = RATIOS[name]
    assert low <= variance_ratio(*GENERATORS[name](*big, 3000, 0), *big[:2]).overall <= high


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


def test_smote_lies_between_neighbours_of_the_class(real):
    rows, labels = GENERATORS["smote"](*real, 300, 0)
    for label in range(4):
        pool = real[0][real[1] == label].astype(float)
        k = min(references.SMOTE_NEIGHBOURS, len(pool) - 1)
        near = np.linalg.norm(pool[:, None] - pool[None], axis=2).argsort(axis=1)[:, 1 : k + 1]
        a, b = np.repeat(pool, k, axis=0), pool[near.ravel()]
        for row in rows[labels == label]:
            share = ((row - a) * (b - a)).sum(axis=1) / ((b - a) ** 2).sum(axis=1)
            gap = np.linalg.norm(a + np.clip(share, 0, 1)[:, None] * (b - a) - row, axis=1)
            assert gap.min() < 1e-3
    assert len(np.unique(rows, axis=0)) > 290


def test_drawn_rows_are_those_of_the_class(real):
    """As they are, or with noise; so many draws reach every row."""
    rows, labels = GENERATORS["oversampling"](*real, 4000, 0)
    known = {(label, row.tobytes()) for row, label in zip(*real[:2], strict=True)}
    assert {(label, row.tobytes()) for row, label in zip(rows, labels, strict=True)} == known
    rows, labels = GENERATORS["jitter"](*real, 200, 0)
    for label in range(4):
        apart = np.linalg.norm(rows[labels == label][:, None] - real[0][real[1] == label], axis=2)
        assert np.mean(apart.min(axis=1)) == pytest.approx(JITTER_NOISE * np.sqrt(40), rel=0.1)
