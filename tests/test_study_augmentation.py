"""What stands beside a generator at low resource: what each baseline promises."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from aegan.metrics.references import JITTER_NOISE
from aegan.study.augmentation import BASELINES, SMOTE_NEIGHBOURS, first


@pytest.fixture(scope="module")
def real():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3], [40, 25, 6, 2]).astype(np.int32)
    rows = rng.standard_normal((len(labels), 30)) + 3 * rng.standard_normal((4, 30))[labels]
    order = rng.permutation(len(labels))
    return rows[order].astype(np.float32), labels[order]


@pytest.mark.parametrize("name", BASELINES)
def test_contract(name, real):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows, labels = BASELINES[name](*real, 800, 3)
    assert rows.shape == (800, 30) and rows.dtype == np.float32 and np.isfinite(rows).all()
    assert labels.dtype == np.int32
    assert (np.abs(np.bincount(labels, minlength=4) - 200) < 50).all()
    again = BASELINES[name](*real, 800, 3)
    assert np.array_equal(rows, again[0]) and np.array_equal(labels, again[1])
    assert not np.array_equal(rows, BASELINES[name](*real, 800, 4)[0])
    assert np.array_equal(labels, BASELINES["jitter"](*real, 800, 3)[1])
    for label in range(4):
        wanted = real[0][real[1] == label].mean(axis=0)
        assert np.abs(rows[labels == label].mean(axis=0) - wanted).max() < 1


@pytest.mark.parametrize("name", BASELINES)
def test_a_class_of_one_row_and_few_rows_asked_for(name, real):
    keep = np.r_[np.flatnonzero(real[1] != 3), np.flatnonzero(real[1] == 3)[:1]]
    rows, labels = BASELINES[name](real[0][keep], real[1][keep], 100, 0)
    single = real[0][keep][-1]
    assert np.abs(rows[labels == 3] - single).max() < 5 * JITTER_NOISE
    assert BASELINES[name](*real, 1, 0)[0].shape == (1, 30)


def test_oversampling_repeats_rows_of_the_class(real):
    rows, labels = BASELINES["oversampling"](*real, 2000, 0)
    known = {(label, row.tobytes()) for row, label in zip(*real, strict=True)}
    drawn = {(label, row.tobytes()) for row, label in zip(rows, labels, strict=True)}
    assert drawn == known  # so many draws reach every row


def test_smote_lies_between_neighbours_of_the_class(real):
    rows, labels = BASELINES["smote"](*real, 300, 0)
    for label in range(4):
        pool = real[0][real[1] == label].astype(float)
        k = min(SMOTE_NEIGHBOURS, len(pool) - 1)
        near = np.linalg.norm(pool[:, None] - pool[None], axis=2).argsort(axis=1)[:, 1 : k + 1]
        starts = np.repeat(np.arange(len(pool)), k)
        a, b = pool[starts], pool[near.ravel()]
        for row in rows[labels == label]:
            share = ((row - a) * (b - a)).sum(axis=1) / ((b - a) ** 2).sum(axis=1)
            gap = np.linalg.norm(a + np.clip(share, 0, 1)[:, None] * (b - a) - row, axis=1)
            assert gap.min() < 1e-3
    assert len(np.unique(rows, axis=0)) > 290


def test_fewer_rows_are_a_prefix(real):
    rows = BASELINES["smote"](*real, 60, 0)
    few = first(rows, 20)
    assert few[0].shape == (20, 30) and few[1].shape == (20,)
    assert np.array_equal(few[0], rows[0][:20]) and np.array_equal(few[1], rows[1][:20])
