"""The sentinel: collapse and convergence on constructed cases."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from aegan.metrics.verdict import COLLAPSED_RATIO
from aegan.run.sentinel import check_collapse, convergence

CLASSES = ("angry", "happy", "neutral", "sad")
LABELS = np.arange(400) % 4
CENTRES = 6.0 * np.eye(4, 10)


def real_rows(seed=0):
    return CENTRES[LABELS] + np.random.default_rng(seed).normal(size=(400, 10))


def check(rows, labels=LABELS):
    return check_collapse(np.float32(rows), labels, np.float32(real_rows()), LABELS, CLASSES)


def test_rows_like_the_real_ones_are_healthy():
    found = check(real_rows(seed=1))
    assert found.reason is None
    assert found.classes_missing == () and found.non_finite_rows == 0
    assert found.variance_ratio == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("shrink", "collapsed"), [(0.05, True), (0.5, False)])
def test_narrow_classes_are_a_collapse(shrink, collapsed):
    """Variance ratios 0.0025 and 0.25, by construction."""
    means = np.stack([real_rows()[LABELS == c].mean(axis=0) for c in range(4)])
    found = check(means[LABELS] + shrink * (real_rows() - means[LABELS]))
    assert found.variance_ratio == pytest.approx(shrink**2, rel=1e-4)
    assert (found.variance_ratio < COLLAPSED_RATIO) == collapsed
    assert ("variance ratio 0.0025" in (found.reason or "")) == collapsed


SWAPPED = np.array([0, 1, 3, 2])[LABELS]
DRAWN = LABELS != 0


@pytest.mark.parametrize(
    ("rows", "labels", "missing"),
    [
        (CENTRES[1] + real_rows(1) - CENTRES[LABELS], LABELS, ("angry", "neutral", "sad")),
        (real_rows(1), SWAPPED, ("neutral", "sad")),  # its rows carry the wrong label
        (real_rows(1)[DRAWN], LABELS[DRAWN], ("angry",)),  # never drawn
    ],
    ids=["one class everywhere", "swapped labels", "never drawn"],
)
def test_a_class_is_missing(rows, labels, missing):
    found = check(rows, labels)
    assert found.classes_missing == missing
    assert found.reason == f"no rows that look like {', '.join(missing)}"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_counted(bad):
    rows = real_rows(1)
    rows[3, 2] = rows[5, 0] = rows[5, 1] = bad
    found = check(rows)
    assert found.non_finite_rows == 2
    assert found.reason == "2 synthetic rows are not finite"


def losses(epochs=20, **places):
    """Two losses of 1 in every epoch, but for some rows of the first or the second."""
    values = np.ones((epochs, 2))
    for name, changes in places.items():
        for rows, value in changes:
            values[rows, "ab".index(name)] = value
    return values


@pytest.mark.parametrize(
    ("training", "measure"),
    [
        (np.full((50, 3), 2.0), 0.0),
        # The largest relative change of the last fifths: from 4 to 3.
        (losses(a=[(slice(16, 20), 1.1)], b=[(slice(12, 16), 4), (slice(16, 20), 3)]), 0.25),
        # Each fifth is 10 epochs: the mean falls by 1 - 1/e.
        (np.exp(-np.arange(50) / 10)[:, None], 1 - np.exp(-1)),
        (losses(b=[(slice(1, 20, 2), np.nan)]), 0.0),  # D2 sat out every second epoch
        (losses(a=[(17, np.inf)]), None),
        (losses(10, b=[([1, 2, 3, 4, 6, 7, 8, 9], np.nan)]), None),  # D2 sat out a whole window
        *((np.ones((epochs, 2)), None) for epochs in (0, 3)),
        *((np.ones((epochs, 2)), 0.0) for epochs in (4, 9)),
    ],
)
def test_convergence(training, measure):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = convergence(training)
    assert found == (measure if measure is None else pytest.approx(measure, rel=1e-6))
