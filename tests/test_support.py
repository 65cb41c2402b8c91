"""Off-support shares by hand, against scikit-learn, and of rows whose place is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from aegan.metrics import diversity
from aegan.metrics.references import class_mean, jitter
from aegan.metrics.support import off_support, reach


def line(*places: float) -> np.ndarray:
    """Rows on the first of two axes."""
    return np.array([[place, 0.0] for place in places], dtype=np.float32)


def test_by_hand():
    # Nearest other rows: 1, 1, 2, 4 away; 95 % of four rows are all four.
    real = line(0, 1, 3, 7)
    assert reach(real) == 4
    # 12 is 5 from 7; -4 is 4 from 0, at the limit itself; the last is 5 from 3 and from 7.
    rows = np.array([[12, 0], [-4, 0], [2, 0], [3, 5]], dtype=np.float32)
    assert off_support(rows, real, 4.0) == 0.5


def test_the_limit_leaves_a_twentieth_of_the_rows_out():
    # Pairs at a distance of 1, 2, ..., 20: of 40 rows two are farther than 19.
    gaps = np.arange(1, 21)
    starts = 1000 * gaps
    real = line(*starts, *(starts + gaps))
    assert reach(real) == 19
    assert off_support(real + np.float32([0, 19]), real, 19.0) == 0
    assert off_support(real + np.float32([0, 20]), real, 19.0) == 1


def test_duplicates():
    # 19 of 20 rows have a duplicate or two: the limit is 0, and only exact copies are inside.
    real = line(*[0] * 10, *[5] * 9, 9)
    assert reach(real) == 0
    assert off_support(line(0, 5, 9), real, 0.0) == 0
    assert off_support(line(0, 5.5, 9, 8), real, 0.0) == 0.5


def test_tiny_sets():
    assert reach(line()) is None
    assert reach(line(3)) is None
    assert off_support(line(1, 2), line(3), None) is None
    assert off_support(line(), line(3, 4), 1.0) is None
    assert reach(line(3, 4)) == 1
    assert off_support(line(4.5, 6), line(3, 4), 1.0) == 0.5


@given(seed=st.integers(0, 2**31), n=st.integers(1, 60), m=st.integers(2, 60))
@settings(max_examples=40, deadline=None)
def test_against_scikit_learn(seed, n, m):
    rng = np.random.default_rng(seed)
    real = rng.standard_normal((m, 6)).astype(np.float32)
    rows = (1.3 * rng.standard_normal((n, 6))).astype(np.float32)
    index = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(real)
    own = np.sort(index.kneighbors()[0][:, 0])  # without queries: each row's own is left out
    limit = reach(real)
    wanted = own[int(np.ceil(0.95 * m)) - 1]
    assert limit == pytest.approx(wanted, rel=1e-5)
    # A distance at the limit may be either side of it after rounding.
    distances = index.kneighbors(rows)[0][:, 0]
    low, high = (float((distances > wanted * (1 + e)).mean()) for e in (1e-5, -1e-5))
    assert low <= off_support(rows, real, limit) <= high


def test_rows_whose_place_is_known(monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 4
    centres = 3 * rng.standard_normal((4, 30))
    real, again = (
        (centres[labels] + rng.standard_normal((400, 30))).astype(np.float32) for _ in range(2)
    )
    limit = reach(real)
    share = off_support(again, real, limit)
    assert 0.01 < share < 0.12
    assert off_support(real, real, limit) == 0
    assert off_support(class_mean(real, labels, 300, 0)[0], real, limit) == 0
    assert off_support(jitter(real, labels, 300, 0)[0], real, limit) == 0
    assert off_support(again + np.float32(5), real, limit) == 1
    monkeypatch.setattr(diversity, "_CELLS", 1200)  # three rows at once
    assert reach(real) == limit
    assert off_support(again, real, limit) == share


def test_a_row_in_a_gap_between_speakers_is_off():
    real = line(*np.linspace(0, 1, 50), *np.linspace(10, 11, 50))
    limit = reach(real)
    assert off_support(line(5), real, limit) == 1
    assert off_support(line(0.5, 10.5), real, limit) == 0
