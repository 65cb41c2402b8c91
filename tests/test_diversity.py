"""Variance ratio, distances, copies and support: by hand, by brute force, on known rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from aegan.metrics import support
from aegan.metrics.diversity import (
    LINE_NEIGHBOURS,
    line_ratios,
    nearness,
    variance_ratio,
)
from aegan.metrics.references import class_mean, jitter, smote
from aegan.metrics.support import nearest_distances, nearest_rows, off_support, reach


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
    for ratio in (found.overall, *found.per_class.values()):
        assert ratio == pytest.approx(factor**2, rel=1e-4, abs=1e-9)


def test_variance_by_hand():
    real_z = np.array([[0.0, 0, 5], [2, 4, 5], [0, 0, 5], [4, 0, 5]])
    labels = np.array([0, 0, 1, 1])
    synthetic = np.array([[0.0, 0, 0], [1, 0, 99], [7, 7, 7], [9, 7, 7]])
    # Class 0: (0.5 + 0) over (2 + 8); class 1: (2 + 0) over (8 + 0); the third column is constant.
    found = variance_ratio(synthetic, labels, real_z, labels)
    assert found.per_class == {0: pytest.approx(0.05), 1: pytest.approx(0.25)}
    assert found.overall == pytest.approx(0.15)


def test_classes_without_rows(real):
    """One that the synthetic rows lack has ratio 0, one of a single real row is left out."""
    rows, labels = real
    keep = labels != 2
    found = variance_ratio(rows[keep], labels[keep], rows, labels)
    assert found.per_class[2] == 0 and found.overall == pytest.approx(0.75)
    labels = np.where(np.arange(200) == 0, 9, labels)
    assert 9 not in variance_ratio(rows, labels, rows, labels).per_class


@given(seed=st.integers(0, 2**31), n=st.integers(1, 40), m=st.integers(6, 40), k=st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_nearest_distances_are_those_of_all_pairs(seed, n, m, k):
    rng = np.random.default_rng(seed)
    rows, pool = (rng.standard_normal((size, 7)).astype(np.float32) for size in (n, m))
    own = cdist(pool, pool) + np.diag(np.full(m, np.inf))
    for given_rows, apart in ((rows, cdist(rows, pool)), (None, own)):
        wanted = np.sort(apart, axis=1)[:, :k]
        np.testing.assert_allclose(nearest_distances(given_rows, pool, k), wanted, rtol=1e-5)


def test_copies_are_at_distance_zero_and_near_ones_where_they_are():
    """In many dimensions, where differences of products in float32 lose a small distance."""
    rng = np.random.default_rng(0)
    pool = (rng.standard_normal((50, 300)) * 10).astype(np.float32)
    distances = nearest_distances(pool[:5], pool, 2)
    assert (distances[:, 0] == 0).all() and (distances[:, 1] > 100).all()
    shift = np.float32(1e-3) * rng.standard_normal((50, 300)).astype(np.float32)
    wanted = np.linalg.norm((pool + shift) - pool, axis=1)
    both = np.concatenate([pool, pool + shift])
    np.testing.assert_allclose(nearest_distances(None, both, 1)[:50, 0], wanted, rtol=1e-4)


def test_what_rows_are(real):
    """Fresh rows and prototypes are no copies; noisy duplicates and exact ones are."""
    rows, labels = real
    rng = np.random.default_rng(1)
    means = np.stack([rows[labels == k].mean(axis=0) for k in range(4)])
    fresh = means[labels] + rng.standard_normal(rows.shape)
    for name, drawn, low, high, copies in (
        ("real", None, 1 - 1e-6, 1 + 1e-6, 0),
        ("fresh", fresh, 0.85, 1.15, 0),
        ("prototype", means[labels] + 0.05 * rng.standard_normal(rows.shape), 0.5, 0.9, 0),
        ("noisy", rows + 0.1 * rng.standard_normal(rows.shape), 0, 0.2, 1),
        ("exact", rows, 0, 0, 1),
    ):
        found = nearness(drawn, rows)
        assert low <= found.nn_distance <= high and found.copies == copies, name


def test_a_mixture_shows_its_share_of_copies(real):
    rows, _ = real
    rng = np.random.default_rng(1)
    mixed = rng.standard_normal((100, 60)) * 1.4
    mixed[:30] = rows[:30] + 0.05 * rng.standard_normal((30, 60))
    assert nearness(mixed, rows).copies == pytest.approx(0.3)


def test_the_ratio_of_one_row_is_undefined():
    real = np.array([[0.0, 1], [2, 5], [1, 1], [3, 3]], np.float32)
    labels = np.array([0, 0, 1, 1])
    one_each = variance_ratio(real[::2], labels[::2], real, labels)
    assert one_each == (None, {0: None, 1: None})
    # Class 0 varies half as much, of class 1 there is one row.
    halved = np.array([[0, 1], [2, 5]], np.float32) / np.sqrt(np.float32(2))
    rows = np.concatenate([halved, real[2:3]])
    found = variance_ratio(rows, np.array([0, 0, 1]), real, labels)
    assert found.per_class == {0: pytest.approx(0.5), 1: None}
    assert found.overall == pytest.approx(0.5)
    assert variance_ratio(real[:2], labels[:2], real, labels).per_class[1] == 0  # none at all
    assert variance_ratio(real, labels, real[::2], labels[::2]).overall is None


def test_large_sets_are_sampled(real, monkeypatch):
    rows, _ = real
    whole = nearness(rows + 3, rows).nn_distance
    monkeypatch.setattr(support, "MAX_QUERIES", 50)
    found = nearness(rows + 3, rows, seed=1)
    assert found == nearness(rows + 3, rows, seed=1)
    assert found.nn_distance == pytest.approx(whole, rel=0.1) and found.nn_distance != whole


def test_tiny_and_duplicated_sets():
    rows = np.zeros((4, 3), dtype=np.float32)
    assert nearness(rows, rows) == (None, 1.0, 0.0)
    assert nearness(rows, rows[:1]) == (None, 1.0, 0.0)
    assert nearness(None, rows[:1]) == (None, 0.0, 0.0)
    two = np.array([[0.0, 0], [3, 4]], dtype=np.float32)
    assert nearness(np.array([[0.0, 1]]), two) == (pytest.approx(0.2), 0.0, 0.0)


def line(*places: float) -> np.ndarray:
    """Rows on the first of two axes."""
    return np.array([[place, 0.0] for place in places], dtype=np.float32)


def test_support_by_hand():
    # Nearest other rows: 1, 1, 2, 4 away; 95 % of four rows are all four.
    real = line(0, 1, 3, 7)
    assert reach(real) == 4
    # 12 is 5 from 7; -4 is 4 from 0, at the limit itself; the last is 5 from 3 and from 7.
    rows = np.array([[12, 0], [-4, 0], [2, 0], [3, 5]], dtype=np.float32)
    assert off_support(rows, real, 4.0) == 0.5
    # Pairs at a distance of 1, 2, ..., 20: of 40 rows two are farther than 19.
    gaps = np.arange(1, 21)
    real = line(*1000 * gaps, *(1001 * gaps))
    assert reach(real) == 19
    assert off_support(real + np.float32([0, 19]), real, 19.0) == 0
    assert off_support(real + np.float32([0, 20]), real, 19.0) == 1


@pytest.mark.parametrize(
    ("real", "limit", "rows", "share"),
    [
        # 19 of 20 rows have a duplicate or two: only exact copies are inside.
        ([0] * 10 + [5] * 9 + [9], 0, [0, 5, 9], 0),
        ([0] * 10 + [5] * 9 + [9], 0, [0, 5.5, 9, 8], 0.5),
        ([], None, [1, 2], None),
        ([3], None, [1, 2], None),
        ([3, 4], 1, [], None),
        ([3, 4], 1, [4.5, 6], 0.5),
    ],
)
def test_support_of_tiny_sets_and_duplicates(real, limit, rows, share):
    real = line(*real)
    assert reach(real) == limit and off_support(line(*rows), real, limit) == share


def test_rows_whose_place_is_known():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 4
    centres = 3 * rng.standard_normal((4, 30))
    real, again = (
        (centres[labels] + rng.standard_normal((400, 30))).astype(np.float32) for _ in range(2)
    )
    limit = reach(real)
    assert 0.01 < off_support(again, real, limit) < 0.12
    for inside in (real, *(of(real, labels, labels, 300, 0)[0] for of in (class_mean, jitter))):
        assert off_support(inside, real, limit) == 0
    assert off_support(again + np.float32(5), real, limit) == 1
    gap = line(*np.linspace(0, 1, 50), *np.linspace(10, 11, 50))  # between two speakers
    assert off_support(line(5), gap, reach(gap)) == 1
    assert off_support(line(0.5, 10.5), gap, reach(gap)) == 0


def ratios(rows, pool):
    return line_ratios(*nearest_rows(rows, pool, LINE_NEIGHBOURS, None)[:2], pool)


def test_line_ratios_by_hand():
    pool = np.array([[0.0, 0.0], [4.0, 0.0], [100.0, 0.0]], np.float32)
    rows = np.array([[2.0, 0.0], [2.0, 1.5], [0.0, 3.0], [0.0, 0.0]], np.float32)
    # On the line; 1.5 off it, 2.5 from its ends; an end is the nearest point; a row itself.
    np.testing.assert_allclose(ratios(rows, pool), [0, 0.6, 1, 1], atol=1e-7)
    # Each among the others: 0 and 100 have no line; 4 lies on that of 0 and 100.
    np.testing.assert_allclose(ratios(None, pool), [1, 0, 1], atol=1e-7)
    assert ratios(rows, pool[:1]).tolist() == [1, 1, 1, 1]


def test_line_ratios_once_more_by_points_on_lines(monkeypatch):
    """Against the least of many points on each line, in blocks of any size."""
    rng = np.random.default_rng(0)
    pool, rows = (rng.standard_normal((n, 6)).astype(np.float32) for n in (30, 20))
    share = np.linspace(0, 1, 2001)[:, None]
    wanted = []
    for row in rows:
        apart = np.linalg.norm(pool - row, axis=1)
        near = pool[np.argsort(apart)[:5]].astype(float)
        lines = [a + share * (b - a) for i, a in enumerate(near) for b in near[:i]]
        wanted.append(min(np.linalg.norm(line - row, axis=1).min() for line in lines) / apart.min())
    np.testing.assert_allclose(ratios(rows, pool), wanted, rtol=1e-4)
    monkeypatch.setattr("aegan.metrics.diversity._LINES_AT_ONCE", 3)
    np.testing.assert_allclose(ratios(rows, pool), wanted, rtol=1e-4)


def test_interpolated_rows_are_told_from_drawn_ones():
    """SMOTE's from fresh rows of the same distribution, in many dimensions."""
    rng = np.random.default_rng(1)
    real = (rng.standard_normal((120, 20)) @ rng.standard_normal((20, 200))).astype(np.float32)
    fresh = rng.standard_normal((100, 20)) @ rng.standard_normal((20, 200))
    labels = np.arange(120) % 2
    between, _ = smote(real, labels, labels, 200, 0)
    assert nearness(between, real).interpolated > 0.6
    assert nearness(fresh.astype(np.float32), real).interpolated < 0.05
    assert nearness(None, real).interpolated < 0.05


@pytest.mark.parametrize("apart", [1e-4, 1e-6, 1e-7])
def test_an_exact_copy_is_found_among_near_ones(apart):
    """One clip kept six times, up to the rounding of float32."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=1582) + apart * rng.normal(size=(6, 1582))
    real = np.concatenate([near, rng.normal(size=(200, 1582))]).astype(np.float32)
    rows = real[:6].copy()
    assert off_support(rows, real, 0.0) == 0
    found = nearness(rows, real)
    assert (found.nn_distance, found.copies) == (0, 1)
    distances = np.linalg.norm(rows[:, None].astype(float) - real[None], axis=2)
    expected = np.sort(distances, axis=1)[:, :3]
    np.testing.assert_allclose(nearest_distances(rows, real, 3), expected, rtol=1e-4)
