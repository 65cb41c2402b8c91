"""Variance ratio, distances and copies against brute force, and on rows whose nature is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from aegan.metrics import diversity
from aegan.metrics.diversity import nearest_rows, nearness, variance_ratio


@pytest.fixture
def real():
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 4
    centres = rng.standard_normal((4, 60))
    rows = centres[labels] + rng.standard_normal((200, 60))
    rows[:, 7] = 0
    return rows.astype(np.float32), labels


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 2.0])
def test_shrinking_towards_the_class_mean(real, factor):
    rows, labels = real
    means = np.stack([rows[labels == k].mean(axis=0) for k in range(4)])[labels]
    found = variance_ratio(means + factor * (rows - means), labels, rows, labels)
    assert found.overall == pytest.approx(factor**2, rel=1e-4, abs=1e-9)
    for ratio in found.per_class.values():
        assert ratio == pytest.approx(factor**2, rel=1e-4, abs=1e-9)


def test_variance_by_hand():
    real_z = np.array([[0.0, 0, 5], [2, 4, 5], [0, 0, 5], [4, 0, 5]])
    labels = np.array([0, 0, 1, 1])
    synthetic = np.array([[0.0, 0, 0], [1, 0, 99], [7, 7, 7], [9, 7, 7]])
    # Class 0: (0.5 + 0) over (2 + 8); class 1: (2 + 0) over (8 + 0); the third column is constant.
    found = variance_ratio(synthetic, labels, real_z, labels)
    assert found.per_class == {0: pytest.approx(0.05), 1: pytest.approx(0.25)}
    assert found.overall == pytest.approx(0.15)


def test_a_missing_class_has_ratio_zero(real):
    rows, labels = real
    keep = labels != 2
    found = variance_ratio(rows[keep], labels[keep], rows, labels)
    assert found.per_class[2] == 0
    assert found.overall == pytest.approx(0.75)


def test_a_real_class_of_one_row_is_left_out(real):
    rows, labels = real
    labels = labels.copy()
    labels[0] = 9
    assert 9 not in variance_ratio(rows, labels, rows, labels).per_class


@given(seed=st.integers(0, 2**31), n=st.integers(1, 40), m=st.integers(6, 40), k=st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_nearest_rows_are_sklearns(seed, n, m, k):
    rng = np.random.default_rng(seed)
    rows, pool = (rng.standard_normal((size, 7)).astype(np.float32) for size in (n, m))
    wanted, wanted_at = (
        NearestNeighbors(n_neighbors=k, algorithm="brute").fit(pool).kneighbors(rows)
    )
    positions, distances = nearest_rows(rows, pool, k)
    np.testing.assert_allclose(distances, wanted, rtol=1e-5)
    np.testing.assert_array_equal(positions, wanted_at)
    own_positions, own_distances = nearest_rows(pool, pool, k, own=np.arange(m))
    everything = cdist(pool, pool)
    np.fill_diagonal(everything, np.inf)
    np.testing.assert_allclose(own_distances, np.sort(everything, axis=1)[:, :k], rtol=1e-5)
    assert not np.any(own_positions == np.arange(m)[:, None])


def test_an_exact_copy_is_at_distance_zero():
    pool = (np.random.default_rng(0).standard_normal((50, 300)) * 10).astype(np.float32)
    _, distances = nearest_rows(pool[:5], pool, 2)
    assert (distances[:, 0] == 0).all() and (distances[:, 1] > 100).all()


def test_chunks_do_not_matter(real, monkeypatch):
    rows, _ = real
    whole = nearest_rows(rows[:90], rows, 3)
    monkeypatch.setattr(diversity, "_CELLS", 7 * len(rows))
    for a, b in zip(whole, nearest_rows(rows[:90], rows, 3), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_what_rows_are(real):
    """Fresh rows and prototypes are no copies; noisy duplicates and exact ones are."""
    rows, labels = real
    rng = np.random.default_rng(1)
    means = np.stack([rows[labels == k].mean(axis=0) for k in range(4)])
    fresh = means[labels] + rng.standard_normal(rows.shape)
    found = {
        "real": nearness(None, rows),
        "fresh": nearness(fresh, rows),
        "prototype": nearness(means[labels] + 0.05 * rng.standard_normal(rows.shape), rows),
        "noisy": nearness(rows + 0.1 * rng.standard_normal(rows.shape), rows),
        "exact": nearness(rows, rows),
    }
    assert found["real"].nn_distance == pytest.approx(1)
    assert found["fresh"].nn_distance == pytest.approx(1, abs=0.15)
    assert 0.5 < found["prototype"].nn_distance < 0.9
    assert found["noisy"].nn_distance < 0.2
    assert found["exact"].nn_distance == 0
    for name, copies in (("real", 0), ("fresh", 0), ("prototype", 0), ("noisy", 1), ("exact", 1)):
        assert found[name].copies == copies, name


def test_a_mixture_shows_its_share_of_copies(real):
    rows, _ = real
    rng = np.random.default_rng(1)
    mixed = rng.standard_normal((100, 60)) * 1.4
    mixed[:30] = rows[:30] + 0.05 * rng.standard_normal((30, 60))
    assert nearness(mixed, rows).copies == pytest.approx(0.3)


def test_large_sets_are_sampled(real, monkeypatch):
    rows, _ = real
    monkeypatch.setattr(diversity, "MAX_QUERIES", 50)
    found = nearness(rows + 3, rows, seed=1)
    assert found == nearness(rows + 3, rows, seed=1)
    monkeypatch.setattr(diversity, "MAX_QUERIES", 4000)
    assert found.nn_distance == pytest.approx(nearness(rows + 3, rows).nn_distance, rel=0.1)


def test_tiny_and_duplicated_sets():
    rows = np.zeros((4, 3), dtype=np.float32)
    assert nearness(rows, rows) == (None, 1.0)
    assert nearness(rows, rows[:1]) == (None, 1.0)
    assert nearness(None, rows[:1]) == (None, 0.0)
    two = np.array([[0.0, 0], [3, 4]], dtype=np.float32)
    assert nearness(np.array([[0.0, 1]]), two) == (pytest.approx(0.2), 0.0)
